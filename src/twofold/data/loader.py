"""Batches by global step: the same draws for any number of ranks, and after a resume."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from twofold.data.pairs import TrainingPairs
from twofold.errors import InputError


class StepSampler(Sampler[list[int]]):
    """The draw numbers of each batch of one rank, without end.

    Slot i of rank r at step s is draw ``(s * world_size + r) * batch_size + i``: the draws of all
    ranks, one after the other, are those of one rank with a batch ``world_size`` times as large.
    """

    def __init__(self, batch_size: int, start_step: int, *, rank: int = 0, world_size: int = 1) -> None:
        """Begin at ``start_step``.

        Raises:
            InputError: if a number is out of range.
        """
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}; a batch needs at least 1 example")
        if start_step < 0:
            raise InputError(f"start_step is {start_step}; the first step is 0")
        if not 0 <= rank < world_size:
            raise InputError(f"rank is {rank} of {world_size}; ranks go from 0 to world_size - 1")
        self.batch_size, self.start_step = batch_size, start_step
        self.rank, self.world_size = rank, world_size

    def __iter__(self) -> Iterator[list[int]]:
        step = self.start_step
        while True:
            first = (step * self.world_size + self.rank) * self.batch_size
            yield list(range(first, first + self.batch_size))
            step += 1


def training_batches(
    pairs: TrainingPairs,
    *,
    batch_size: int,
    start_step: int,
    rank: int = 0,
    world_size: int = 1,
    workers: int = 0,
    pin_memory: bool = False,
) -> Iterator[dict[str, Tensor]]:
    """Yield batches without end, beginning with that of global step ``start_step``.

    Args:
        pairs: the examples.
        batch_size: examples per rank and step.
        start_step: global step of the first batch; a resumed run passes the step it stopped before.
        rank: this process among ``world_size``.
        world_size: number of processes that share every step.
        workers: processes that prepare batches; 0 prepares them in this one.
        pin_memory: put the batches into page-locked memory, for copies to a GPU.

    Returns:
        An iterator of dicts of tensors [b ...], as ``TrainingPairs`` describes them.

    Raises:
        InputError: if a number is out of range.
    """
    sampler = StepSampler(batch_size, start_step, rank=rank, world_size=world_size)
    # A generator of its own: the loader would otherwise draw from, and so move, torch's global one.
    loader = DataLoader(
        pairs,
        batch_sampler=sampler,
        num_workers=workers,
        pin_memory=pin_memory,
        generator=torch.Generator().manual_seed(pairs.seed),
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)
