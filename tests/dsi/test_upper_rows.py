"""What the upper stream keeps: the ELUs of torch, and tiles only where they pay."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from dsi.lively import codebook, generator, random
from twofold.dsi.folded import FoldedPixelCnn
from twofold.dsi.upper_rows import MANY, TILED_ROWS, ConcatElu, tiles_pay


@pytest.mark.parametrize("width", [3, MANY // 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_many_and_few_get_the_elu_of_torch(width: int, dtype: torch.dtype) -> None:
    features = (2 * random(2, width, 4)).to(dtype)
    features[0, 0, :3] = torch.tensor([0.0, -200.0, 1e-30])
    buffer = torch.full((2, width + 1, 8), float("nan"), dtype=dtype)
    ConcatElu(buffer[:, 1:])(features)
    expected = F.elu(torch.cat([features, -features], dim=2))
    torch.testing.assert_close(buffer[:, 1:], expected, rtol=5e-7 if dtype == torch.float32 else 0, atol=0)
    assert buffer[:, 0].isnan().all()


def test_tiles_are_for_many_positions_of_float32_and_even_widths() -> None:
    network, vectors = generator().pixelcnn, codebook().vectors
    plain = FoldedPixelCnn(network, vectors)
    rounded = FoldedPixelCnn(network, vectors, torch.bfloat16)
    enough = TILED_ROWS // 32
    assert tiles_pay(plain, enough, 32)
    assert not tiles_pay(plain, enough - 1, 32)
    assert not tiles_pay(plain, enough, 33)
    assert not tiles_pay(rounded, enough, 32)
    assert plain.tiled(network) is plain.tiled(network)
