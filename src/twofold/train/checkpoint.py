"""Checkpoints of a run: written whole or not at all, found again, restored exactly."""

import re
from pathlib import Path
from typing import Any

import torch

from twofold.errors import CheckpointError
from twofold.pixels import replacing
from twofold.train.averaging import WeightAverage
from twofold.train.recipe import Recipe

FORMAT = "twofold-run/1"
KEPT = 2  # the newest so many stay: one may turn out damaged by the disk, not by us


def save_checkpoint(
    folder: Path, recipe: Recipe, average: WeightAverage, step: int, run: dict[str, Any]
) -> Path:
    """Write the state after ``step`` steps and drop all but the newest checkpoints.

    Args:
        folder: folder of the run.
        recipe: networks and optimizers to save.
        average: averaged weights to save.
        step: steps done.
        run: what a resumed run must agree on (seed, batch size, ...): JSON values only.
    """
    state = {
        "format": FORMAT,
        "step": step,
        "run": run,
        "recipe": recipe.describe(),
        "networks": {name: network.state_dict() for name, network in recipe.networks.items()},
        # Spelt as in the checkpoints of trainings that are under way.
        "optimisers": {name: optimizer.state_dict() for name, optimizer in recipe.optimizers.items()},
        "average": average.network.state_dict(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:08d}.ckpt"
    with replacing(path) as temporary:
        torch.save(state, temporary)
    for old in list_checkpoints(folder)[:-KEPT]:
        old.unlink()
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """All checkpoints of a run, oldest first."""
    found = (path for path in folder.glob("step-*.ckpt") if re.fullmatch(r"step-\d{8,}\.ckpt", path.name))
    return sorted(found, key=lambda path: int(path.stem.split("-")[1]))


def restore_checkpoint(path: Path, recipe: Recipe, average: WeightAverage, run: dict[str, Any]) -> int:
    """Restore everything that ``save_checkpoint`` wrote and return the number of steps done.

    Raises:
        CheckpointError: if the file is damaged, or was written by a run with other settings.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on damaged files
        raise CheckpointError(
            f"checkpoint {path} cannot be read ({error}); delete it to resume from the one before"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of a twofold run; give the run's own folder")
    for what, theirs, ours in (
        ("recipe", state["recipe"], recipe.describe()),
        ("run", state["run"], run),
    ):
        different = [key for key in sorted({*theirs, *ours}) if theirs.get(key) != ours.get(key)]
        if different:
            key = different[0]
            raise CheckpointError(
                f"{path} was written by a {what} with {key}={theirs.get(key)!r}, "
                f"but now it is {ours.get(key)!r}; resume with the same settings, or start in a new folder"
            )
    for name, network in recipe.networks.items():
        network.load_state_dict(state["networks"][name])
    for name, optimizer in recipe.optimizers.items():
        optimizer.load_state_dict(state["optimisers"][name])
    average.network.load_state_dict(state["average"])
    return int(state["step"])
