"""The two branches: what each one sees, and that each has weights of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from twofold.medfe.config import tiny
from twofold.medfe.fill import MutualFilling, StructureGathering, TextureGathering
from twofold.medfe.partial_conv import valid_features


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def pyramid(side: int = 128) -> list[torch.Tensor]:
    return [random(1, c, side >> i, side >> i, seed=i) for i, c in enumerate(tiny().encoder_channels, 1)]


def centre_hole(side: int = 128) -> torch.Tensor:
    hole = torch.zeros(1, 1, side, side)
    hole[..., side // 4 : -side // 4, side // 4 : -side // 4] = 1
    return hole


@pytest.mark.parametrize("index", range(6))
def test_deep_features_reach_structure_only_and_shallow_ones_texture_only(index):
    filling, given = MutualFilling(tiny()), pyramid()
    changed = [features + random(*features.shape, seed=8) * (i == index) for i, features in enumerate(given)]
    before, after = filling(given, centre_hole()), filling(changed, centre_hole())
    assert torch.equal(before.structure, after.structure) == (index < 3)
    assert torch.equal(before.texture, after.texture) == (index >= 3)


def test_the_hole_reaches_both_branches():
    filling, given = MutualFilling(tiny()), pyramid()
    with_hole, without = filling(given, centre_hole()), filling(given, torch.zeros(1, 1, 128, 128))
    assert (with_hole.structure - without.structure).abs().max() > 1e-3
    assert (with_hole.texture - without.texture).abs().max() > 1e-3


def test_both_branches_begin_with_activated_features():
    filling, given = MutualFilling(tiny()), pyramid()
    activated = [torch.where(features > 0, features, features / 5) for features in given]
    valid = valid_features(centre_hole(), 8, tiny().hole_threshold)
    filled = filling(given, centre_hole())
    torch.testing.assert_close(filled.structure, filling.structure(activated, valid))
    torch.testing.assert_close(filled.texture, filling.texture(activated, valid))


def test_the_branches_share_no_parameter():
    filling = MutualFilling(tiny())
    structure, texture = (
        {id(p) for p in branch.parameters()} for branch in (filling.structure, filling.texture)
    )
    assert not structure & texture
    assert structure | texture == {id(p) for p in filling.parameters()}


@pytest.mark.parametrize("gathering", [TextureGathering, StructureGathering])
def test_features_are_gathered_at_an_eighth_of_the_side(gathering):
    assert gathering(tiny())(pyramid(64)).shape == (1, 8, 8, 8)


@pytest.mark.parametrize("branch", ["structure", "texture"])
def test_a_branch_that_is_off_gives_none_and_leaves_the_other_as_it_is(branch):
    filled = MutualFilling(replace(tiny(), **{f"{branch}_branch": False}))(pyramid(), centre_hole())
    assert getattr(filled, branch) is None
    other = {"structure": "texture", "texture": "structure"}[branch]
    assert getattr(filled, other).shape == (1, 8, 16, 16)


def test_every_kernel_has_a_stream_of_the_depth_asked_for():
    branch = MutualFilling(replace(tiny(), fill_kernels=(1, 3, 7), fill_depth=4)).texture
    assert [[conv.kernel for conv in stream.convs] for stream in branch.streams] == [
        [1] * 4,
        [3] * 4,
        [7] * 4,
    ]
