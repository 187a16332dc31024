"""The texture generator: wired as the official one, and blind to what it has to paint."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dsi import official
from dsi.slow_attention import slow_take, slow_weights
from twofold.dsi.config import TextureConfig, small
from twofold.dsi.texture import TextureGenerator

CONFIG = TextureConfig(channels=3, softmax_scale=5.0)
CODE_SIZE = 4


def generator(config: TextureConfig = CONFIG, seed: int = 0) -> TextureGenerator:
    """A small network whose biases, too, are drawn; louder than fresh ones, so that every part is heard."""
    torch.manual_seed(seed)
    network = TextureGenerator(config, CODE_SIZE)
    with torch.no_grad():
        for name, value in network.named_parameters():
            value.mul_(2.0) if name.endswith("weight") else value.normal_(std=0.3)
    return network.eval()


def scene(height: int = 24, width: int = 32, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(1)
    image = torch.rand(batch, 3, height, width, generator=drawn) * 2 - 1
    hole = torch.zeros(batch, 1, height, width)
    hole[:, :, 4:15, 9:22] = 1
    structure = torch.randn(batch, CODE_SIZE, height // 8, width // 8, generator=drawn)
    return image, hole, structure


def reference_generator(network: TextureGenerator, image: Tensor, hole: Tensor, structure: Tensor) -> Tensor:
    """One sample through the official table, by official names, attention by nested loops."""
    state = network.state_dict()

    def conv(name: str, x: Tensor, stride: int = 1, rate: int = 1) -> Tensor:
        base = official.TEXTURE_NAMES[name]
        weight, bias = state[f"{base}.weight"].double(), state[f"{base}.bias"].double()
        reach = (weight.shape[-1] - 1) * rate
        # SAME at even sides: stride 2 pads one less in all, and the odd one behind.
        before, after = ((reach - 1) // 2, reach // 2) if stride == 2 else (reach // 2, reach // 2)
        x = F.pad(x, (before, after, before, after))
        return F.conv2d(x, weight, bias, stride=stride, dilation=rate)

    def gated(i: int, x: Tensor, stride: int = 1, rate: int = 1) -> Tensor:
        a, b = conv(f"gated_conv2d_{i}", x, stride, rate).split(len(state[_bias(i)]) // 2, dim=1)
        return F.elu(a) * torch.sigmoid(b)

    def _bias(i: int) -> str:
        return f"{official.TEXTURE_NAMES[f'gated_conv2d_{i}']}.bias"

    def up(i: int, x: Tensor) -> Tensor:
        x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        y = conv(f"gated_deconv2d_{i}", x)
        half = y.shape[1] // 2
        return F.elu(y[:, :half]) * torch.sigmoid(y[:, half:])

    image, hole, structure = image.double(), hole.double(), structure.double()
    x = torch.cat([image * (1 - hole), torch.ones_like(hole), hole], dim=1)
    pl1 = gated(2, gated(1, gated(0, x), stride=2))
    x_s = up(0, gated(5, gated(4, structure)))
    x = gated(7, gated(6, torch.cat([gated(3, pl1, stride=2), x_s], dim=1)))
    for i, rate in ((8, 2), (9, 4), (10, 8), (11, 16)):
        x = gated(i, x, rate=rate)
    pl2, grid = x, structure.shape[-2:]
    weights = slow_weights(structure[0].numpy(), network.softmax_scale)
    pl1_att, pl2_att = (torch.from_numpy(slow_take(weights, pl[0].numpy(), *grid))[None] for pl in (pl1, pl2))
    x = gated(14, torch.cat([gated(13, gated(12, pl2)), pl2_att], dim=1))
    x = gated(15, torch.cat([up(1, x), pl1_att], dim=1))
    return torch.tanh(conv("conv2d_0", gated(16, up(2, x))))


@torch.no_grad()
@pytest.mark.parametrize("size", [(24, 32), (16, 144)])  # the second is wide enough for every dilation
def test_the_network_is_the_official_table(size):
    network, (image, hole, structure) = generator(), scene(*size)
    ours = network(image, hole, structure)
    for sample in range(2):
        parts = (part[sample : sample + 1] for part in (image, hole, structure))
        expected = reference_generator(network, *parts)
        assert expected.std() > 0.05
        torch.testing.assert_close(ours[sample : sample + 1].double(), expected, atol=1e-4, rtol=0)


@torch.no_grad()
def test_what_the_image_holds_in_the_hole_has_no_influence():
    network, (image, hole, structure) = generator(), scene()
    other = torch.where(hole == 1, -image, image)
    assert torch.equal(network(image, hole, structure), network(other, hole, structure))
    elsewhere = torch.where(hole == 1, image, -image)
    assert not torch.allclose(network(image, hole, structure), network(elsewhere, hole, structure))


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 40), (40, 16)])
def test_any_multiple_of_eight_is_painted_within_the_range(height, width):
    image, hole, structure = scene(height, width, batch=1)
    painted = generator()(image, hole, structure)
    assert painted.shape == image.shape
    assert painted.abs().max() < 1


@torch.no_grad()
def test_the_structure_changes_the_picture():
    network, (image, hole, structure) = generator(), scene()
    assert not torch.allclose(network(image, hole, structure), network(image, hole, -structure), atol=1e-3)


@torch.no_grad()
def test_attending_to_known_cells_alone_matters_only_where_cells_are_of_both_kinds():
    free, known = generator(), generator(TextureConfig(channels=3, softmax_scale=5.0, attend_hole=False))
    image, hole, structure = scene()
    assert not torch.allclose(free(image, hole, structure), known(image, hole, structure), atol=1e-3)
    for same in (torch.zeros_like(hole), torch.ones_like(hole)):
        assert torch.equal(free(image, same, structure), known(image, same, structure))


@pytest.mark.parametrize("attend_hole", [True, False])
def test_gradients_reach_every_weight(attend_hole):
    network = generator(TextureConfig(channels=3, attend_hole=attend_hole)).train()
    network(*scene()).square().sum().backward()
    for name, value in network.named_parameters():
        assert value.grad is not None, name
        assert value.grad.abs().max() > 0, name


def test_low_precision_stays_close():
    network, inputs = generator(), scene()
    with torch.no_grad():
        exact = network(*inputs)
        with torch.autocast("cpu", torch.bfloat16):
            near = network(*inputs)
    assert (near.float() - exact).abs().max() < 0.1


def test_a_structure_of_the_wrong_size_is_refused():
    image, hole, structure = scene(24, 32)
    with pytest.raises(ValueError, match=re.escape("4x3 codes needs an image of 32x24, got 24x32")):
        generator()(image.mT, hole.mT, structure)


def test_the_paper_and_the_small_network_have_their_sizes():
    def values(config: TextureConfig, size: int) -> int:
        return sum(value.numel() for value in TextureGenerator(config, size).parameters())

    assert values(TextureConfig(), 64) == 4_602_467
    config = small()
    assert config.texture is not None
    assert values(config.texture, config.vqvae.code_size) < 3_000_000


@official.needs_reference
@torch.no_grad()
@pytest.mark.parametrize("kind", ["center", "free"])
def test_the_official_network_paints_the_same(kind):
    network = TextureGenerator(TextureConfig(), 64).eval()
    official.load_official(network, "texture_generator", official.TEXTURE_NAMES)
    theirs = official.reference()[f"gen_{kind}"]
    ours = network(official.picture(), official.hole(kind), official.fixed_structure())
    np.testing.assert_allclose(ours.permute(0, 2, 3, 1), theirs, rtol=0, atol=1e-4 * np.ptp(theirs))
