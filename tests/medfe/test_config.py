"""The configuration: what it refuses, and the sizes of its presets."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from twofold.medfe.build import build_medfe
from twofold.medfe.config import PRESETS, MedfeConfig, paper, small, tiny


def parameters(config: MedfeConfig) -> int:
    with torch.device("meta"):  # sizes only: nothing is allocated
        return sum(p.numel() for p in build_medfe(config).parameters())


def test_official_network_has_the_trainable_parameters_of_the_authors_code():
    assert parameters(paper("official")) == 103_118_630


def test_paper_network_has_a_second_set_of_branch_weights():
    streams = 5 * (9 + 25 + 49) * 256 * 256 + 15 * 2 * 256  # convolutions, norms
    gathering = 3 * 768 * 256 + 2 * 512 * 256  # merging and resizing layers that are shared officially
    assert parameters(paper()) == 103_118_630 + streams + gathering + (3 * 256 + 3) == 131_176_489


def test_small_network_is_small():
    with torch.device("meta"):
        network = build_medfe(small())
    assert sum(p.numel() for p in network.parameters()) <= 12_000_000
    assert sum(2 * v.numel() for v in network.state_dict().values()) <= 25_000_000  # bytes in float16


def test_an_unknown_mode_is_refused():
    config = tiny()
    object.__setattr__(config, "mode", "strict")  # past the type checker that watches the tests
    with pytest.raises(ValueError, match="mode must be 'paper' or 'official', got 'strict'"):
        config.__post_init__()


@pytest.mark.parametrize("mode", ["paper", "official"])
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_in_both_modes(name, mode):
    config = PRESETS[name](mode)
    assert config.mode == mode
    assert parameters(config) > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"encoder_channels": (4, 8)}, r"six stages, got \(4, 8\)"),
        ({"fill_kernels": (3, 4)}, r"must be odd, got \(3, 4\)"),
        ({"fill_kernels": ()}, r"must be odd, got \(\)"),
        ({"fill_kernels": (-1,)}, r"must be odd, got \(-1,\)"),
        ({"range_window": 2}, "odd number of feature pixels, got 2"),
        ({"structure_branch": False, "texture_branch": False}, "keep one of them"),
        ({"native_size": 100}, "multiple of 64, got 100"),
        ({"native_size": 0}, "multiple of 64, got 0"),
        ({"refined_stages": 6}, r"lie in \[0, 5\], got 6"),
        ({"refined_stages": -1}, r"lie in \[0, 5\], got -1"),
        ({"residual_output": True}, "set prefill='diffusion'"),
    ],
)
def test_what_no_network_can_be_built_from_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(tiny(), **wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"encoder_channels": (4, 8, 8, 8, 8, 16)}, r"must be equal, got \(8, 8, 16\)"),
        ({"non_local": True}, "need mode='paper'"),
        ({"structure_branch": False}, "need mode='paper'"),
        ({"texture_branch": False}, "need mode='paper'"),
        ({"channel_reweighing": False}, "need mode='paper'"),
        ({"spatial_propagation": False}, "need mode='paper'"),
        ({"range_propagation": False}, "need mode='paper'"),
        ({"fill_kernels": (3, 5)}, r"three streams by one shared layer, got \(3, 5\)"),
        ({"native_size": 128}, "at least 192 pixels a side, got native_size=128"),
    ],
)
def test_official_mode_refuses_what_the_authors_network_cannot_be(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(tiny("official"), **wrong)
