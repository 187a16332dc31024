"""LPIPS against a slow reference written from its formula, on random and on trained features."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from twofold.errors import CheckpointError, InputError
from twofold.features import lpips as lpips_file
from twofold.features.alexnet import AlexNet
from twofold.features.lpips import (
    LPIPS,
    NET_LAYERS,
    LPIPSHeads,
    difference_map,
    pretrained_lpips,
    weighted_distance,
)
from twofold.features.vgg import VGG16

TRUNKS = {"alex": AlexNet, "vgg": VGG16}


def build(net: str) -> LPIPS:
    torch.manual_seed(0)
    trunk = TRUNKS[net]()
    for convolution in trunk.convolutions:
        torch.nn.init.kaiming_normal_(convolution.weight)
    return LPIPS(net, trunk)


def pictures(seed: int = 1, batch: int = 2, side: int = 48) -> torch.Tensor:
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def slow_distance(features: list[np.ndarray], reference: list[np.ndarray], net: str) -> float:
    """One pair, place by place, in float64."""
    heads = np.load(Path(lpips_file.__file__).with_name("lpips_heads.npz"))
    total = 0.0
    for index, (a, b) in enumerate(zip(features, reference, strict=True)):
        weight = heads[f"{net}{index}"].astype(np.float64)
        _, height, width = a.shape
        for y in range(height):
            for x in range(width):
                u, v = a[:, y, x].astype(np.float64), b[:, y, x].astype(np.float64)
                u, v = u / (np.linalg.norm(u) + 1e-10), v / (np.linalg.norm(v) + 1e-10)
                total += float(weight @ (u - v) ** 2) / (height * width)
    return total


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_distance_equals_the_formula_place_by_place(net):
    lpips = build(net)
    a, b = pictures(1), pictures(2)
    fa, fb = lpips.trunk(a), lpips.trunk(b)
    for sample, ours in enumerate(lpips(a, b)):
        pick = [[f[layer][sample].numpy() for layer in NET_LAYERS[net]] for f in (fa, fb)]
        assert float(ours) == pytest.approx(slow_distance(*pick, net), rel=1e-4)


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_same_pictures_are_at_zero_and_the_distance_is_symmetric(net):
    lpips = build(net)
    a, b = pictures(1), pictures(2)
    assert torch.equal(lpips(a, a), torch.zeros(2))
    torch.testing.assert_close(lpips(a, b), lpips(b, a))
    assert (lpips(a, b) > 0).all()


def test_each_pair_of_a_batch_has_its_own_distance():
    lpips = build("alex")
    a, b = pictures(1, batch=3), pictures(2, batch=3)
    alone = torch.cat([lpips(a[i : i + 1], b[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(lpips(a, b), alone)


def test_features_computed_for_other_losses_give_the_same_distance():
    lpips = build("vgg")
    a, b = pictures(1), pictures(2)
    heads = LPIPSHeads("vgg")
    assert torch.equal(heads(lpips.trunk(a), lpips.trunk(b)), lpips(a, b))


def test_heads_are_not_negative_and_have_a_weight_for_each_channel():
    for net, channels in (("alex", [64, 192, 384, 256, 256]), ("vgg", [64, 128, 256, 512, 512])):
        heads = LPIPSHeads(net)
        for layer, count in zip(heads.layers, channels, strict=True):
            weight = heads.get_buffer(layer)
            assert weight.shape == (1, count, 1, 1)
            assert weight.min() >= 0
            assert weight.max() > 0


def test_orthogonal_features_are_two_weights_apart_whatever_their_lengths():
    weight = torch.tensor([0.5, 0.25]).view(1, 2, 1, 1)
    a = torch.zeros(1, 2, 3, 3)
    b = torch.zeros(1, 2, 3, 3)
    a[:, 0], b[:, 1] = 7.0, 0.01
    assert float(weighted_distance(a, b, weight)) == pytest.approx(0.75)


def slow_resize(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, pixel centres at half numbers, edges repeated; pixel by pixel."""
    rows, columns = values.shape
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            v = min(max((y + 0.5) * rows / height - 0.5, 0), rows - 1)
            u = min(max((x + 0.5) * columns / width - 0.5, 0), columns - 1)
            top, left = int(v), int(u)
            below, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            upper = values[top, left] * (1 - (u - left)) + values[top, right] * (u - left)
            lower = values[below, left] * (1 - (u - left)) + values[below, right] * (u - left)
            out[y, x] = upper * (1 - (v - top)) + lower * (v - top)
    return out


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_spatial_map_equals_a_slow_reference_pixel_by_pixel(net):
    heads = np.load(Path(lpips_file.__file__).with_name("lpips_heads.npz"))
    rng = np.random.default_rng(0)
    ours_a, ours_b, expected = {}, {}, np.zeros((9, 14))
    for index, layer in enumerate(NET_LAYERS[net]):
        weight = heads[f"{net}{index}"].astype(np.float64)
        side = max(1, 5 - index)
        a, b = rng.normal(size=(2, len(weight), side, side + 1)).astype(np.float32)
        ours_a[layer], ours_b[layer] = torch.from_numpy(a)[None], torch.from_numpy(b)[None]
        a = a / np.linalg.norm(a, axis=0)
        b = b / np.linalg.norm(b, axis=0)
        expected += slow_resize(np.einsum("c,chw->hw", weight, (a - b) ** 2), 9, 14)
    ours = LPIPSHeads(net).spatial(ours_a, ours_b, (9, 14))
    np.testing.assert_allclose(ours[0].numpy(), expected, rtol=1e-4)


def test_means_of_the_layers_maps_sum_to_the_plain_distance():
    lpips = build("alex")
    fa, fb = lpips.trunk(pictures(1)), lpips.trunk(pictures(2))
    heads = lpips.heads
    maps = [difference_map(fa[layer], fb[layer], heads.get_buffer(layer)) for layer in heads.layers]
    torch.testing.assert_close(sum(one.mean(dim=(1, 2)) for one in maps), lpips(pictures(1), pictures(2)))


def test_spatial_map_has_the_pictures_size_and_is_zero_for_the_same_picture():
    lpips = build("alex")
    a, b = pictures(1), pictures(2)
    assert torch.equal(lpips.spatial(a, a), torch.zeros(2, 48, 48))
    assert lpips.spatial(a, b).shape == (2, 48, 48)
    assert (lpips.spatial(a, b) > 0).all()


def test_spatial_map_of_even_features_is_the_plain_distance_everywhere():
    weight = LPIPSHeads("vgg")
    shapes = {layer: (1, weight.get_buffer(layer).shape[1], 1, 1) for layer in weight.layers}
    rng = torch.Generator().manual_seed(0)
    a = {layer: torch.randn(shape, generator=rng) for layer, shape in shapes.items()}
    b = {layer: torch.randn(shape, generator=rng) for layer, shape in shapes.items()}
    wide_a = {layer: value.expand(-1, -1, 3, 4) for layer, value in a.items()}
    wide_b = {layer: value.expand(-1, -1, 3, 4) for layer, value in b.items()}
    ours = weight.spatial(wide_a, wide_b, (7, 8))
    torch.testing.assert_close(ours, weight(a, b)[:, None, None].expand(1, 7, 8))


def test_one_picture_is_compared_with_each_of_many():
    lpips = build("alex")
    a, b = lpips.trunk(pictures(1, batch=1)), lpips.trunk(pictures(2, batch=3))
    ours = lpips.heads.spatial(a, b, (48, 48))
    for index in range(3):
        alone = lpips.heads.spatial(a, {k: v[index : index + 1] for k, v in b.items()}, (48, 48))
        torch.testing.assert_close(ours[index], alone[0])


def test_difference_in_one_corner_stays_there_in_the_spatial_map():
    lpips = build("alex")
    a = pictures(1, batch=1, side=128)
    b = a.clone()
    b[:, :, :16, :16] = pictures(2, batch=1, side=16)
    found = lpips.spatial(a, b)[0]
    assert found[:16, :16].mean() > 10 * found[-32:, -32:].mean()


def test_gradient_is_finite_where_all_features_are_zero():
    a = torch.zeros(1, 4, 2, 2, requires_grad=True)
    weighted_distance(a.relu(), torch.ones(1, 4, 2, 2), torch.ones(1, 4, 1, 1)).sum().backward()
    assert torch.isfinite(a.grad).all()


def test_bfloat16_features_are_compared_in_float32():
    heads = LPIPSHeads("vgg")
    torch.manual_seed(0)
    trunk = VGG16()
    with torch.autocast("cpu", torch.bfloat16):
        a, b = trunk(pictures(1)), trunk(pictures(2))
        distance = heads(a, b)
    assert distance.dtype == torch.float32
    torch.testing.assert_close(
        distance, heads({k: v.float() for k, v in a.items()}, {k: v.float() for k, v in b.items()})
    )


def test_picture_too_small_for_alexnet_is_refused():
    with pytest.raises(InputError, match="31x31"):
        AlexNet()(pictures(side=30))
    assert AlexNet()(pictures(side=31))["relu5"].shape[-2:] == (1, 1)


def shared_features() -> Path | None:
    root = os.environ.get("TWOFOLD_SHARED")
    folder = (Path(root) if root else Path(__file__).parents[3] / "shared") / "features"
    return folder if folder.is_dir() else None


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_trained_distance_is_small_for_a_shift_of_brightness_and_large_for_noise(net, monkeypatch):
    folder = shared_features()
    if folder is None:
        pytest.skip("no trained feature weights here")
    monkeypatch.setenv("TWOFOLD_FEATURES", str(folder))
    try:
        lpips = pretrained_lpips(net)
    except CheckpointError:
        pytest.skip("no trained feature weights here")
    ramp = torch.linspace(-0.8, 0.8, 64).expand(1, 3, 64, 64).contiguous()
    speckled = (ramp + 0.5 * pictures(3, batch=1, side=64)).clamp(-1, 1)
    assert float(lpips(ramp, ramp + 0.02)) < 0.02
    assert 0.3 < float(lpips(ramp, speckled)) < 2
