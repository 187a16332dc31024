"""The three training runs of DSI: codes, structure, texture; from photographs to averaged weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from twofold.checkpoints.configs import config_from_dict
from twofold.checkpoints.format import Weights
from twofold.checkpoints.released import load_family
from twofold.data.codes import CodeCache
from twofold.data.pairs import DataConfig, TrainingPairs
from twofold.dsi.config import SIZE_MULTIPLE, DsiConfig
from twofold.dsi.model import Dsi
from twofold.dsi.validation import PartValidation, validate_structure, validate_texture, validate_vqvae
from twofold.errors import CheckpointError, InputError
from twofold.features.lpips import Distance
from twofold.train.dsi_drawing import StructureDrawer
from twofold.train.dsi_structure import StructureRecipe, StructureRecipeConfig
from twofold.train.dsi_texture import TextureRecipe, TextureRecipeConfig
from twofold.train.dsi_vqvae import VqvaeRecipe, VqvaeRecipeConfig
from twofold.train.loop import LoopConfig, launch_fabric
from twofold.train.lpips import lpips_if_at_hand
from twofold.train.photographs import train_on_photographs
from twofold.train.recipe import Recipe
from twofold.train.validate import Validation

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ConfigT = TypeVar("ConfigT", StructureRecipeConfig, TextureRecipeConfig)
PartValidate = Callable[[Dsi, Sequence[Mapping[str, Tensor]]], PartValidation]


@dataclass(frozen=True)
class DsiRun:
    """What every stage's run is defined by."""

    data: DataConfig
    """Photographs, crops and holes."""
    loop: LoopConfig
    """Length, intervals and folder of the run."""
    start: str | None = None
    """Weights to begin with: a model's name, folder or file."""
    validation: Path | None = None
    """Folder of photographs to validate on; none goes without."""
    validation_photos: int = 60
    """How many of them."""
    workers: int = 0
    """Processes that prepare batches."""


@dataclass(frozen=True)
class VqvaeRun(DsiRun):
    """Everything that a training of the VQ-VAE is defined by."""

    recipe: VqvaeRecipeConfig = field(default_factory=VqvaeRecipeConfig)
    """Sizes, losses and optimizer."""


@dataclass(frozen=True)
class StructureRun(DsiRun):
    """Everything that a training of the structure generator is defined by; ``start`` must hold the VQ-VAE."""

    recipe: StructureRecipeConfig = field(default_factory=StructureRecipeConfig)
    """Sizes, loss and optimizer."""
    codes: Path | None = None
    """Folder that keeps the codes of crops; needs ``--data.views``, so that crops come again."""


@dataclass(frozen=True)
class TextureRun(DsiRun):
    """Everything that a training of the texture generator is defined by; ``start`` must hold the VQ-VAE."""

    recipe: TextureRecipeConfig = field(default_factory=TextureRecipeConfig)
    """Sizes, losses and optimizer."""
    vgg: Path | None = None
    """File of VGG-16 weights; none looks in TWOFOLD_FEATURES, then the cache, then downloads."""


def train_dsi_vqvae(run: VqvaeRun) -> Path:
    """Train the VQ-VAE and return the file of averaged weights.

    Raises:
        TwofoldError: if anything that the run needs cannot be had; nothing is then written.
    """
    fabric = launch_fabric(run.loop)
    start = None if run.start is None else load_family(run.start, "dsi").state
    recipe = VqvaeRecipe(run.recipe, fabric.device, seed=run.loop.seed, start=start)
    distance = _distance(run, fabric)

    def validate(dsi: Dsi, examples: Sequence[Mapping[str, Tensor]]) -> PartValidation:
        return validate_vqvae(dsi, examples, device=fabric.device, distance=distance)

    return _train(recipe, run, run.recipe.network.native_size, validate, fabric)


def train_dsi_structure(run: StructureRun) -> Path:
    """Train the structure generator on a given VQ-VAE and return the file of averaged weights.

    Raises:
        TwofoldError: if anything that the run needs cannot be had; nothing is then written.
    """
    start = _needed(run.start)
    fabric = launch_fabric(run.loop)
    config = _with_vqvae_of(start, run.recipe)
    cache = None
    if run.codes is not None:
        if fabric.is_global_zero:
            _code_cache(run, run.codes, start)
        fabric.barrier()  # the first process makes the file, all open it
        cache = _code_cache(run, run.codes, start)
    recipe = StructureRecipe(config, fabric.device, start.state, seed=run.loop.seed, cache=cache)

    def validate(dsi: Dsi, examples: Sequence[Mapping[str, Tensor]]) -> PartValidation:
        return validate_structure(dsi, examples, device=fabric.device)

    return _train(recipe, run, config.network.native_size, validate, fabric)


def train_dsi_texture(run: TextureRun) -> Path:
    """Train the texture generator on a given VQ-VAE and return the file of averaged weights.

    Raises:
        TwofoldError: if anything that the run needs cannot be had; nothing is then written.
    """
    start = _needed(run.start)
    fabric = launch_fabric(run.loop)
    config = _with_vqvae_of(start, run.recipe)
    recipe = TextureRecipe(
        config,
        fabric.device,
        start.state,
        seed=run.loop.seed,
        drawer=_drawer(start, run, fabric) if run.recipe.drawn else None,
        vgg=run.vgg,
        feature_dtype=torch.bfloat16 if run.loop.precision == "bf16" else torch.float32,
    )
    distance = _distance(run, fabric)

    def validate(dsi: Dsi, examples: Sequence[Mapping[str, Tensor]]) -> PartValidation:
        return validate_texture(dsi, examples, device=fabric.device, distance=distance)

    return _train(recipe, run, config.network.native_size, validate, fabric)


def _distance(run: DsiRun, fabric: Fabric) -> Distance | None:
    """LPIPS for the process that validates; the others need not look for its weights."""
    validates = run.validation is not None and fabric.is_global_zero
    return lpips_if_at_hand(fabric.device) if validates else None


def _needed(start: str | None) -> Weights:
    if start is None:
        raise CheckpointError(
            "this stage builds on a trained VQ-VAE; give its weights: --start RUN/model.safetensors"
        )
    return load_family(start, "dsi")


def _drawer(start: Weights, run: TextureRun, fabric: Fabric) -> StructureDrawer:
    """The structure generator of the starting weights, of whatever size and order it is."""
    if not 0 <= run.recipe.drawn <= 1:
        raise InputError(f"--recipe.drawn is {run.recipe.drawn}; give a share from 0 to 1")
    return StructureDrawer(config_from_dict(DsiConfig, start.config), start.state, fabric.device)


def _with_vqvae_of(start: Weights, recipe: ConfigT) -> ConfigT:
    """The VQ-VAE that is given decides its own sizes."""
    given = config_from_dict(DsiConfig, start.config)
    return replace(recipe, network=replace(recipe.network, vqvae=given.vqvae))


def _code_cache(run: StructureRun, folder: Path, start: Weights) -> CodeCache:
    """The cache for these weights, photographs and crops."""
    if not run.data.views:
        raise InputError("codes can only be kept of crops that come again; add --data.views 4, say")
    photos = TrainingPairs(run.data, seed=run.loop.seed).photos
    digest = hashlib.sha256()
    for name in sorted(start.state):
        if name.startswith("vqvae."):
            digest.update(start.state[name].numpy().tobytes())
    names = [path.relative_to(photos.root).as_posix() for path in photos.paths]
    digest.update(repr((run.loop.seed, run.data.size, run.data.zoom, run.data.flip, names)).encode())
    side = run.data.size // SIZE_MULTIPLE
    return CodeCache(folder, len(names) * run.data.views, (side, side), digest.hexdigest())


def _train(recipe: Recipe, run: DsiRun, native_size: int, validate: PartValidate, fabric: Fabric) -> Path:
    """The part that all stages share."""

    def validated(network: nn.Module, examples: Sequence[Mapping[str, Tensor]]) -> Validation:
        assert isinstance(network, Dsi)  # what every stage's recipe averages
        found = validate(network, examples)
        return Validation(found.figures, found.pictures)

    return train_on_photographs(
        recipe,
        TrainingPairs(run.data, seed=run.loop.seed),
        run.loop,
        fabric,
        workers=run.workers,
        validate=validated,
        validation=run.validation,
        size=native_size,
        limit=run.validation_photos,
    )
