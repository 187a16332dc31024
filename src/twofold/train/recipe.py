"""What a recipe offers to the training loop: networks, optimizers, and one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class StepContext:
    """Where a step stands; everything random in it must follow from this.

    Attributes:
        step: number of the step, from 0.
        steps: length of the run.
        seed: seed of the run.
        fabric: device, precision and the other processes.
    """

    step: int
    steps: int
    seed: int
    fabric: Fabric


class Recipe(Protocol):
    """A network being trained: its parts, and how one step improves them.

    Attributes:
        networks: everything that has weights to save, by name.
        optimizers: by name; the loop saves and restores them.
        averaged: the name in ``networks`` that is validated and released, with averaged weights.
    """

    networks: dict[str, nn.Module]
    optimizers: dict[str, Optimizer]
    averaged: str

    def step(self, batch: Mapping[str, Tensor], context: StepContext) -> dict[str, Tensor]:
        """Update the networks once and return the losses by name, detached scalars."""
        ...

    def describe(self) -> dict[str, Any]:
        """What is needed to build this recipe's networks again: JSON values only.

        A checkpoint keeps it, and refuses to continue another recipe's run.
        """
        ...

    def release(self, network: nn.Module) -> tuple[str, dict[str, Any]]:
        """Family name and configuration under which ``network``'s weights are published."""
        ...
