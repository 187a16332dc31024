"""Fresh weights are drawn from torch's global generator: every test begins at the same place."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
