from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from twofold.data.smooth import gaussian, rtv_smooth
from twofold.errors import InputError, MissingExtraError

pytest.importorskip("numba")


def _by_direct_solve(image, strength=0.015, sigma=3.0, sharpness=0.001, iterations=3):
    """The same formulae with dense differences, a 2-d kernel and scipy's direct solver."""
    from scipy.ndimage import convolve
    from scipy.sparse import diags, identity
    from scipy.sparse.linalg import spsolve

    height, width, channels = image.shape
    count = height * width
    inside_x = (np.arange(count) % width < width - 1).astype(float)
    inside_y = (np.arange(count) < count - width).astype(float)
    across = diags([-inside_x, inside_x[:-1]], [0, 1])
    down = diags([-inside_y, inside_y[:-width]], [0, width])
    flat = image.reshape(count, channels)
    result = flat.copy()
    for _ in range(iterations):
        kernel = np.outer(gaussian(sigma), gaussian(sigma))[:, :, None]
        blurred = convolve(result.reshape(image.shape), kernel, mode="constant").reshape(count, channels)
        edge = np.hypot(across @ result, down @ result).mean(axis=1).clip(sharpness, None)
        weight_x = inside_x / edge / np.abs(across @ blurred).mean(axis=1).clip(1e-3, None)
        weight_y = inside_y / edge / np.abs(down @ blurred).mean(axis=1).clip(1e-3, None)
        energy = across.T @ diags(weight_x) @ across + down.T @ diags(weight_y) @ down
        matrix = (identity(count) + strength / 2 * energy).tocsc()
        result = np.column_stack([spsolve(matrix, flat[:, c]) for c in range(channels)])
        sigma = max(sigma / 2, 0.5)
    return result.reshape(image.shape)


def _picture(height=48, width=64, channels=3):
    """Coarse colours, a hard edge and fine noise."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((width, height))
    picture = np.asarray(coarse) / 255 * 0.6 + 0.2
    picture[:, width // 2 :] *= 0.5
    picture += rng.normal(0, 0.04, picture.shape)
    return picture[:, :, np.arange(channels) % 3].clip(0, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(48, 64), (64, 40), (7, 90)])
def test_it_agrees_with_a_direct_solve(dtype, size):
    picture = _picture(*size)
    expected = _by_direct_solve(picture)
    smooth = rtv_smooth(picture.astype(dtype))
    assert smooth.dtype == dtype
    assert np.abs(smooth - expected).max() < 0.6 / 255
    assert np.abs(expected - picture).max() > 10 / 255  # or the test would show nothing


def test_a_tight_tolerance_gives_the_direct_solve_itself():
    picture = _picture()
    expected = _by_direct_solve(picture, strength=0.03, sigma=2.0, sharpness=0.02, iterations=2)
    smooth = rtv_smooth(picture, strength=0.03, sigma=2.0, sharpness=0.02, iterations=2, tolerance=1e-9)
    assert np.abs(smooth - expected).max() < 1e-7


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_any_number_of_channels_is_solved(channels):
    picture = _picture(20, 24, channels)
    assert np.abs(rtv_smooth(picture, tolerance=1e-9) - _by_direct_solve(picture)).max() < 1e-7


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_the_smallest_images_are_solved(size):
    picture = _picture(9, 9)[: size[0], : size[1]].copy()
    smooth = rtv_smooth(picture)
    assert smooth.shape == picture.shape
    # The mean of each channel stays: the couplings move brightness about and lose none.
    assert np.allclose(smooth.mean(axis=(0, 1)), picture.mean(axis=(0, 1)), atol=2e-3)


def test_a_flat_image_stays_as_it_is():
    flat = np.full((20, 30, 3), [0.2, 0.5, 0.9])
    assert np.allclose(rtv_smooth(flat), flat, atol=1e-12)


def test_without_strength_nothing_changes():
    assert np.allclose(rtv_smooth(_picture(), strength=0.0), _picture(), atol=1e-9)


def test_texture_goes_and_the_edge_stays():
    rng = np.random.default_rng(0)
    picture = np.full((40, 60, 3), 0.3)
    picture[:, 30:] = 0.7
    noisy = (picture + rng.normal(0, 0.03, picture.shape)).clip(0, 1)
    smooth = rtv_smooth(noisy)
    assert smooth[:, 5:25].std() < 0.2 * noisy[:, 5:25].std()
    assert (smooth[:, 30] - smooth[:, 29]).mean() > 0.3


def test_brightness_is_kept():
    picture = _picture()
    assert np.allclose(rtv_smooth(picture).mean(axis=(0, 1)), picture.mean(axis=(0, 1)), atol=1e-3)


def test_the_input_is_left_alone_and_need_not_be_contiguous():
    picture = np.asfortranarray(_picture())
    before = picture.copy()
    assert np.allclose(rtv_smooth(picture), rtv_smooth(np.ascontiguousarray(picture)), atol=1e-9)
    assert np.array_equal(picture, before)


@pytest.mark.parametrize(("sigma", "length"), [(3.0, 15), (1.5, 9), (0.75, 5), (0.5, 3)])
def test_the_kernel_is_odd_normal_and_sums_to_one(sigma, length):
    kernel = gaussian(sigma)
    assert len(kernel) == length
    assert kernel.sum() == pytest.approx(1)
    middle = length // 2
    assert kernel[middle + 1] / kernel[middle] == pytest.approx(np.exp(-1 / (2 * sigma**2)))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4)),
        np.zeros((4, 4, 3), dtype=np.float16),
        np.zeros((0, 4, 3)),
        np.full((4, 4, 3), np.nan),
    ],
)
def test_images_it_cannot_smooth_are_refused(image):
    with pytest.raises(InputError, match="rtv_smooth needs"):
        rtv_smooth(image)


@pytest.mark.parametrize(
    "wrong", [{"strength": -1.0}, {"sigma": 0.0}, {"sharpness": 0.0}, {"iterations": 0}, {"tolerance": 0.0}]
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match="must be above 0"):
        rtv_smooth(np.zeros((4, 4, 3)), **wrong)


def test_without_numba_the_message_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "twofold.data.smooth_kernels", raising=False)
    monkeypatch.delattr("twofold.data.smooth_kernels", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(MissingExtraError, match=r"twofold\[train\]"):
        rtv_smooth(np.zeros((4, 4, 3)))
