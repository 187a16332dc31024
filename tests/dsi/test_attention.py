"""Structural attention: what it scores, how it fuses, what it copies, and what it must not look at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from dsi.slow_attention import slow_distances, slow_fuse, slow_scores, slow_take, slow_weights
from twofold.dsi.attention import (
    attention_weights,
    fuse,
    known_cells,
    patch_distances,
    standard_scores,
    take,
)

sides = st.integers(1, 5)
seeds = st.integers(0, 2**31)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def doubles(tensor: Tensor) -> np.ndarray:
    return tensor.double().numpy()


# --- equal to its definition ---------------------------------------------------------------------


@given(sides, sides, seeds)
def test_distances_are_those_of_nested_loops(height, width, seed):
    structure = noise(2, 3, height, width, seed=seed)
    for ours, sample in zip(patch_distances(structure), structure, strict=True):
        np.testing.assert_allclose(ours, slow_distances(doubles(sample)), atol=1e-4)


def test_scores_are_those_of_nested_loops():
    distances = patch_distances(noise(2, 3, 3, 4))
    for ours, sample in zip(standard_scores(distances), distances, strict=True):
        np.testing.assert_allclose(ours, slow_scores(doubles(sample)), atol=1e-5)


@given(sides, sides, seeds)
def test_fusing_is_that_of_nested_loops(height, width, seed):
    scores = noise(2, height * width, height * width, seed=seed)
    for ours, sample in zip(fuse(scores, height, width), scores, strict=True):
        np.testing.assert_allclose(ours, slow_fuse(doubles(sample), height, width), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(3, 4), (4, 4), (1, 6), (6, 1)])
def test_fusing_is_two_convolutions_with_an_identity_kernel(height, width):
    scores, kernel = noise(2, height * width, height * width), torch.eye(3)[None, None]
    summed = F.conv2d(scores[:, None], kernel, padding=1)
    summed = summed.reshape(2, height, width, height, width).permute(0, 2, 1, 4, 3)
    summed = F.conv2d(summed.reshape(2, 1, height * width, -1), kernel, padding=1)
    summed = summed.reshape(2, width, height, width, height).permute(0, 2, 1, 4, 3)
    torch.testing.assert_close(fuse(scores, height, width), summed.reshape(scores.shape))


@pytest.mark.parametrize("scale", [0.5, 50.0])
def test_weights_are_those_of_nested_loops(scale):
    structure = noise(3, 2, 3, 4)
    for ours, sample in zip(attention_weights(structure, scale), structure, strict=True):
        np.testing.assert_allclose(ours, slow_weights(doubles(sample), scale), atol=2e-3 * scale / 50)


@pytest.mark.parametrize("side", [1, 2, 4])
def test_taking_is_that_of_nested_loops(side):
    weights, features = noise(2, 12, 12).softmax(dim=-1), noise(2, 3, 3 * side, 4 * side, seed=1)
    for ours, weight, sample in zip(take(weights, features, 3, 4), weights, features, strict=True):
        np.testing.assert_allclose(ours, slow_take(doubles(weight), doubles(sample), 3, 4), atol=1e-5)


# --- closed forms and properties -----------------------------------------------------------------


def test_a_structure_all_alike_scores_zero_instead_of_dividing_by_zero():
    weights = attention_weights(torch.zeros(1, 4, 3, 4), 50.0)
    torch.testing.assert_close(weights, torch.full((1, 12, 12), 1 / 12))


def test_a_fused_delta_spreads_to_neighbours_on_the_same_side_alone():
    scores = torch.zeros(1, 25, 25)
    scores[0, 12, 12] = 1
    fused = fuse(scores, 5, 5)[0]
    steps = {i - 12 for i in fused.nonzero()[:, 0].tolist()}
    assert steps == {dy * 5 + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    assert torch.equal(fused, torch.diag(fused.diagonal()))


@given(sides, sides, seeds)
def test_each_row_sums_to_one(height, width, seed):
    weights = attention_weights(noise(2, 3, height, width, seed=seed), 50.0)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, height * width))


def test_a_unit_weight_copies_a_patch_exactly():
    weights = torch.zeros(1, 6, 6)
    weights[0, :, 4] = 1  # the middle cell of the lower row of 2 x 3
    features = noise(1, 2, 4, 6)
    assert torch.equal(take(weights, features, 2, 3), features[..., 2:4, 2:4].repeat(1, 1, 2, 3))


def test_the_nearest_structure_is_copied():
    structure = noise(1, 4, 8, 8)
    structure[..., 5:, 5:] = structure[..., :3, :3]  # the upper left corner again, lower right
    weights = attention_weights(structure, 50.0)[0]
    far = weights[6 * 8 + 6].clone()
    far[6 * 8 + 6] = 0
    assert far.argmax() == 1 * 8 + 1


@given(seeds)
def test_half_a_turn_of_the_structure_turns_the_weights(seed):
    structure = noise(1, 3, 3, 4, seed=seed)
    turned = attention_weights(structure.rot90(2, (2, 3)), 5.0)
    torch.testing.assert_close(turned, attention_weights(structure, 5.0).flip(1, 2), atol=1e-3, rtol=1e-3)


def test_samples_of_a_batch_do_not_see_each_other():
    structure = noise(3, 3, 3, 4)
    alone = torch.cat([attention_weights(sample[None], 50.0) for sample in structure])
    torch.testing.assert_close(attention_weights(structure, 50.0), alone, atol=1e-4, rtol=1e-4)


def test_low_precision_around_it_changes_no_weight():
    structure = noise(2, 16, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        weights = attention_weights(structure, 50.0)
        taken = take(weights, noise(2, 3, 8, 8).bfloat16(), 4, 4)
    assert weights.dtype == torch.float32
    assert torch.equal(weights, attention_weights(structure, 50.0))
    assert taken.dtype == torch.bfloat16


def test_gradients_reach_structure_and_features():
    structure, features = noise(2, 3, 3, 4).requires_grad_(), noise(2, 3, 6, 8).requires_grad_()
    take(attention_weights(structure, 2.0), features, 3, 4).square().sum().backward()
    assert structure.grad is not None
    assert structure.grad.isfinite().all()
    assert structure.grad.abs().max() > 0
    assert features.grad is not None
    assert features.grad.abs().min() > 0


def test_gradients_of_taking_and_fusing_are_right():
    scores = noise(1, 6, 6).double().requires_grad_()
    features = noise(1, 2, 4, 6).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda s, f: take(fuse(s, 2, 3), f, 2, 3), (scores, features))


# --- known positions alone -----------------------------------------------------------------------


def test_a_cell_is_known_if_all_its_pixels_are():
    hole = torch.zeros(2, 1, 16, 24)
    hole[0, 0, 7, 8] = 1  # the last row of the middle cell above
    hole[1, 0, 8:, :17] = 1  # two lower cells, and one column of the third
    assert known_cells(hole).int().tolist() == [[1, 0, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]


def test_without_a_known_cell_all_are_candidates():
    hole = torch.ones(2, 1, 16, 16)
    hole[1, 0, :8, :8] = 0
    assert known_cells(hole).int().tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]


def test_candidates_share_the_weight_that_others_lose():
    structure, candidates = noise(2, 3, 3, 4), noise(2, 12, seed=1) > 0
    free = attention_weights(structure, 2.0)
    kept = free * candidates[:, None]
    narrowed = attention_weights(structure, 2.0, candidates=candidates)
    torch.testing.assert_close(narrowed, kept / kept.sum(dim=-1, keepdim=True))


def test_nothing_is_copied_from_missing_cells():
    hole = torch.zeros(1, 1, 24, 32)
    hole[..., 3:14, 9:20] = 1
    candidates = known_cells(hole)
    weights = attention_weights(noise(1, 3, 3, 4), 5.0, candidates=candidates)
    features = noise(1, 2, 12, 16)
    missing = ~candidates.reshape(1, 1, 3, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    changed = torch.where(missing, features + 100, features)
    assert missing.any()
    assert torch.equal(take(weights, features, 3, 4), take(weights, changed, 3, 4))
    everywhere = attention_weights(noise(1, 3, 3, 4), 5.0)
    assert not torch.allclose(take(everywhere, features, 3, 4), take(everywhere, changed, 3, 4))
