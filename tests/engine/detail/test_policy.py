"""Detail of the surroundings: it is carried into large holes, at full resolution, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine.fakes import PaletteOptions
from twofold.engine.crops.tiles import Tile, cut
from twofold.engine.crops.windows import choose_windows
from twofold.engine.detail.exemplar import find_exemplar
from twofold.engine.detail.policy import detailed_values
from twofold.engine.torch_inpainter import TorchInpainter
from twofold.errors import InputError
from twofold.network import FilledBatch
from twofold.pixels import rgb8

NATIVE = 64


class Flat(nn.Module):
    """Answers with the mean colour of what is known: no detail at all."""

    size_multiple = native_size = largest_size = NATIVE
    default_options = PaletteOptions()

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def fill(
        self,
        image: torch.Tensor,
        hole: torch.Tensor,
        seeds: list[int],
        options: object = None,
        *,
        progress: object = None,
    ) -> FilledBatch:
        self.shapes.append(tuple(image.shape))
        known = 1 - hole
        mean = (image * known).sum(dim=(2, 3), keepdim=True) / known.sum().clamp(min=1)
        shift = torch.tensor([seed % 7 - 3 for seed in seeds]).view(-1, 1, 1, 1) / 40
        return FilledBatch((mean + shift).clamp(-1, 1).expand(-1, -1, *image.shape[2:]))


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Fine grain on a slow gradient."""
    grain = np.random.default_rng(seed).normal(0, 25, (height, width, 1))
    ramp = np.linspace(90, 160, width)[None, :, None]
    return (grain + ramp + [0, 5, -5]).round().clip(0, 255).astype(np.uint8)


def hole_of(height: int, width: int) -> np.ndarray:
    hole = np.zeros((height, width), np.bool_)
    hole[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    return hole


def energy(picture: np.ndarray, hole: np.ndarray) -> float:
    """Mean squared difference of missing neighbours."""
    grey = rgb8(picture).astype(float).mean(axis=2)
    inside = hole[:, 1:] & hole[:, :-1]
    return float((np.diff(grey, axis=1)[inside] ** 2).mean())


def inpainter(detail: str = "auto") -> TorchInpainter:
    return TorchInpainter(Flat(), "flat", device="cpu", detail=detail)


@pytest.mark.parametrize("scale", [2, 3, 5])
def test_a_large_hole_gets_the_grain_of_its_surroundings(scale: int) -> None:
    side = NATIVE * scale + 7
    image, hole = texture(side, side), hole_of(side, side)
    soft, fine = inpainter("none").fill(image, hole).image, inpainter().fill(image, hole).image
    core = np.zeros_like(hole)  # where the network's share is small
    core[3 * side // 8 : 5 * side // 8, 3 * side // 8 : 5 * side // 8] = True
    truth = energy(image, core)
    assert energy(soft, core) < 0.05 * truth
    assert 0.4 * truth < energy(fine, core) < 1.3 * truth
    np.testing.assert_array_equal(fine[~hole], image[~hole])


def test_detail_is_for_windows_that_were_scaled_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Tile] = []

    def counted(image: np.ndarray, hole: np.ndarray, answer: np.ndarray, tile: Tile, *, calm: bool) -> object:
        asked.append(tile)
        return detailed_values(image, hole, answer, tile, calm=calm)

    monkeypatch.setattr("twofold.engine.detail.policy.detailed_values", counted)
    image, hole = texture(NATIVE, NATIVE), hole_of(NATIVE, NATIVE)
    for detail, wanted in (("none", 0), ("auto", 0), ("always", 1)):
        asked.clear()
        inpainter(detail).fill(image, hole)
        assert len(asked) == wanted
    with pytest.raises(InputError, match="detail is 'some'"):
        inpainter("some")


@settings(deadline=None, max_examples=4)
@given(
    st.integers(40, 120),
    st.integers(40, 120),
    st.sampled_from([0, 1, 3, 4]),
    st.sampled_from(["uint8", "uint16"]),
    st.integers(0, 999),
)
def test_what_the_hole_hides_has_no_influence_and_all_else_stays(
    height: int, width: int, channels: int, dtype: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = (height, width) if channels == 0 else (height, width, channels)
    image = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    hole = rng.random((height, width)) < 0.01
    hole[height // 5 : height // 2, width // 4 : width // 2] = True
    other = np.where(hole if channels == 0 else hole[..., None], np.array(7, dtype), image)
    if channels == 4:
        other[..., 3] = image[..., 3]
    one, two = inpainter("always").fill(image, hole).image, inpainter("always").fill(other, hole).image
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one[~hole], image[~hole])
    assert (one.shape, one.dtype) == (image.shape, image.dtype)
    if channels == 4:
        np.testing.assert_array_equal(one[..., 3], image[..., 3])


def test_deep_pictures_keep_levels_between_8_bit_ones_and_grey_ones_agree_with_colour() -> None:
    side = 2 * NATIVE
    grey = np.random.default_rng(3).integers(20000, 45000, (side, side), np.uint16)
    hole = hole_of(side, side)
    filled = inpainter().fill(grey, hole).image
    assert len(np.unique(filled[hole] % 257)) > 100
    color = inpainter().fill(np.repeat(grey[..., None], 3, axis=2), hole).image
    assert np.abs(color.astype(int) - filled[..., None].astype(int)).max() <= 2


def test_same_seed_gives_same_detail_whatever_the_number_of_samples() -> None:
    image, hole = texture(150, 150), hole_of(150, 150)
    one, three = inpainter().fill(image, hole, seed=4), inpainter().fill(image, hole, samples=3, seed=4)
    np.testing.assert_array_equal(one.image, three.image)
    assert (three.samples[1].image != three.image).any()


def test_cost_grows_with_the_hole_and_not_with_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[int] = []

    def counted(image: np.ndarray, hole: np.ndarray, answer: np.ndarray, tile: Tile, *, calm: bool) -> object:
        copied.append(tile.own.size)
        return detailed_values(image, hole, answer, tile, calm=calm)

    monkeypatch.setattr("twofold.engine.detail.policy.detailed_values", counted)
    shapes = []
    for side in (400, 2000):
        network = Flat()
        image, hole = texture(side, side), np.zeros((side, side), np.bool_)
        hole[120:260, 100:240] = True
        TorchInpainter(network, "flat", device="cpu").fill(image, hole)
        shapes.append(network.shapes)
    assert shapes[0] == shapes[1] == [(1, 3, NATIVE, NATIVE)]
    assert copied[0] == copied[1] == 280**2


def test_too_little_to_copy_from_leaves_the_answer_of_the_network() -> None:
    image, hole = texture(150, 150), np.ones((150, 150), np.bool_)
    hole[0, :5] = False
    (window,) = choose_windows(hole, NATIVE)
    tile = cut(image, hole, window, NATIVE)
    assert detailed_values(image, hole, tile.image, tile) is None
    plain = inpainter("none").fill(image, hole).image
    np.testing.assert_array_equal(inpainter().fill(image, hole).image, plain)
    assert find_exemplar(tile.image, tile.image, np.zeros((NATIVE, NATIVE), np.bool_)) is None


def test_the_answer_of_the_network_rules_at_the_rim_and_fades_inside() -> None:
    image, hole = texture(NATIVE, NATIVE), hole_of(NATIVE, NATIVE)
    exemplar = find_exemplar(image, np.full_like(image, 120), hole)
    assert exemplar is not None
    middle = exemplar.share[NATIVE // 2, NATIVE // 4 : NATIVE // 2]
    assert (np.diff(middle) <= 0).all()
    assert middle[0] > 0.8
    assert middle[-1] < 0.2
    assert (exemplar.share[~hole] == 1).all()
    rows, columns = np.nonzero(exemplar.used & hole)
    sources = rows + exemplar.moves[rows, columns, 0], columns + exemplar.moves[rows, columns, 1]
    assert not hole[sources].any()
