"""Run a recipe on a folder of photographs: its batches, its validation, the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, distributed, nn

from twofold.data.loader import training_batches
from twofold.data.pairs import TrainingPairs, ValidationPairs
from twofold.train.loop import LoopConfig, train
from twofold.train.recipe import Recipe
from twofold.train.validate import Validation

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Validate = Callable[[nn.Module, Sequence[Mapping[str, Tensor]]], Validation]
"""The averaged network and the validation examples -> what is found."""


def train_on_photographs(
    recipe: Recipe,
    pairs: TrainingPairs,
    loop: LoopConfig,
    fabric: Fabric,
    *,
    workers: int,
    validate: Validate,
    validation: Path | None,
    size: int,
    limit: int,
) -> Path:
    """Train, and validate on the first process; returns the file of averaged weights.

    Args:
        recipe: with its networks on ``fabric.device``.
        pairs: the examples.
        loop: length, intervals and folder.
        fabric: device and processes.
        workers: processes that prepare batches.
        validate: of the averaged network.
        validation: folder of photographs to validate it on; None goes without.
        size: side of the validation crops, in pixels.
        limit: how many of them.
    """
    validator = None
    if validation is not None and fabric.is_global_zero:
        examples = ValidationPairs(validation, size=size, limit=limit)
        chosen = [examples[index] for index in range(len(examples))]

        def validator(network: nn.Module) -> Validation:
            return validate(network, chosen)

    weights = train(
        recipe,
        lambda first, rank, world: training_batches(
            pairs,
            batch_size=loop.batch_size,
            start_step=first,
            rank=rank,
            world_size=world,
            workers=workers,
            pin_memory=fabric.device.type == "cuda",
        ),
        loop,
        fabric,
        validator=validator,
    )
    end_together()
    return weights


def end_together() -> None:
    """Wait for all processes and part from them: one that ends while others still speak to it is aborted."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
