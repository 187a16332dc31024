"""The incremental network says what the whole one says, whatever the windows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dsi.lively import CODES, TINY, codebook, condition, generator
from twofold.dsi.config import StructureConfig
from twofold.dsi.fast.horizontal import HorizontalStack
from twofold.dsi.fast.pixelcnn import IncrementalPixelCnn
from twofold.dsi.fast.weights import FusedPixelCnn

NARROW = StructureConfig(
    condition_channels=(2, 2, 2, 3),
    channels=3,
    groups=1,
    layers=3,
    heads=1,
    key_channels=4,
    value_channels=2,
    out_layers=0,
)


def left_of(codes: Tensor, row: int) -> Tensor:
    """Codes of the left neighbours of a row."""
    return torch.cat([torch.full((len(codes), 1), CODES), codes[:, row, :-1]], dim=1)


def whole_logits(network: torch.nn.Module, vectors: Tensor, features: Tensor, codes: Tensor) -> Tensor:
    """Logits [n h w k] of the whole network for given codes."""
    given = vectors[codes].permute(0, 3, 1, 2)
    return network(given, features.expand(len(codes), -1, -1, -1)).permute(0, 2, 3, 1)


@pytest.mark.parametrize("config", [TINY, NARROW])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 1), (1, 4), (4, 5)])
@pytest.mark.parametrize("span", [1, 2, 5])
@torch.inference_mode()
def test_logits_are_those_of_the_whole_network(config, height, width, span):
    network, vectors = generator(config).pixelcnn, codebook().vectors
    features = condition(height, width, config=config)
    codes = torch.randint(CODES, (3, height, width), generator=torch.Generator().manual_seed(1))
    expected = whole_logits(network, vectors, features, codes)
    ours = IncrementalPixelCnn(FusedPixelCnn(network, vectors), features, 3)
    everyone = torch.arange(3)
    for row in range(height):
        ours.begin_row(row, codes[:, row - 1] if row else None)
        left = left_of(codes, row)
        for first in range(0, width, span):
            columns = torch.arange(first, min(width, first + span)).expand(3, -1)
            logits = ours.horizontal.window(left.gather(1, columns), everyone, columns)
            torch.testing.assert_close(logits, expected[:, row, columns[0]], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_what_attention_found_is_taken_again_if_it_does_not_look():
    network, vectors = generator().pixelcnn, codebook().vectors
    weights = FusedPixelCnn(network, vectors)
    ours = IncrementalPixelCnn(weights, condition(2, 5), 2)
    codes = torch.randint(CODES, (2, 2, 5), generator=torch.Generator().manual_seed(1))
    everyone, columns = torch.arange(2), torch.arange(5).expand(2, -1)
    ours.begin_row(0, None)
    ours.horizontal.features(left_of(codes, 0), everyone, columns)
    ours.begin_row(1, codes[:, 0])
    left = left_of(codes, 1)
    looked = ours.horizontal.window(left, everyone, columns).clone()
    assert torch.equal(ours.horizontal.window(left, everyone, columns, look=False), looked)
    other = (left + 1) % CODES
    stale = ours.horizontal.window(other, everyone, columns, look=False).clone()
    assert not torch.allclose(ours.horizontal.window(other, everyone, columns), stale, atol=1e-4)


@torch.inference_mode()
def test_a_stack_that_borrows_a_row_says_the_same():
    network, vectors = generator().pixelcnn, codebook().vectors
    weights = FusedPixelCnn(network, vectors)
    lender = IncrementalPixelCnn(weights, condition(3, 5), 2)
    borrower = HorizontalStack(weights, 2, (3, 5), torch.device("cpu"))
    codes = torch.randint(CODES, (2, 3, 5), generator=torch.Generator().manual_seed(1))
    everyone, columns = torch.arange(2), torch.arange(5).expand(2, -1)
    for row in range(3):
        lender.begin_row(row, codes[:, row - 1] if row else None)
        borrower.borrow_row(lender.horizontal)
        left = left_of(codes, row)
        expected = lender.horizontal.window(left, everyone, columns)
        torch.testing.assert_close(borrower.window(left, everyone, columns), expected)
