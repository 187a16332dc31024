"""A prepacked network answers as the one it was made of."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise
from typing import Any
from weakref import ref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from twofold.medfe.build import build_medfe
from twofold.medfe.config import MedfeConfig, paper, small, tiny
from twofold.medfe.convs import ChannelNorm
from twofold.medfe.fast.fft_conv import FftConv, spectrum_bytes
from twofold.medfe.fast.pack import (
    SPECTRA_BYTES,
    ChannelsLastNorm,
    FusedStream,
    PrepackedConv,
    fuse_resize,
    over_frequencies,
    prepack,
)
from twofold.medfe.network import MedfeNetwork
from twofold.medfe.official import OfficialMedfe

OFFICIAL = MedfeConfig(
    mode="official", encoder_channels=(8, 12, 16, 20, 20, 20), fill_channels=48, native_size=192
)
SMALL = replace(small(), encoder_channels=(8, 16, 48, 48, 48, 48), fill_channels=48, detail_channels=8)
PAPER = replace(tiny(), norm="group", fill_kernels=(3, 5, 7))


def network_of(config: MedfeConfig) -> MedfeNetwork:
    """A network whose norms and biases are not those of a fresh one."""
    network = build_medfe(config).eval().requires_grad_(False)
    for name, value in network.named_parameters():
        if value.ndim == 1:
            nn.init.normal_(value, 1.0 if name.endswith("weight") else 0.0, 0.2)
    for name, buffer in network.named_buffers():
        if "mask_sums" in name:
            buffer.copy_(1 + torch.rand(buffer.shape))
    return network


def scene(config: MedfeConfig, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    side = config.native_size if config.mode == "official" else 128
    hole = torch.zeros(batch, 1, side, side)
    hole[..., 40:90, 30:100] = 1
    image = F.interpolate(torch.rand(batch, 3, 8, 8) * 2 - 1, size=(side, side), mode="bilinear")
    return image, hole


@pytest.mark.parametrize(
    "config", [OFFICIAL, SMALL, PAPER, tiny()], ids=["official", "small", "group", "tiny"]
)
def test_answers_are_those_of_the_plain_network(config):
    network = network_of(config)
    image, hole = scene(config, 2)
    ours = prepack(copy.deepcopy(network))(image, hole)
    plain = network(image, hole)
    for name in ("image", "structure", "texture"):
        torch.testing.assert_close(getattr(ours, name), getattr(plain, name), atol=1e-4, rtol=1e-4)
    assert plain.image.std() > 0.01


@pytest.mark.parametrize("config", [OFFICIAL, SMALL], ids=["official", "small"])
def test_bfloat16_answers_lie_within_40_decibel(config):
    network = network_of(config)
    image, hole = scene(config)
    plain, ours = network(image, hole).image, prepack(copy.deepcopy(network), "bf16")(image, hole).image
    assert ours.dtype == torch.float32
    quality = 10 * torch.log10(4 / (ours - plain).square().mean())
    assert 40 < quality < 100


def test_every_convolution_but_the_squeeze_is_prepacked():
    network = prepack(build_medfe(OFFICIAL))
    left = [
        name for name, part in network.named_modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)
    ]
    assert left == ["equalization.reweigh.squeeze", "equalization.reweigh.excite"]
    kinds = [sum(isinstance(part, kind) for part in network.modules()) for kind in (FftConv, FusedStream)]
    assert kinds == [10, 3]  # 5x5 and 7x7
    assert network.prepacked == "fp32"


def test_a_batch_answers_as_its_pictures_one_by_one():
    network = prepack(network_of(SMALL))
    image, hole = scene(SMALL, 3)
    together = network.fill(image, hole, [0, 1, 2]).image
    for place in range(3):
        alone = network.fill(image[place : place + 1], hole[place : place + 1], [0]).image
        assert torch.equal(alone, together[place : place + 1])


def test_what_is_prepacked_stays_so():
    network = prepack(network_of(PAPER), "bf16")
    image, hole = scene(PAPER)
    before = network(image, hole).image
    assert torch.equal(network.to("cpu").float().eval()(image, hole).image, before)
    with pytest.raises(ValueError, match="prepacked already"):
        prepack(network)


def test_without_onednn_the_plain_convolutions_stay(monkeypatch):
    network = network_of(SMALL)
    image, hole = scene(SMALL)
    expected = network(image, hole).image
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    ours = prepack(network)
    assert not any(isinstance(part, PrepackedConv) for part in ours.modules())
    torch.testing.assert_close(ours(image, hole).image, expected, atol=1e-4, rtol=1e-4)


def test_a_doubled_picture_is_convolved_at_its_own_size():
    conv = nn.Conv2d(3, 5, 3, padding=1).requires_grad_(False)
    features = torch.randn(2, 3, 7, 6)
    expected = conv(F.interpolate(features, scale_factor=2.0, mode="nearest"))
    torch.testing.assert_close(fuse_resize(conv)(features), expected, atol=1e-6, rtol=1e-5)


def test_statistics_of_a_channel_far_from_zero_stay_exact():
    norm = ChannelNorm("instance", 32)
    nn.init.normal_(norm.weight)
    features = (torch.randn(2, 32, 16, 16) * 0.1 + 5).contiguous(memory_format=torch.channels_last)
    exact = F.instance_norm(features.double()) * norm.weight.double().view(-1, 1, 1)
    torch.testing.assert_close(ChannelsLastNorm(norm)(features).double(), exact, atol=3e-4, rtol=1e-3)


def test_channels_that_are_never_known_stay_nought():
    config = replace(OFFICIAL, fill_depth=3)
    plain = network_of(config)
    for stream in plain.filling.streams:
        stream.mask_sums[0, 2] = 0
    image, hole = scene(config)
    ours = prepack(copy.deepcopy(plain))
    assert ours.filling.streams[0].known[1] is not None
    torch.testing.assert_close(ours(image, hole).image, plain(image, hole).image, atol=1e-4, rtol=1e-4)


def test_weights_over_frequencies_stay_within_their_budget():
    with torch.device("meta"):  # sizes only: nothing is allocated
        network = OfficialMedfe(paper("official"))
    convs = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    for dtype, chosen in ((torch.float32, [7] * 5), (torch.bfloat16, [5] * 5 + [7] * 5)):
        chosen_ones = over_frequencies(network, dtype)
        assert sorted(convs[name].kernel_size[0] for name in chosen_ones) == [5] * 5 + [7] * 5
        names = [name for name, kept in chosen_ones.items() if kept]
        assert sorted(convs[name].kernel_size[0] for name in names) == chosen
        assert sum(spectrum_bytes(convs[name].weight, dtype) for name in names) <= SPECTRA_BYTES
    assert SPECTRA_BYTES <= 260_000_000  # with everything else the full-size network then takes under 1 GB


def test_answers_are_the_same_whether_spectra_are_kept_or_not(monkeypatch):
    network = network_of(OFFICIAL)
    image, hole = scene(OFFICIAL)
    kept = prepack(copy.deepcopy(network))(image, hole).image
    monkeypatch.setattr("twofold.medfe.fast.pack.SPECTRA_BYTES", 0)
    lean = prepack(network)
    parts = [part for conv in lean.modules() if isinstance(conv, FftConv) for part in conv.parameters()]
    assert sum(part.nbytes for part in parts) == 5 * (25 + 49) * 48 * 48 * 4  # as much as plain weights
    torch.testing.assert_close(lean(image, hole).image, kept, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_spectra_are_as_large_as_was_reckoned(dtype):
    weight = torch.randn(6, 4, 7, 7)
    conv = FftConv(weight, dtype)
    held = sum(part.nbytes for part in (conv.real, conv.imaginary, conv.single))
    assert held == spectrum_bytes(weight, dtype) == 4 * 4 * weight.numel() * dtype.itemsize // 4


def test_plain_weights_go_as_soon_as_their_layer_is_replaced(monkeypatch):
    network = network_of(OFFICIAL)
    plain = [ref(module) for module in network.modules() if isinstance(module, nn.Conv2d)]
    held = []

    class Counted(PrepackedConv):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            held.append(sum(module() is not None for module in plain))

    monkeypatch.setattr("twofold.medfe.fast.pack.PrepackedConv", Counted)
    prepack(network)
    gone = len(plain) - 2  # the two of the squeeze stay
    assert held[-1] <= 3
    assert all(now <= before for before, now in pairwise(held))
    assert sum(module() is not None for module in plain) == len(plain) - gone
