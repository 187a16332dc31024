"""The four conventions of SSIM against scikit-image, torchmetrics and plain loops."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity

from twofold.errors import InputError
from twofold.evaluate.metrics import METRICS
from twofold.metrics.similarity import CONVENTIONS, SSIM, ssim

UNPADDED = [name for name, convention in CONVENTIONS.items() if convention.padding == "none"]
pictures = hnp.arrays(np.uint8, (12, 13, 3))
small = st.sampled_from([CONVENTIONS[n] for n in ("uniform7", "gaussian11", "gaussian11-zero")])


def pair(seed: int = 0, shape: tuple[int, ...] = (64, 57, 3)) -> tuple[np.ndarray, np.ndarray]:
    """A smooth random picture, and the same with noise in a part of it."""
    rng = np.random.default_rng(seed)
    truth = np.clip(rng.normal(0, 9, shape).cumsum(axis=0).cumsum(axis=1) / 4 + 128, 0, 255)
    image = truth.copy()
    image[10:40, 5:30] += rng.normal(0, 20, image[10:40, 5:30].shape)
    return np.clip(image, 0, 255).astype(np.uint8), truth.astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
def test_uniform7_is_scikit_image_by_default(seed):
    image, truth = pair(seed)
    theirs = structural_similarity(truth, image, channel_axis=-1)
    assert ssim(image, truth, CONVENTIONS["uniform7"]) == pytest.approx(theirs, abs=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_uniform51_is_scikit_image_on_grey_pictures_in_zero_to_one(seed):
    image, truth = pair(seed)
    theirs = structural_similarity(rgb2gray(truth), rgb2gray(image), data_range=1, win_size=51)
    assert ssim(image, truth, CONVENTIONS["uniform51"]) == pytest.approx(theirs, abs=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_gaussian11_is_scikit_images_gaussian_window_and_the_inside_of_torchmetrics_map(seed):
    image, truth = pair(seed)
    ours = ssim(image, truth, CONVENTIONS["gaussian11"])
    skimage = structural_similarity(
        truth, image, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ours == pytest.approx(skimage, abs=1e-10)
    functional = pytest.importorskip("torchmetrics.functional.image")
    x, y = (torch.from_numpy(one.astype(np.float64)).permute(2, 0, 1)[None] for one in (image, truth))
    mirrored, places = functional.structural_similarity_index_measure(
        x, y, data_range=255.0, return_full_image=True
    )
    assert ours == pytest.approx(float(places[..., 5:-5, 5:-5].mean()), abs=1e-7)
    assert abs(ours - float(mirrored)) > 1e-3  # its mean counts the border


def slow_zero_padded(image: np.ndarray, truth: np.ndarray) -> float:
    """Window by window, values in [0, 1], black outside."""
    bell = np.array([math.exp(-(place**2) / (2 * 1.5**2)) for place in range(-5, 6)])
    weights = np.outer(bell, bell) / np.outer(bell, bell).sum()
    total = []
    for channel in range(3):
        x, y = (np.pad(one[..., channel] / 255, 5) for one in (image, truth))
        for row in range(image.shape[0]):
            for column in range(image.shape[1]):
                a, b = (one[row : row + 11, column : column + 11] for one in (x, y))
                mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
                variance_a = (weights * a * a).sum() - mean_a**2
                variance_b = (weights * b * b).sum() - mean_b**2
                covariance = (weights * a * b).sum() - mean_a * mean_b
                above = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
                below = (mean_a**2 + mean_b**2 + 1e-4) * (variance_a + variance_b + 9e-4)
                total.append(above / below)
    return float(np.mean(total))


@pytest.mark.parametrize("shape", [(17, 14, 3), (6, 9, 3)])
def test_gaussian11_zero_equals_plain_loops(shape):
    image, truth = (np.ascontiguousarray(one[5 : 5 + shape[0], : shape[1]]) for one in pair())
    assert ssim(image, truth, CONVENTIONS["gaussian11-zero"]) == pytest.approx(
        slow_zero_padded(image, truth), abs=1e-10
    )


@pytest.mark.parametrize("name", UNPADDED)
def test_flat_pictures_have_the_closed_form_of_their_means(name):
    dark, bright = np.full((60, 60, 3), 50, np.uint8), np.full((60, 60, 3), 150, np.uint8)
    floor = 2.55**2
    expected = (2 * 50 * 150 + floor) / (50**2 + 150**2 + floor)
    assert ssim(dark, bright, CONVENTIONS[name]) == pytest.approx(expected)


def test_conventions_disagree_on_one_pair_of_pictures():
    image, truth = pair()
    found = {name: ssim(image, truth, convention) for name, convention in CONVENTIONS.items()}
    values = sorted(found.values())
    assert all(low < high - 1e-4 for low, high in pairwise(values)), found


def test_every_ssim_of_the_table_of_metrics_has_its_convention():
    named = {name.removeprefix("ssim-") for name in METRICS if name.startswith("ssim-")}
    assert named == set(CONVENTIONS)


@given(pictures, pictures, small)
def test_at_most_one_symmetric_and_one_for_the_same(image, truth, convention):
    value = ssim(image, truth, convention)
    assert -1 <= value <= 1 + 1e-12
    assert ssim(truth, image, convention) == pytest.approx(value, abs=1e-12)
    assert ssim(truth, truth, convention) == pytest.approx(1, abs=1e-12)


@given(pictures, pictures, small)
def test_turning_both_pictures_changes_nothing(image, truth, convention):
    turned = [np.rot90(one).copy() for one in (image, truth)]
    assert ssim(*turned, convention) == pytest.approx(ssim(image, truth, convention), abs=1e-9)


def test_rgb_is_the_mean_of_its_channels_and_a_grey_picture_is_taken_as_it_is():
    image, truth = pair()
    convention = CONVENTIONS["uniform7"]
    channels = [ssim(image[..., c].copy(), truth[..., c].copy(), convention) for c in range(3)]
    assert ssim(image, truth, convention) == pytest.approx(np.mean(channels))
    grey = np.repeat(truth[..., :1], 3, axis=-1), np.repeat(image[..., :1], 3, axis=-1)
    flat = truth[..., 0].copy(), image[..., 0].copy()
    assert ssim(*grey, CONVENTIONS["uniform51"]) == pytest.approx(ssim(*flat, CONVENTIONS["uniform51"]))


@pytest.mark.parametrize("name", UNPADDED)
def test_picture_smaller_than_the_window_is_refused_with_both_sizes(name):
    side = CONVENTIONS[name].size
    fits = np.zeros((side, side, 3), np.uint8)
    assert ssim(fits, fits, CONVENTIONS[name]) == 1
    small = np.zeros((side, side - 1, 3), np.uint8)
    with pytest.raises(InputError, match=f"{side}x{side - 1}.*{side}x{side}"):
        ssim(small, small, CONVENTIONS[name])


def test_pictures_that_do_not_fit_each_other_are_refused():
    image = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(InputError, match="one shape"):
        ssim(image, image[:15], SSIM("uniform", 7))
    with pytest.raises(InputError, match="uint8"):
        ssim(image / 255, image, SSIM("uniform", 7))
