"""Smoothing without PyTorch: the same as with it, and what it says."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from twofold.diffusion import diffuse
from twofold.engine.detail.filters import blurred, continued, depth, widened

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(SIZES, st.integers(0, 999), st.floats(0, 1))
def test_values_are_continued_as_torch_diffuses_them(size: tuple[int, int], seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values, known = rng.normal(0, 50, (*size, 3)).astype(np.float32), rng.random(size) < share
    planes = torch.from_numpy(values).permute(2, 0, 1)[None]
    wanted = diffuse(planes, torch.from_numpy(~known)[None, None].float())[0].permute(1, 2, 0)
    np.testing.assert_allclose(continued(values, known), wanted, atol=1e-3)


@given(SIZES, st.integers(0, 999), st.sampled_from([0.5, 1.3, 8.0]))
def test_a_blur_is_a_convolution_with_a_gaussian_whose_edges_are_continued(
    size: tuple[int, int], seed: int, sigma: float
) -> None:
    picture = np.random.default_rng(seed).uniform(0, 255, (*size, 2)).astype(np.float32)
    reach = math.ceil(3 * sigma)
    kernel = torch.exp(-((torch.arange(-reach, reach + 1) / sigma) ** 2) / 2)
    kernel = (kernel / kernel.sum()).float()
    planes = torch.from_numpy(picture).permute(2, 0, 1)[:, None]
    planes = F.conv2d(F.pad(planes, (0, 0, reach, reach), mode="replicate"), kernel.view(1, 1, -1, 1))
    planes = F.conv2d(F.pad(planes, (reach, reach, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    np.testing.assert_allclose(blurred(picture, sigma), planes[:, 0].permute(1, 2, 0), atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 25), st.integers(1, 25), st.integers(0, 9), st.integers(0, 999))
def test_depth_and_width_are_chessboard_distances(height: int, width: int, steps: int, seed: int) -> None:
    hole = np.random.default_rng(seed).random((height, width)) < 0.6
    known = np.argwhere(~hole)
    for place in np.argwhere(np.ones_like(hole)):
        distances = np.abs(known - place).max(axis=1) if len(known) else np.array([99])
        assert depth(hole, 7)[tuple(place)] == min(7, distances.min())
        assert widened(~hole, steps)[tuple(place)] == (distances.min() <= steps)
