"""How fast MEDFE trains here: a reference loop beside ours on one batch, and what the loader takes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twofold.data.loader import training_batches
from twofold.data.pairs import DataConfig, TrainingPairs
from twofold.errors import TrainingError
from twofold.train.loop import LoopConfig, launch_fabric
from twofold.train.medfe import RECIPES, MedfeRecipe
from twofold.train.recipe import StepContext


@dataclass(frozen=True)
class TrainingTiming:
    """Seconds of one step, the lesser of wall clock and processor, of the fastest round.

    Attributes:
        reference: eager float32 in PyTorch's default layout, as a plain loop would.
        ours: as ``twofold train medfe --loop.precision bf16``: bfloat16, channels last.
        loading: one batch from the folder, prepared in this process; None without a folder.
        batch_size: pictures of a step.
        threads: of PyTorch.
    """

    reference: float
    ours: float
    loading: float | None
    batch_size: int
    threads: int

    @property
    def speedup(self) -> float:
        """How many times faster a step of ours is."""
        return self.reference / self.ours

    def as_json(self) -> dict[str, Any]:
        """Everything measured, and what follows from it."""
        share = None if self.loading is None else self.loading / (self.loading + self.ours)
        return {
            **asdict(self),
            "speedup": self.speedup,
            "pictures_per_second": self.batch_size / self.ours,
            "loading_share": share,
        }


def training_timing(
    rounds: int = 3,
    *,
    preset: str = "small",
    data: Path | None = None,
    batch_size: int = 4,
    threads: int = 1,
    seed: int = 1,
) -> TrainingTiming:
    """Measure one step of both loops in turn, with the same losses, weights and batch.

    Args:
        rounds: at least 1, after one to warm up.
        preset: of ``twofold train medfe``; those with VGG-16 need its weights.
        data: folder of photographs, for the loader; None measures steps alone, on random pictures.
        batch_size: pictures of a step.
        threads: of PyTorch.
        seed: of weights and pictures.

    Raises:
        TrainingError: if there is no such preset, or a number is below 1.
        CheckpointError: if VGG-16 is needed and cannot be had.
    """
    if preset not in RECIPES or min(rounds, batch_size, threads) < 1:
        raise TrainingError(
            f"preset is {preset!r}, rounds {rounds}, batch_size {batch_size} and threads {threads}; give one "
            f"of {', '.join(RECIPES)}, and at least 1 of each"
        )
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        steps = {form: _step(form, preset, seed) for form in ("fp32", "bf16")}
        side = RECIPES[preset]().network.native_size
        batch, loading = _random_batch(batch_size, side, seed), None
        if data is not None:
            loading, batch = _loading(data, batch_size, side, seed, rounds)
        spent: dict[str, list[float]] = {form: [] for form in steps}
        for turn in range(rounds + 1):
            for form, step in steps.items():
                seconds = _time(lambda step=step, turn=turn: step(batch, turn))
                spent[form] += [seconds] if turn else []
    finally:
        torch.set_num_threads(before)
    return TrainingTiming(min(spent["fp32"]), min(spent["bf16"]), loading, batch_size, threads)


def _step(form: str, preset: str, seed: int) -> Any:
    """A step of the recipe; the reference one in float32 and PyTorch's default layout."""
    fabric = launch_fabric(LoopConfig(out=Path(), accelerator="cpu", precision=form))  # type: ignore[arg-type]
    dtype = torch.bfloat16 if form == "bf16" else torch.float32
    recipe = MedfeRecipe(RECIPES[preset](), fabric.device, seed=seed, feature_dtype=dtype)
    if form == "fp32":
        for network in (recipe.generator, recipe.discriminators, recipe.vgg):
            if network is not None:
                network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return lambda batch, number: recipe.step(batch, StepContext(number, 1000, seed, fabric))


def _random_batch(count: int, side: int, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, side // 16, side // 16, generator=generator) * 2 - 1
    image = torch.nn.functional.interpolate(coarse, scale_factor=16.0, mode="bilinear")
    hole = torch.zeros(count, 1, side, side)
    hole[..., side // 4 : -side // 4, side // 4 : -side // 4] = 1
    return {"image": image, "hole": hole, "structure": image.clone()}


def _loading(data: Path, count: int, side: int, seed: int, rounds: int) -> tuple[float, dict[str, Tensor]]:
    """Seconds of a batch from a folder, and the last one."""
    pairs = TrainingPairs(DataConfig(folder=data, size=side), seed=seed)
    batches: Iterator[dict[str, Tensor]] = training_batches(pairs, batch_size=count, start_step=0)
    batch: dict[str, Tensor] = {}
    seconds = []
    for _ in range(rounds + 1):
        seconds.append(_time(lambda: batch.update(next(batches))))
    return min(seconds[1:]), batch


def _time(work: Any) -> float:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return min(time.perf_counter() - wall, time.process_time() - processor)
