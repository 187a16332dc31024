"""Join the stages of a DSI training into one model that fills."""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from twofold.checkpoints.configs import config_from_dict
from twofold.checkpoints.format import Weights, save_weights
from twofold.checkpoints.released import FILE_NAME, load_family
from twofold.dsi.config import DsiConfig
from twofold.dsi.options import SamplingOptions
from twofold.errors import CheckpointError

PARTS = {"structure": ("structure",), "texture": ("texture", "discriminator")}
"""Field of the configuration -> the parts of the state that belong to it."""


def join_stages(
    stages: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    sampling: SamplingOptions | None = None,
) -> Path:
    """Write one file from the weights of a structure and a texture training on the same VQ-VAE.

    Args:
        stages: models, folders or files of DSI weights; each part must be in exactly one of them, but
            the VQ-VAE, which is in all. Its encoders and codebooks must be the same in all; its decoder
            is taken from the first.
        out: folder to write ``model.safetensors`` into; created if its parent exists.
        name: what reports call the model; None takes the folder's name.
        sampling: the model's own sampling options; None keeps those of the first stage.

    Returns:
        The file.

    Raises:
        CheckpointError: if a stage cannot be read, is not of DSI, or they do not belong together.
    """
    if len(stages) < 2:
        raise CheckpointError(f"{len(stages)} stage given; give at least two to join")
    found = [(os.fspath(stage), load_family(stage, "dsi")) for stage in stages]
    first = found[0][1]
    configs = {}
    for path, weights in found:
        configs[path] = config_from_dict(DsiConfig, weights.config)
        _check_same_vqvae(found[0], (path, weights))
    joined = configs[found[0][0]]
    state = {key: value for key, value in first.state.items() if key.startswith("vqvae.")}
    about: dict[str, Any] = {"stages": {}}
    for field, prefixes in PARTS.items():
        holders = [(path, weights) for path, weights in found if getattr(configs[path], field) is not None]
        if len(holders) != 1:
            seen = ", ".join(path for path, _ in holders) or "none of them"
            held = f"the {field} generator is in {len(holders)} of the stages ({seen})"
            raise CheckpointError(f"{held}; it must be in exactly one")
        holder, weights = holders[0]
        joined = replace(joined, **{field: getattr(configs[holder], field)})
        state |= {key: value for key, value in weights.state.items() if key.split(".")[0] in prefixes}
        about["stages"][field] = weights.about
    joined = joined if sampling is None else replace(joined, sampling=sampling)
    folder = Path(out)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"cannot make the folder {folder} ({error}); give another place") from error
    file, title = folder / FILE_NAME, name or folder.resolve().name
    save_weights(file, family="dsi", config=asdict(joined), state=state, name=title, about=about)
    return file


def _check_same_vqvae(first: tuple[str, Weights], other: tuple[str, Weights]) -> None:
    """Codes of another VQ-VAE mean something else: generators trained on them would not fit together."""
    (one, ours), (two, theirs) = first, other
    for key, value in ours.state.items():
        means_codes = key.startswith("vqvae.") and not key.startswith("vqvae.decoder.")
        if means_codes and not (
            key in theirs.state
            and theirs.state[key].shape == value.shape
            and torch.equal(theirs.state[key], value)
        ):
            raise CheckpointError(
                f"{two} was trained on another VQ-VAE than {one} (they differ in {key}); "
                "join stages that were started from the same VQ-VAE"
            )
