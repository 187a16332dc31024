"""One training run from a folder of photographs to averaged weights."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from twofold.checkpoints.released import load_family
from twofold.data.pairs import DataConfig, TrainingPairs
from twofold.data.structures import prepare
from twofold.network import FillingNetwork
from twofold.train.loop import LoopConfig, launch_fabric
from twofold.train.lpips import lpips_if_at_hand
from twofold.train.medfe import MedfeRecipe, MedfeRecipeConfig
from twofold.train.photographs import train_on_photographs
from twofold.train.validate import Validation, validate


@dataclass(frozen=True)
class MedfeRun:
    """Everything that a training of MEDFE is defined by."""

    data: DataConfig
    """Photographs, crops and holes."""
    loop: LoopConfig
    """Length, intervals and folder of the run."""
    recipe: MedfeRecipeConfig = field(default_factory=MedfeRecipeConfig)
    """Network, losses and optimizer."""
    start: str | None = None
    """Weights to begin with: a model's name, folder or file; none starts afresh."""
    vgg: Path | None = None
    """File of VGG-16 weights; none looks in TWOFOLD_FEATURES, then the cache, then downloads."""
    validation: Path | None = None
    """Folder of photographs to validate on; none goes without."""
    validation_photos: int = 60
    """How many of them."""
    workers: int = 0
    """Processes that prepare batches."""
    prepare: bool = False
    """Compute all structure targets before the first step, not each when it is first needed."""


def train_medfe(run: MedfeRun) -> Path:
    """Train MEDFE and return the file of averaged weights.

    Raises:
        TwofoldError: if anything that the run needs cannot be had; nothing is then written.
    """
    fabric = launch_fabric(run.loop)
    recipe = MedfeRecipe(
        run.recipe,
        fabric.device,
        seed=run.loop.seed,
        vgg=run.vgg,
        start=None if run.start is None else load_family(run.start, "medfe").state,
        feature_dtype=torch.bfloat16 if run.loop.precision == "bf16" else torch.float32,
    )
    if recipe.fresh and fabric.is_global_zero:
        parts = sorted({name.rsplit(".", 2)[0] for name in recipe.fresh})
        print(f"{run.start} lacks {', '.join(parts)}: these begin fresh", file=sys.stderr)
    pairs = TrainingPairs(run.data, seed=run.loop.seed)
    if run.prepare and pairs.structures is not None and fabric.is_global_zero:
        prepare(pairs.photos, pairs.structures, short_side=run.data.short_side, workers=max(1, run.workers))
    fabric.barrier()
    validates = run.validation is not None and fabric.is_global_zero
    distance = lpips_if_at_hand(fabric.device) if validates else None

    def validated(network: nn.Module, examples: Sequence[Mapping[str, Tensor]]) -> Validation:
        assert isinstance(network, FillingNetwork)  # MEDFE is one
        return validate(network, examples, device=fabric.device, distance=distance)

    return train_on_photographs(
        recipe,
        pairs,
        run.loop,
        fabric,
        workers=run.workers,
        validate=validated,
        validation=run.validation,
        size=run.recipe.network.native_size,
        limit=run.validation_photos,
    )
