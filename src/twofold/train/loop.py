"""The training loop of every network: batches in, checkpoints, logs and averaged weights out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn

from twofold.checkpoints.format import save_weights
from twofold.errors import CheckpointError, MissingExtraError, TrainingError
from twofold.train.averaging import WeightAverage
from twofold.train.board import Board
from twofold.train.checkpoint import list_checkpoints, restore_checkpoint, save_checkpoint
from twofold.train.progress import Progress
from twofold.train.recipe import Recipe, StepContext
from twofold.train.validate import Validation

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Batches = Callable[[int, int, int], Iterator[Mapping[str, Tensor]]]
"""(first step, rank, number of processes) -> this process's batches from that step on."""
Validator = Callable[[nn.Module], Validation]


@dataclass(frozen=True)
class LoopConfig:
    """How long to train, how often to write, and what on."""

    out: Path
    """Folder of the run: checkpoints, logs and the averaged weights go there."""
    steps: int = 100_000
    """Length of the run."""
    batch_size: int = 8
    """Photographs per step and process."""
    seed: int = 0
    """Everything random follows from it and the step."""
    average: float = 0.999
    """Memory of the weight average, in [0, 1)."""
    average_ramp: bool = True
    """Begin the average with a shorter memory; the official DSI code does not."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """bf16 computes in bfloat16 where it is safe and keeps float32 weights."""
    accelerator: str = "auto"
    """Kind of device: auto, cpu, cuda, mps."""
    devices: int = 1
    """Processes; under torchrun its number."""
    resume: bool = False
    """Continue the run in ``out`` from its newest checkpoint, exactly."""
    save_every: int = 500
    """Steps between checkpoints."""
    validate_every: int = 500
    """Steps between validations."""
    log_every: int = 20
    """Steps between log entries."""
    minutes: float = math.inf
    """Stop after so much time, with a checkpoint; ``resume`` goes on."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot run."""
        for name in ("steps", "batch_size", "devices", "save_every", "validate_every", "log_every"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}; give at least 1")


def launch_fabric(config: LoopConfig) -> Fabric:
    """Open the device and join the other processes.

    Raises:
        MissingExtraError: if lightning-fabric is not installed.
    """
    fabric: Fabric = _fabric_class()(
        accelerator=config.accelerator,
        devices=config.devices,
        strategy="ddp" if config.devices > 1 else "auto",
        precision="bf16-mixed" if config.precision == "bf16" else "32-true",
    )
    fabric.launch()
    return fabric


def _fabric_class() -> Any:
    """Fabric alone, or the same class where all of lightning is installed."""
    for module in ("lightning_fabric", "lightning.fabric"):
        try:
            return import_module(module).Fabric
        except ImportError:
            continue
    raise MissingExtraError(
        "training needs lightning-fabric, which is not installed; run: pip install 'twofold[train]'"
    )


def train(
    recipe: Recipe,
    batches: Batches,
    config: LoopConfig,
    fabric: Fabric,
    *,
    validator: Validator | None = None,
) -> Path:
    """Train to the end of the run, or until its time is up.

    Args:
        recipe: networks already on ``fabric.device``, the same on every process.
        batches: gives each process its batches; batch ``s`` must depend on ``s`` alone.
        config: length, intervals and folder.
        fabric: device and processes.
        validator: validates the averaged network; None goes without.

    Returns:
        The file of averaged weights, in the release format.

    Raises:
        TrainingError: if a loss is no longer a finite number; the last checkpoint stays.
        CheckpointError: if the run cannot be resumed, or ``out`` already holds another.
    """
    average = WeightAverage(recipe.networks[recipe.averaged], config.average, ramp=config.average_ramp)
    # What the numbers of a run depend on; the rest may change when it is resumed.
    per_step = config.batch_size * fabric.world_size
    run = {
        "seed": config.seed,
        "steps": config.steps,
        "photographs per step": per_step,
        "average": config.average,
        "precision": config.precision,
    }
    if not config.average_ramp:
        run["average ramp"] = False
    first = _start(recipe, average, config, run)
    board = Board(config.out, enabled=fabric.is_global_zero)
    stopwatch = time.monotonic()
    stream = batches(first, fabric.global_rank, fabric.world_size)
    done = first
    with Progress(first, config.steps, per_step, enabled=fabric.is_global_zero) as progress:
        for step in range(first, config.steps):
            batch = {name: fabric.to_device(value) for name, value in next(stream).items()}
            losses = recipe.step(batch, StepContext(step, config.steps, config.seed, fabric))
            average.update(recipe.networks[recipe.averaged], step)
            done = step + 1
            stop = done == config.steps or _time_is_up(stopwatch, config.minutes, fabric)
            saves = done % config.save_every == 0 or stop
            if saves:
                # A checkpoint must never hold what a broken loss has left behind.
                _finite({name: float(value) for name, value in losses.items()}, step)
            if done % config.log_every == 0 or stop:
                figures = _finite({name: float(value) for name, value in losses.items()}, step)
                progress.show(done, figures)
                board.figures(done, "train", {**figures, "photographs/s": progress.rate})
            if (
                validator is not None
                and fabric.is_global_zero
                and (done % config.validate_every == 0 or stop)
            ):
                validation = validator(average.network)
                progress.note(done, validation.figures)
                board.figures(done, "validation", validation.figures)
                board.pictures(done, validation.pictures)
            if fabric.is_global_zero and saves:
                save_checkpoint(config.out, recipe, average, done, run)
                _release(recipe, average, config.out, done)
            if stop:
                break
    board.close()
    fabric.barrier()
    return config.out / "model.safetensors"


def _start(recipe: Recipe, average: WeightAverage, config: LoopConfig, run: dict[str, Any]) -> int:
    """Restore the newest checkpoint if asked to, and return the first step to do."""
    found = list_checkpoints(config.out)
    if config.resume and found:
        return restore_checkpoint(found[-1], recipe, average, run)
    if config.resume:
        raise CheckpointError(f"{config.out} holds no checkpoint to resume from; start without --loop.resume")
    if found:
        raise CheckpointError(
            f"{config.out} already holds a run ({found[-1].name}); "
            "continue it with --loop.resume, or give a new folder"
        )
    return 0


def _time_is_up(since: float, minutes: float, fabric: Fabric) -> bool:
    """Whether to stop now; every process gets the answer of the first."""
    if math.isinf(minutes):
        return False
    return bool(fabric.broadcast(time.monotonic() - since > 60 * minutes))


def _finite(losses: dict[str, float], step: int) -> dict[str, float]:
    broken = [name for name, value in losses.items() if not math.isfinite(value)]
    if broken:
        raise TrainingError(
            f"the {broken[0]} loss is {losses[broken[0]]} at step {step}; "
            "resume from the last checkpoint with a lower learning rate"
        )
    return losses


def _release(recipe: Recipe, average: WeightAverage, out: Path, step: int) -> None:
    """Write the averaged weights in the release format, beside the checkpoints."""
    family, network_config = recipe.release(average.network)
    save_weights(
        out / "model.safetensors",
        family=family,
        config=network_config,
        state=average.network.state_dict(),
        name=out.name,
        about={"steps": step, "recipe": recipe.describe()},
    )
