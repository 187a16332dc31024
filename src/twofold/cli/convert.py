"""``twofold convert``: turn the weights of other projects into ours."""

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
    """The folder that holds EN, DE and MEDEF (or MEDFE), each as .pkl or .pth; the discriminators D and F are
    optional."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """The folder to write: model.safetensors and, with D or F, discriminators.safetensors."""
    name: str = "medfe-official"
    """The name of the model in reports."""


@dataclass(frozen=True)
class DsiOptions:
    """Convert the weights of the authors' DSI code; then: twofold fill ... --model OUT.

    Give the full model, or the checkpoints of the three stages of training, together or in part.
    """

    # One list for both: argparse fails on a list before another word as soon as an option follows.
    paths: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT ... OUT")]
    """TensorFlow checkpoints (model.ckpt, model.ckpt.index, or the folder of one), followed by the folder to
    write: model.safetensors, with the parts that the checkpoints hold."""
    name: str = "dsi-official"
    """The name of the model in reports."""


@dataclass(frozen=True)
class StagesOptions:
    """Join the structure and the texture stage of a DSI training; then: twofold fill ... --model OUT."""

    paths: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN ... OUT")]
    """Folders or files of weights that were trained on the same VQ-VAE, followed by the folder to write:
    model.safetensors."""
    name: str | None = None
    """The name of the model in reports; the name of OUT if not given."""
    temperature: float = 1.0
    """The model's own sampling temperature, which a call may override."""
    top_k: int = 0
    """The model's own top-k; 0 samples from all codes."""
    top_p: float = 1.0
    """The model's own top-p; 1 samples from all codes."""
    keep_margin: int | None = None
    """Keep the picture's own codes where the hole is more than this many codes away; none keeps no code."""


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
