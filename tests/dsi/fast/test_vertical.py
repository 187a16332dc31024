"""What the vertical stack keeps: the ELUs of torch, in place."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from dsi.lively import random
from twofold.dsi.fast.vertical import ConcatElu


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_elu_of_torch_is_written_beside_the_padding(dtype: torch.dtype) -> None:
    features = (2 * random(2, 3, 4)).to(dtype)
    features[0, 0, :3] = torch.tensor([0.0, -200.0, 1e-30])
    buffer = torch.full((2, 4, 8), float("nan"), dtype=dtype)
    ConcatElu(buffer[:, 1:])(features)
    expected = F.elu(torch.cat([features, -features], dim=2))
    torch.testing.assert_close(buffer[:, 1:], expected, rtol=5e-7 if dtype == torch.float32 else 0, atol=0)
    assert buffer[:, 0].isnan().all()
