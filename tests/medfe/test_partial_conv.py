"""Partial convolutions against loops, closed forms and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from twofold.medfe.partial_conv import PartialConv2d, PartialStream, valid_features


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def partial_conv_by_loops(features: np.ndarray, valid: np.ndarray, weight: np.ndarray):
    """Sum over the known positions of each window, times window size over known positions."""
    outs, _, kernel, _ = weight.shape
    channels, height, width = features.shape
    answer, reached = np.zeros((outs, height, width)), np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            total, known = np.zeros(outs), 0
            for down in range(kernel):
                for right in range(kernel):
                    y, x = row + down - kernel // 2, column + right - kernel // 2
                    if 0 <= y < height and 0 <= x < width and valid[y, x]:
                        known += 1
                        for channel in range(channels):
                            total += weight[:, channel, down, right] * features[channel, y, x]
            if known:
                answer[:, row, column] = total * kernel**2 / known
                reached[row, column] = 1
    return answer, reached


@settings(deadline=None, max_examples=25)
@given(
    kernel=st.sampled_from([1, 3, 5]),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    share=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_equals_loops_over_every_window(kernel, height, width, share, seed):
    generator = torch.Generator().manual_seed(seed)
    conv = PartialConv2d(2, kernel).double()
    features = torch.randn(1, 2, height, width, generator=generator, dtype=torch.float64)
    valid = (torch.rand(1, 1, height, width, generator=generator) < share).double()
    answer, reached = conv(features, valid)
    expected, expected_reached = partial_conv_by_loops(
        features[0].numpy(), valid[0, 0].numpy(), conv.conv.weight.detach().numpy()
    )
    np.testing.assert_allclose(answer[0].detach().numpy(), expected, atol=1e-12)
    np.testing.assert_array_equal(reached[0, 0].numpy(), expected_reached)


def test_with_everything_known_it_is_a_plain_convolution_inside():
    conv, features = PartialConv2d(3, 5), random(2, 3, 9, 11)
    answer, reached = conv(features, torch.ones(2, 1, 9, 11))
    plain = F.conv2d(features, conv.conv.weight, padding=2)
    torch.testing.assert_close(answer[..., 2:-2, 2:-2], plain[..., 2:-2, 2:-2])
    assert reached.min() == 1


def test_outside_the_map_counts_as_missing():
    conv, features = PartialConv2d(1, 3), random(1, 1, 5, 5)
    answer, _ = conv(features, torch.ones(1, 1, 5, 5))
    plain = F.conv2d(features, conv.conv.weight, padding=1)
    torch.testing.assert_close(answer[..., 0, 0], plain[..., 0, 0] * 9 / 4)
    torch.testing.assert_close(answer[..., 0, 2], plain[..., 0, 2] * 9 / 6)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_a_hole_shrinks_by_half_a_window_on_every_side(kernel):
    valid = torch.ones(1, 1, 20, 20)
    valid[..., 5:14, 4:15] = 0
    _, reached = PartialConv2d(1, kernel)(random(1, 1, 20, 20), valid)
    reach = kernel // 2
    expected = torch.ones(1, 1, 20, 20)
    expected[..., 5 + reach : 14 - reach, 4 + reach : 15 - reach] = 0
    assert torch.equal(reached, expected)


def test_without_any_known_position_the_answer_is_zero_and_stays_missing():
    conv = PartialConv2d(2, 3)
    features = random(1, 2, 6, 6).requires_grad_()
    answer, reached = conv(features, torch.zeros(1, 1, 6, 6))
    answer.sum().backward()
    assert answer.abs().max() == 0
    assert reached.max() == 0
    assert features.grad.abs().max() == 0
    assert torch.isfinite(conv.conv.weight.grad).all()


def test_missing_features_have_no_influence():
    valid = torch.ones(1, 1, 8, 8)
    valid[..., 2:6, 1:7] = 0
    features = random(1, 2, 8, 8)
    stream = PartialStream(2, 3, depth=3, norm="instance")
    torch.testing.assert_close(
        stream(features, valid), stream(torch.where(valid > 0, features, 1e6), valid), rtol=0, atol=0
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_single_known_position_is_noticed_in_half_precision(dtype):
    valid = torch.zeros(1, 1, 9, 9, dtype=dtype)
    valid[..., 4, 4] = 1
    _, reached = PartialConv2d(1, 7).to(dtype)(torch.ones(1, 1, 9, 9, dtype=dtype), valid)
    assert reached[..., 1:8, 1:8].min() == 1
    assert reached.sum() == 49


def test_gradients_equal_finite_differences():
    valid = torch.ones(1, 1, 4, 5, dtype=torch.float64)
    valid[..., 1:3, 1:4] = 0
    conv = PartialConv2d(2, 3).double()
    features = random(1, 2, 4, 5).double().requires_grad_()

    def filled(features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(conv, {"conv.weight": weight}, (features, valid))[0]

    weight = conv.conv.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(filled, (features, weight))


def test_a_feature_is_missing_from_more_than_the_threshold_on():
    hole = torch.zeros(1, 1, 8, 16)
    hole[0, 0, :2, :8] = 1
    hole[0, 0, 2, :4] = 1  # 20 of 64: exactly 5 / 16
    hole[0, 0, :2, 8:] = 1
    hole[0, 0, 2, 8:13] = 1  # 21 of 64
    assert valid_features(hole, 8, 5 / 16).tolist() == [[[[1.0, 0.0]]]]


def test_the_centre_hole_of_half_the_side_covers_256_features():
    hole = torch.zeros(1, 1, 256, 256)
    hole[..., 64:192, 64:192] = 1
    assert (valid_features(hole, 8, 5 / 16) == 0).sum() == 256
