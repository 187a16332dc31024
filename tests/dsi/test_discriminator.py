"""The discriminator: its normalisation, its order of scores, and what calls leave behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from dsi import official
from twofold.dsi.config import TextureConfig
from twofold.dsi.discriminator import Discriminator, SpectralConv2d

CONFIG = TextureConfig(discriminator_channels=(3, 5, 4))


def discriminator(seed: int = 0) -> Discriminator:
    torch.manual_seed(seed)
    network = Discriminator(CONFIG)
    for conv in network.convs:
        torch.nn.init.normal_(conv.bias, std=0.3)
    return network


def scene(height: int = 32, width: int = 48, batch: int = 2) -> tuple[Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(1)
    image = torch.rand(batch, 3, height, width, generator=drawn) * 2 - 1
    return image, (torch.rand(batch, 1, height, width, generator=drawn) < 0.3).float()


def reference_norm(matrix: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Official: the matrix [5 * 5 * in, out] and u [1, out] to sigma and the next u."""

    def l2n(x: Tensor) -> Tensor:
        return x / ((x**2).sum() ** 0.5 + 1e-12)

    v = l2n(u @ matrix.T)
    following = l2n(v @ matrix)
    return (v @ matrix @ following.T)[0, 0], following


def reference_scores(network: Discriminator, image: Tensor, hole: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Scores and the next u of each layer, in float64 and TensorFlow's layout; sides even throughout."""
    x, following = torch.cat([image, hole], dim=1).double(), []
    for conv in network.convs:
        kernel = conv.weight.detach().double().permute(2, 3, 1, 0)  # HWIO
        matrix = kernel.reshape(-1, kernel.shape[-1])
        sigma, u = reference_norm(matrix, conv.singular_vector.double()[None])
        following.append(u[0])
        x = F.conv2d(F.pad(x, (1, 2, 1, 2)), (kernel / sigma).permute(3, 2, 0, 1), stride=2)
        x = x + conv.bias.detach().double()[None, :, None, None]
        x = torch.maximum(x, 0.2 * x)
    return x.permute(0, 2, 3, 1).reshape(len(x), -1), following


@torch.no_grad()
@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_the_official_one(training):
    network, inputs = discriminator().train(training), scene()
    expected, following = reference_scores(network, *inputs)
    before = [conv.singular_vector.clone() for conv in network.convs]
    ours = network(*inputs)
    assert ours.shape == (2, 4 * 6 * 4)
    torch.testing.assert_close(ours.double(), expected, atol=1e-5, rtol=1e-5)
    for conv, old, new in zip(network.convs, before, following, strict=True):
        if training:
            torch.testing.assert_close(conv.singular_vector.double(), new, atol=1e-5, rtol=1e-5)
        else:
            assert torch.equal(conv.singular_vector, old)


@torch.no_grad()
def test_equal_pictures_get_equal_scores_in_evaluation_alone():
    network, inputs = discriminator(), scene()
    assert not torch.equal(network(*inputs), network(*inputs))
    network.eval()
    assert torch.equal(network(*inputs), network(*inputs))


@given(st.integers(0, 2**31))
def test_iterations_converge_to_the_largest_singular_value(seed):
    torch.manual_seed(seed)
    conv = SpectralConv2d(3, 6)
    # A clear gap to the second singular value, so that few iterations suffice.
    u, s, v = torch.linalg.svd(conv.weight.detach().flatten(1), full_matrices=False)
    s[0] = 1.5 * s[1]
    with torch.no_grad():
        conv.weight.copy_(((u * s) @ v).reshape(conv.weight.shape))
        for _ in range(60):
            found = conv.largest_singular_value()
    torch.testing.assert_close(found, s[0], rtol=1e-4, atol=0)
    torch.testing.assert_close((conv.singular_vector @ u[:, 0]).abs(), torch.tensor(1.0), rtol=1e-4, atol=0)


@torch.no_grad()
def test_one_iteration_never_exceeds_the_true_value():
    for seed in range(5):
        torch.manual_seed(seed)
        conv = SpectralConv2d(2, 8)
        true = torch.linalg.matrix_norm(conv.weight.flatten(1), ord=2)
        assert 0 < conv.largest_singular_value() <= true * (1 + 1e-6)


def test_gradients_flow_through_the_iteration():
    torch.manual_seed(0)
    conv = SpectralConv2d(2, 4)
    matrix = conv.weight.detach().double().flatten(1).T.clone().requires_grad_()
    u = conv.singular_vector.double()[None]
    (through,) = torch.autograd.grad(reference_norm(matrix, u)[0], matrix)
    conv.largest_singular_value().backward()
    ours = conv.weight.grad.double().flatten(1).T
    torch.testing.assert_close(ours, through, atol=1e-5, rtol=1e-4)
    left, right = conv.singular_vector.double(), F.normalize(u @ matrix.detach().T)[0]
    stopped = torch.outer(right, left)  # what it would be, were both vectors held fixed
    assert not torch.allclose(ours, stopped, atol=1e-3)


def test_two_calls_may_precede_one_step_back():
    network, (image, hole) = discriminator(), scene()
    real, fake = network(image, hole), network(-image, hole)
    (F.relu(1 - real).mean() + F.relu(1 + fake).mean()).backward()
    for name, value in network.named_parameters():
        assert value.grad is not None, name
        assert value.grad.abs().max() > 0, name


@torch.no_grad()
def test_scores_of_one_place_lie_beside_each_other():
    network = discriminator().eval()
    image, hole = scene(64, 64, batch=1)
    changed = image.clone()
    changed[..., -3:, -3:] *= -1
    differ = (network(image, hole) != network(changed, hole)).reshape(8, 8, 4).any(dim=-1)
    assert differ[-1, -1]
    assert not differ[:5].any()
    assert not differ[:, :5].any()


@torch.no_grad()
def test_low_precision_normalises_as_exactly():
    conv = SpectralConv2d(3, 6).eval()
    exact = conv.largest_singular_value()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv.largest_singular_value(), exact)
        assert conv(torch.randn(1, 3, 8, 8)).shape == (1, 6, 4, 4)


def test_the_iteration_is_saved_with_the_weights():
    network, other = discriminator(0), discriminator(1)
    with torch.no_grad():
        network(*scene())
    other.load_state_dict(network.state_dict())
    assert torch.equal(network.eval()(*scene()), other.eval()(*scene()))


def test_the_paper_s_network_has_its_size():
    network = Discriminator(TextureConfig())
    values = sum(value.numel() for value in network.state_dict().values())
    assert values == 5_948_032
    assert sum(value.numel() for value in network.buffers()) == 1_216


@official.needs_reference
@torch.no_grad()
def test_the_official_network_gives_the_same_scores():
    network = Discriminator(TextureConfig()).eval()
    official.load_official(network, "texture_discriminator", official.DISCRIMINATOR_NAMES)
    theirs, hole = official.reference()["dis_center"], official.hole("center")
    # The picture that the reference judged is the painted one, with the known pixels put back.
    painted = official.nchw(official.reference()["gen_center"])
    ours = network(painted * hole + official.picture() * (1 - hole), hole)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.ptp(theirs))
