"""Answers of networks merged with pieces of the surroundings: where, how, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from engine.fakes import PaletteOptions
from twofold.engine.detail.merge import BROAD_SHARE, FINE_SHARE, merged_answer
from twofold.engine.detail.patchmatch import Copied
from twofold.engine.torch_inpainter import TorchInpainter
from twofold.network import FilledBatch

SIDE = 128


class Flat(nn.Module):
    """Answers with the mean colour of what is known, shifted by the seed."""

    size_multiple = native_size = largest_size = SIDE
    default_options = PaletteOptions()

    def fill(
        self,
        image: torch.Tensor,
        hole: torch.Tensor,
        seeds: list[int],
        options: object = None,
        *,
        progress: object = None,
    ) -> FilledBatch:
        known = 1 - hole
        mean = (image * known).sum(dim=(2, 3), keepdim=True) / known.sum().clamp(min=1)
        shift = torch.tensor([seed % 7 - 3 for seed in seeds]).view(-1, 1, 1, 1) / 40
        return FilledBatch((mean + shift).clamp(-1, 1).expand(-1, -1, *image.shape[2:]))


def grain(height: int, width: int) -> np.ndarray:
    fine = np.random.default_rng(0).normal(120, 25, (height, width, 3))
    return fine.round().clip(0, 255).astype(np.uint8)


def box_hole(height: int, width: int) -> np.ndarray:
    hole = np.zeros((height, width), np.bool_)
    hole[height // 4 : height // 2, width // 4 : width // 2] = True
    return hole


def inpainter(detail: str) -> TorchInpainter:
    return TorchInpainter(Flat(), "flat", device="cpu", detail=detail)


def test_what_the_hole_hides_has_no_influence_and_known_pixels_stay() -> None:
    image, hole = grain(SIDE, SIDE), box_hole(SIDE, SIDE)
    answer = np.full_like(image, 120)
    one = merged_answer(image, answer, hole)
    two = merged_answer(np.where(hole[..., None], np.uint8(7), image), answer, hole)
    assert one is not None
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one[~hole], image[~hole])
    assert one[hole].std() > 0.3 * image[~hole].std()  # the answer has no grain at all


def test_the_shares_of_the_network_are_those_of_broad_and_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = np.zeros((SIDE, SIDE, 2), np.int64)
    monkeypatch.setattr(
        "twofold.engine.detail.merge.copy_patches",
        lambda whole, hole, how: Copied(np.zeros_like(whole), nothing, hole),
    )
    hole = np.ones((SIDE, SIDE), np.bool_)
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    broad = merged_answer(image, np.full_like(image, 200), hole)
    assert broad is not None
    np.testing.assert_array_equal(broad, round(200 * BROAD_SHARE))
    checks = np.indices((SIDE, SIDE)).sum(axis=0) % 2 * 200
    fine = merged_answer(image, np.repeat(checks[..., None], 3, axis=2).astype(np.uint8), hole)
    assert fine is not None
    assert fine[40:80, 40:80].max() - fine[40:80, 40:80].min() == pytest.approx(200 * FINE_SHARE, abs=2)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_windows_at_full_size_are_merged_unless_the_network_is_wanted_alone(dtype: str) -> None:
    image, hole = (grain(150, 140).astype(dtype) * (257 if dtype == "uint16" else 1)), box_hole(150, 140)
    plain, merged = inpainter("none").fill(image, hole).image, inpainter("auto").fill(image, hole).image
    assert plain[hole].std() < 0.1 * image.std()
    assert merged[hole].std() > 0.3 * image.std()
    assert merged.dtype == image.dtype
    np.testing.assert_array_equal(merged[~hole], image[~hole])


def test_same_seed_gives_same_picture_and_samples_still_differ() -> None:
    image, hole = grain(SIDE, SIDE), box_hole(SIDE, SIDE)
    one, three = (
        inpainter("auto").fill(image, hole, seed=4),
        inpainter("auto").fill(image, hole, samples=3, seed=4),
    )
    np.testing.assert_array_equal(one.image, three.image)
    assert (three.samples[1].image != three.image).any()


def test_too_little_to_copy_from_leaves_the_answer_of_the_network() -> None:
    image, hole = grain(SIDE, SIDE), np.ones((SIDE, SIDE), np.bool_)
    hole[0, :5] = False
    assert merged_answer(image, image, hole) is None
    plain = inpainter("none").fill(image, hole).image
    np.testing.assert_array_equal(inpainter("auto").fill(image, hole).image, plain)
