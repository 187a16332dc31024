"""The authors' DSI weights in our format: renamed, turned, and every complaint at once.

Their weights are TensorFlow 1 checkpoints: the full model in one, or those of the three stages of training
(VQ-VAE, structure generator, texture generator), whose optimizers and averages lie among the weights.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from twofold.checkpoints.conversion import check_folder, filling_folder, refuse
from twofold.checkpoints.dsi_names import official_shapes, variable_names
from twofold.checkpoints.format import save_weights
from twofold.checkpoints.released import FILE_NAME
from twofold.checkpoints.tf_bundle import TensorBundle
from twofold.dsi.config import DsiConfig, paper
from twofold.errors import CheckpointError

PARTS = {
    "vqvae": ("vq_encoder", "vq_decoder"),
    "structure": ("structure_condition", "structure_pixelcnn"),
    "texture": ("texture_generator", "texture_discriminator"),
}
"""Our part -> their scopes."""
AVERAGED = ("vqvae", "structure")
"""The parts whose running averages are the weights that the authors use and release."""
AVERAGE = "/ExponentialMovingAverage"
_OF_TRAINING = re.compile(
    r"(.*/)?(Adam(_\d+)?|beta[12]_power(_\d+)?|global_step|biased|local_step"
    rf"|(ema_cluster_size|ema_dw)({AVERAGE})?|embedding{AVERAGE})"
)
"""Variables that only training needs: optimizer, steps, and the averages that codebooks follow from."""

Array = npt.NDArray[Any]


def convert_variables(variables: Mapping[str, Array], config: DsiConfig) -> dict[str, Tensor]:
    """Rename and turn the variables that ``official_shapes`` lists to the state of ``dsi.model.Dsi``."""
    state = {}
    for ours, theirs in variable_names(config).items():
        parts = [_turned(name, variables[name]) for name in theirs]
        value = np.concatenate(parts) if len(parts) > 1 else parts[0]
        state[ours] = torch.from_numpy(np.array(value, np.float32, order="C"))
    return state


def _turned(name: str, value: Array) -> Array:
    """TensorFlow's order of axes to ours: [kh kw in out] -> [out in kh kw], [in out] -> [out in].

    A transposed convolution's [kh kw out in] becomes [in out kh kw] by the same turn, as torch wants it;
    a codebook's [d k] becomes [k d]; a singular vector's [1 out] becomes [out].
    """
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    return value[0] if name.endswith("/u") else value.T


def convert_dsi(
    checkpoints: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    name: str = "dsi-official",
    config: DsiConfig | None = None,
) -> list[Path]:
    """Convert official DSI checkpoints into a folder that ``twofold.load`` reads.

    Of the VQ-VAE and the structure generator the running averages are taken where a checkpoint holds
    them, as the authors do for their full model. Variables that only training needs are left out.

    Args:
        checkpoints: one or several (see ``TensorBundle`` for how to name one): the full model, or those of
            the stages of training. What several hold must be equal.
        out: folder to write, made if its parent exists; holds ``model.safetensors`` (float32), with the
            parts that the checkpoints hold. The VQ-VAE must be one of them.
        name: of the model, for reports.
        config: sizes of the networks; None for the full-size ones.

    Returns:
        The files written.

    Raises:
        CheckpointError: if anything is missing, unknown, misshapen, contradictory or unreadable (one error
            for everything), or ``out`` cannot be written; nothing is left behind then.
        MissingExtraError: if google-crc32c is not installed.
    """
    config = config or paper("official")
    paths = [checkpoints] if isinstance(checkpoints, str | os.PathLike) else list(checkpoints)
    if not paths:
        raise CheckpointError(
            "no checkpoint is given; give the full model, or those of the stages of training"
        )
    target = check_folder(out)
    values, averaged = _read_all([TensorBundle(path) for path in paths], official_shapes(config))
    parts = {_part(name) for name in values}
    left_out: dict[str, Any] = dict.fromkeys({"structure", "texture"} - parts)
    config = replace(config, **left_out)
    state = convert_variables(values, config)
    source = "converted from the official DSI layout"
    about = {"source": source, "parts": sorted(parts), "averaged": sorted(averaged)}
    with filling_folder(target, [FILE_NAME]) as staging:
        path = staging / FILE_NAME
        save_weights(path, family="dsi", config=config, state=state, name=name, about=about, dtype="float32")
    return [Path(out) / FILE_NAME]


def _part(name: str) -> str:
    scope = name.split("/", 1)[0]
    return next((part for part, scopes in PARTS.items() if scope in scopes), "")


def _read_all(
    bundles: Sequence[TensorBundle], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, Array], set[str]]:
    """The variables, and the parts of which averages were taken; one error for all that is wrong."""
    values: dict[str, Array] = {}
    sources: dict[str, str] = {}  # variable -> the first checkpoint with it
    averaged: set[str] = set()
    complaints: list[str] = []
    for bundle in bundles:
        file, chosen = bundle.prefix.name, _chosen(bundle, shapes, complaints)
        parts = {_part(name) for name, stored in chosen.items() if name != stored}
        averaged |= parts
        for name, stored in chosen.items():
            if name == stored and _part(name) in parts and _has_average(name):
                complaints.append(f"{file} lacks {name}{AVERAGE}, unlike others of its {_part(name)}")
            try:
                value = _value(bundle, stored, shapes[name])
            except CheckpointError as error:
                complaints.append(str(error))
            else:
                if not np.array_equal(values.setdefault(name, value), value):
                    complaints.append(f"{file} and {sources[name]} hold different values of {name}")
            sources.setdefault(name, file)
    there = {_part(name) for name in sources}
    complaints += [f"{name} is missing" for name in shapes if name not in sources and _part(name) in there]
    if "vqvae" not in there:
        complaints.insert(0, "there is no VQ-VAE (vq_encoder, vq_decoder), which every part needs")
    refuse(
        ", ".join(bundle.prefix.name for bundle in bundles),
        complaints,
        "give the full model, or the stages of one training, of the official code at its own sizes",
    )
    return values, averaged


def _chosen(
    bundle: TensorBundle, shapes: Mapping[str, tuple[int, ...]], complaints: list[str]
) -> dict[str, str]:
    """Our variables of a checkpoint -> those to read: their running averages where there are any."""
    chosen: dict[str, str] = {}
    for stored in bundle.entries:
        name = stored.removesuffix(AVERAGE)
        if name in shapes and (name == stored or _has_average(name)):
            if name != stored or name not in chosen:
                chosen[name] = stored
        elif not _OF_TRAINING.fullmatch(stored):
            complaints.append(f"{bundle.prefix.name} has an unknown {stored}")
    return chosen


def _has_average(name: str) -> bool:
    """Whether the authors average a variable; codebooks are averages already."""
    return _part(name) in AVERAGED and not name.endswith("/embedding")


def _value(bundle: TensorBundle, stored: str, shape: tuple[int, ...]) -> Array:
    """One variable as float32; raises CheckpointError if something is wrong with it."""
    file, entry = bundle.prefix.name, bundle.entries[stored]
    if entry.shape != shape:
        raise CheckpointError(f"{file} has {stored} as {entry.shape} instead of {shape}")
    raw = bundle.read(stored)
    if raw.dtype.kind != "f":
        raise CheckpointError(f"{file} has {stored} as {raw.dtype} instead of numbers with fractions")
    with np.errstate(over="ignore"):
        value = raw.astype(np.float32)
    if not np.isfinite(value).all():
        raise CheckpointError(f"{file} has values in {stored} that are not finite")
    return value
