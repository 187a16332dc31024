"""LPIPS for validation, where its weights can be had without asking."""

import torch

from twofold.errors import CheckpointError
from twofold.features.lpips import Distance, pretrained_lpips


def lpips_if_at_hand(device: torch.device) -> Distance | None:
    """LPIPS on AlexNet; None where its weights cannot be had: validation then goes without."""
    try:
        return pretrained_lpips("alex").to(device)
    except CheckpointError:
        return None
