"""``twofold convert``: turn the weights of other projects into ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from twofold.cli.command import parse


@dataclass(frozen=True)
class MedfeOptions:
    """Convert the weights of the authors' MEDFE code; then: twofold fill ... --model OUT."""

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Holds EN, DE and MEDEF (or MEDFE), each as .pkl or .pth; D and F, the discriminators, are optional."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder to write: model.safetensors and, with D or F, discriminators.safetensors."""
    name: str = "medfe-official"
    """What reports call the model."""


@dataclass(frozen=True)
class DsiOptions:
    """Convert the weights of the authors' DSI code; then: twofold fill ... --model OUT.

    Give the full model, or the checkpoints of the three stages of training, together or in part.
    """

    # One list for both: argparse fails on a list before another word as soon as an option follows.
    paths: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT ... OUT")]
    """TensorFlow checkpoints (model.ckpt, model.ckpt.index, or the folder of one), and at last the folder to
    write: model.safetensors, with the parts that the checkpoints hold."""
    name: str = "dsi-official"
    """What reports call the model."""


@dataclass(frozen=True)
class StagesOptions:
    """Join the structure and the texture stage of a DSI training; then: twofold fill ... --model OUT."""

    paths: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN ... OUT")]
    """Folders or files of weights, trained on the same VQ-VAE, and at last the folder to write:
    model.safetensors."""
    name: str | None = None
    """What reports call the model; OUT's name if not given."""
    temperature: float = 1.0
    """The model's own sampling temperature, used unless a call says otherwise."""
    top_k: int = 0
    """Its top-k; 0 draws among all codes."""
    top_p: float = 1.0
    """Its top-p; 1 draws among all codes."""
    keep_margin: int | None = None
    """Keep the picture's own codes where the hole is so many codes away; none samples all."""


def main(argv: Sequence[str]) -> int:
    """Run ``twofold convert``; the exit status is 0 or an error is raised."""
    options = parse(
        {"medfe": MedfeOptions, "dsi": DsiOptions, "dsi-stages": StagesOptions},
        "twofold convert",
        argv,
        description="Turn the weights of other projects into ours.",
    )
    for path in _converted(options):
        print(path)
    return 0


def _converted(options: MedfeOptions | DsiOptions | StagesOptions) -> list[Path]:
    if isinstance(options, StagesOptions):
        from twofold.checkpoints.stages import join_stages
        from twofold.dsi.options import SamplingOptions

        sampling = SamplingOptions(options.temperature, options.top_k, options.top_p, options.keep_margin)
        runs, out = _split(options.paths, "two runs to join")
        return [join_stages([str(run) for run in runs], out, name=options.name, sampling=sampling)]
    if isinstance(options, DsiOptions):
        from twofold.checkpoints.from_dsi import convert_dsi

        checkpoints, out = _split(options.paths, "a checkpoint")
        return convert_dsi(checkpoints, out, name=options.name)
    from twofold.checkpoints.from_medfe import convert_medfe

    return convert_medfe(options.folder, options.out, name=options.name)


def _split(paths: tuple[Path, ...], wanted: str) -> tuple[tuple[Path, ...], Path]:
    """What to read, and where to write."""
    if len(paths) < 2:
        from twofold.errors import InputError

        raise InputError(f"{len(paths)} path given; give {wanted} and the folder to write")
    return paths[:-1], paths[-1]
