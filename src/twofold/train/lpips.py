"""LPIPS for validation, where its weights can be had without asking."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from twofold.errors import CheckpointError
from twofold.features.lpips import pretrained_lpips

Distance = Callable[[Tensor, Tensor], Tensor]
"""Two pictures [b 3 h w] in [-1, 1] -> [b]."""


def lpips_if_at_hand(device: torch.device) -> Distance | None:
    """LPIPS on AlexNet; None where its weights cannot be had: validation then goes without."""
    try:
        return pretrained_lpips("alex").to(device)
    except CheckpointError:
        return None
