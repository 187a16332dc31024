"""The inpainter around a network: the invariants of filling, whatever the network."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from engine.fakes import PaletteOptions
from twofold.devices import choose_device, derive_seed
from twofold.engine.torch_inpainter import TorchInpainter
from twofold.errors import ImageError, InputError, MaskError
from twofold.inpainter import Inpainter
from twofold.network import FilledBatch

NATIVE = 32


class Noisy(nn.Module):
    """Answers with a blur of what it is shown, and noise by its seeds."""

    size_multiple = 32
    native_size = NATIVE
    largest_size = NATIVE
    default_options = PaletteOptions()

    def __init__(self, noise: float = 0.1, likelihood: bool = False) -> None:
        super().__init__()
        self.blur = nn.Conv2d(3, 3, 5, padding=2, bias=False)
        nn.init.constant_(self.blur.weight, 1 / 75)
        self.noise = noise
        self.likelihood = likelihood
        self.calls: list[tuple[int, ...]] = []

    def fill(
        self,
        image: torch.Tensor,
        hole: torch.Tensor,
        seeds: Sequence[int],
        options: object = None,
        *,
        progress: object = None,
    ) -> FilledBatch:
        assert not torch.is_grad_enabled()
        assert not self.training
        self.calls.append((len(seeds), *image.shape))
        draws = [
            torch.randn(image.shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in seeds
        ]
        answer = (self.blur(image) + self.noise * torch.stack(draws)).clamp(-1, 1)
        level = torch.stack([draw.mean() for draw in draws]) if self.likelihood else None
        view = image[..., ::4, ::4].expand(len(seeds), -1, -1, -1)
        return FilledBatch(answer, structure=view, log_likelihood=level)


INPAINTER = TorchInpainter(Noisy(), "noisy", device="cpu")


def noise(height: int, width: int, channels: int, dtype: str, seed: int = 0) -> np.ndarray:
    shape = (height, width) if channels == 0 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def test_it_is_an_inpainter() -> None:
    assert isinstance(INPAINTER, Inpainter)
    assert INPAINTER.name == "noisy"


@settings(deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    channels=st.sampled_from([0, 1, 3, 4]),
    dtype=st.sampled_from(["uint8", "uint16"]),
    kind=st.sampled_from(["random", "box", "full", "empty"]),
    seed=st.integers(0, 9999),
)
def test_size_and_every_pixel_outside_the_hole_stay(
    height: int, width: int, channels: int, dtype: str, kind: str, seed: int
) -> None:
    image = noise(height, width, channels, dtype, seed)
    before = image.copy()
    rng = np.random.default_rng(seed)
    hole = {
        "random": rng.random((height, width)) < 0.1,
        "box": np.zeros((height, width), np.bool_),
        "full": np.ones((height, width), np.bool_),
        "empty": np.zeros((height, width), np.bool_),
    }[kind]
    if kind == "box":
        hole[height // 3 : height // 2 + 1, width // 4 : width // 2 + 1] = True
    result = INPAINTER.fill(image, hole, seed=seed)
    assert (result.image.shape, result.image.dtype) == (image.shape, image.dtype)
    np.testing.assert_array_equal(result.image[~hole], before[~hole])
    np.testing.assert_array_equal(image, before)
    assert not np.shares_memory(result.image, image)
    if channels == 4:
        np.testing.assert_array_equal(result.image[..., 3], before[..., 3])
    if kind == "empty":
        np.testing.assert_array_equal(result.image, before)
        assert result.samples[0].structure is None


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["uint8", "uint16"]), st.integers(0, 999))
def test_what_the_hole_hides_has_no_influence(height: int, width: int, dtype: str, seed: int) -> None:
    image = noise(height, width, 3, dtype, seed)
    hole = np.random.default_rng(seed).random((height, width)) < 0.2
    hole[: height // 2, : width // 2] = True
    other = np.where(hole[..., None], noise(height, width, 3, dtype, seed + 1), image)
    np.testing.assert_array_equal(INPAINTER.fill(image, hole).image, INPAINTER.fill(other, hole).image)


def test_the_hole_is_really_filled_by_the_network() -> None:
    inpainter = TorchInpainter(Noisy(noise=0.0), "blur", device="cpu")
    image = np.full((NATIVE, NATIVE, 3), 200, np.uint8)
    hole = np.zeros((NATIVE, NATIVE), np.bool_)
    hole[16, 16] = True
    # The mean of 24 pixels of 200 and the hole's constant 128, in 25ths.
    assert inpainter.fill(image, hole).image[16, 16].tolist() == [round((24 * 200 + 128) / 25)] * 3


def test_same_seed_gives_same_pictures_whatever_the_number_of_samples() -> None:
    image, hole = noise(80, 90, 3, "uint8"), np.zeros((80, 90), np.bool_)
    hole[5:9, 5:9] = hole[60:70, 70:80] = True
    three = INPAINTER.fill(image, hole, samples=3, seed=5)
    one = INPAINTER.fill(image, hole, samples=1, seed=5)
    again = INPAINTER.fill(image, hole, samples=3, seed=5)
    assert (len(three.samples), three.model, three.seed) == (3, "noisy", 5)
    np.testing.assert_array_equal(one.image, three.image)
    for a, b in zip(three.samples, again.samples, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
    pictures = [sample.image for sample in three.samples] + [INPAINTER.fill(image, hole, seed=6).image]
    for i, a in enumerate(pictures):
        for b in pictures[:i]:
            assert (a != b).any()
    # Two holes of one answer do not repeat each other's noise.
    flat = INPAINTER.fill(np.full_like(image, 128), hole, seed=5).image
    assert (flat[5:9, 5:9] != flat[60:64, 70:74]).any()


def test_samples_come_in_order_and_crops_add_up() -> None:
    inpainter = TorchInpainter(Noisy(likelihood=True), "noisy", device="cpu")
    image, hole = noise(200, 200, 3, "uint8"), np.zeros((200, 200), np.bool_)
    hole[5:9, 5:9] = hole[160:170, 170:180] = True
    result = inpainter.fill(image, hole, samples=4)
    levels = [sample.log_likelihood for sample in result.samples]
    assert [sample.index for sample in result.samples] == [0, 1, 2, 3]

    def draw(sample: int, crop: int) -> float:
        generator = torch.Generator().manual_seed(derive_seed(0, sample, crop))
        return float(torch.randn(3, NATIVE, NATIVE, generator=generator).mean())

    expected = [draw(sample, 0) + draw(sample, 1) for sample in range(4)]
    assert levels == pytest.approx(expected, abs=1e-6)
    assert list(result.ranking) == np.argsort([-level for level in expected]).tolist()
    assert result.best is result.samples[result.ranking[0]]
    np.testing.assert_array_equal(result.image, result.samples[0].image)


def test_views_of_the_largest_crop_are_given() -> None:
    image, hole = noise(NATIVE, NATIVE, 3, "uint8"), np.zeros((NATIVE, NATIVE), np.bool_)
    hole[3:5, 3:5] = True
    sample = INPAINTER.fill(image, hole).samples[0]
    assert sample.texture is None
    assert sample.log_likelihood is None
    assert sample.structure is not None
    shown = np.where(hole[..., None], 128, image)
    np.testing.assert_array_equal(sample.structure, shown[::4, ::4])


def test_views_show_nothing_of_the_mirrored_border() -> None:
    image, hole = noise(NATIVE // 2, NATIVE, 3, "uint8"), np.zeros((NATIVE // 2, NATIVE), np.bool_)
    hole[3:5, 3:5] = True
    view = INPAINTER.fill(image, hole).samples[0].structure
    assert view is not None
    shown = np.where(hole[..., None], 128, image)
    np.testing.assert_array_equal(view, shown[::4, ::4])


@pytest.mark.parametrize("shape", [(1, NATIVE), (NATIVE, 1), (3, 5)])
def test_views_of_the_thinnest_photographs_are_not_empty(shape: tuple[int, int]) -> None:
    hole = np.zeros(shape, np.bool_)
    hole[0, 0] = True
    view = INPAINTER.fill(noise(*shape, 3, "uint8"), hole).samples[0].structure
    assert view is not None
    assert min(view.shape) > 0


def test_network_is_shown_each_crop_once_for_all_samples() -> None:
    network = Noisy()
    hole = np.zeros((300, 200), np.bool_)
    hole[5:9, 5:9] = hole[200:280, 100:180] = True
    TorchInpainter(network, "noisy", device="cpu").fill(noise(300, 200, 0, "uint8"), hole, samples=2)
    assert network.calls == [(2, 1, 3, NATIVE, NATIVE)] * 2


@pytest.mark.parametrize(("hole_side", "tile"), [(10, 32), (30, 64), (40, 96), (90, 96)])
def test_larger_holes_are_shown_at_full_scale_up_to_the_largest_size(hole_side: int, tile: int) -> None:
    network = Noisy(noise=0.0)
    network.largest_size = 96
    image, hole = noise(300, 200, 3, "uint8"), np.zeros((300, 200), np.bool_)
    hole[50 : 50 + hole_side, 60 : 60 + hole_side] = True
    TorchInpainter(network, "noisy", device="cpu").fill(image, hole)
    assert network.calls == [(1, 1, 3, tile, tile)]


def test_files_pillow_images_and_arrays_give_one_answer(tmp_path: Path) -> None:
    image, hole = noise(40, 50, 3, "uint8"), np.zeros((40, 50), np.bool_)
    hole[10:20, 10:30] = True
    mask = hole.astype(np.uint8) * 255
    Image.fromarray(image).save(tmp_path / "photo.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    expected = INPAINTER.fill(image, hole).image
    for given_image, given_mask in [
        (tmp_path / "photo.png", str(tmp_path / "mask.png")),
        (Image.fromarray(image), Image.fromarray(mask)),
        (image, mask[..., None]),
    ]:
        np.testing.assert_array_equal(INPAINTER.fill(given_image, given_mask).image, expected)


def test_mask_is_cut_at_128() -> None:
    image = noise(NATIVE, NATIVE, 3, "uint8")
    mask = np.zeros((NATIVE, NATIVE), np.uint8)
    mask[4, 4], mask[4, 5] = 127, 128
    changed = (INPAINTER.fill(image, mask).image != image).any(axis=2)
    assert not changed[4, 4]
    assert changed.sum() <= 1


def test_bad_input_is_refused() -> None:
    image, mask = noise(8, 8, 3, "uint8"), np.ones((8, 8), np.bool_)
    with pytest.raises(InputError, match="samples is 0"):
        INPAINTER.fill(image, mask, samples=0)
    with pytest.raises(InputError, match="seed -1"):
        INPAINTER.fill(image, mask, seed=-1)
    with pytest.raises(MaskError, match="mask is 8x9"):
        INPAINTER.fill(image, np.ones((9, 8), np.bool_))
    with pytest.raises(ImageError, match="float64"):
        INPAINTER.fill(image / 255, mask)
    with pytest.raises(InputError, match="device 'abacus'"):
        choose_device("abacus")
    with pytest.raises(InputError, match="cannot be used here"):
        TorchInpainter(Noisy(), "noisy", device="cuda:99")


def test_16_bit_answers_have_levels_between_8_bit_ones() -> None:
    ramp = np.broadcast_to(np.linspace(0, 65535, 96)[None, :, None], (96, 96, 3)).astype(np.uint16)
    hole = np.zeros((96, 96), np.bool_)
    hole[20:76, 20:76] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filled = TorchInpainter(Noisy(noise=0.0), "blur", device="cpu").fill(ramp, hole).image
    assert len(np.unique(filled[hole] % 257)) > 50


def test_derived_seeds_differ_and_repeat() -> None:
    seeds = [derive_seed(seed, a, b) for seed in range(5) for a in range(5) for b in range(5)]
    assert len(set(seeds)) == 125
    assert derive_seed(1, 2, 3) == derive_seed(1, 2, 3)
    assert all(0 <= seed < 2**63 for seed in seeds)
