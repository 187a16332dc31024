"""Averages: of weights over time (EMA), and of gradients over processes."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class WeightAverage:
    """An exponential moving average of a network's weights.

    The first steps use a shorter memory, (1 + step) / (10 + step), so that the average leaves the
    initial weights behind quickly; without ``ramp`` they do not.

    Args:
        network: the network to follow; it is copied, never changed.
        decay: weight of the past in each step, in [0, 1); 0 follows without memory.
        ramp: begin with a shorter memory.
    """

    def __init__(self, network: nn.Module, decay: float, *, ramp: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay of the weight average must lie in [0, 1), got {decay}")
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay
        self.ramp = ramp

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards ``network`` after the step numbered ``step`` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step)) if self.ramp else self.decay
        ours: list[Tensor] = list(self.network.parameters())
        theirs: list[Tensor] = [parameter.detach() for parameter in network.parameters()]
        torch._foreach_lerp_(ours, theirs, 1 - decay)
        for average, current in zip(self.network.buffers(), network.buffers(), strict=True):
            average.copy_(current)


def average_gradients(parameters: Iterable[Tensor], fabric: Fabric) -> None:
    """Average the gradients over all processes, in one message.

    In place of a DistributedDataParallel wrapper: adversarial steps run each network several times
    and switch gradients on and off, which the wrapper's hooks do not follow. Parameters without a
    gradient on this process count as zero.
    """
    if fabric.world_size == 1:
        return
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in trained:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
    message = torch.cat([gradient.reshape(-1) for gradient in gradients])
    averaged = fabric.all_reduce(message, reduce_op="mean")
    assert isinstance(averaged, Tensor)  # what fabric's signature leaves open
    for gradient, part in zip(gradients, torch.split(averaged, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
