"""``twofold fill``: read a photo and a mask, fill, write."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from twofold.cli.command import one_line_warnings, parse

if TYPE_CHECKING:
    from twofold.inpainter import Progress


@dataclass(frozen=True)
class FillOptions:
    """Fill the white part of a mask in a photo; every other pixel stays as it is."""

    photo: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PHOTO")]
    """Image to fill: PNG, TIFF, WebP or JPEG; grey or colour, 8 or 16 bits, with alpha or without."""
    mask: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MASK")]
    """Image of the same size; white (128 and above) is filled."""
    out: Annotated[str, tyro.conf.arg(aliases=["-o"], metavar="OUT")]
    """File to write: .png, .tif, .webp (lossless) or .jpg. Several samples: OUT-1.png, OUT-2.png, ...
    A name without an ending, or a folder: in it PHOTO-1.png, PHOTO-1-structure.png, ..., PHOTO-sheet.png
    with all of them and PHOTO-samples.json."""
    model: str = "medfe-small"
    """A bundled model, a folder with model.safetensors, such a file, what `twofold export` wrote (it runs
    without PyTorch), a classical method, a file of LaMa or
    MI-GAN (.onnx, .pt), or any command: 'cmd: TOOL {image} {mask} {out}'. NAME= in front names it."""
    seed: int = 0
    """The same seed gives the same picture."""
    samples: int = 1
    """How many answers to write; sample 3 is the same picture whatever this is."""
    temperature: float | None = None
    """How varied the answers of a model that samples are: above 1 more varied, below 1 more likely; 0 takes
    the likeliest. Left out: the model's own, 0.4 for dsi-small."""
    top_k: int | None = None
    """A model that samples draws among the k likeliest codes only; 0: among all, which is what the bundled
    models do."""
    top_p: float | None = None
    """A model that samples draws among the likeliest codes that together have this probability; 1: among all,
    which is what the bundled models do."""
    engine: Literal["auto", "torch", "onnx"] = "auto"
    """What runs the model: auto is what its file is made for; onnx refuses all that needs PyTorch."""
    device: str = "auto"
    """auto (CUDA where there is one, else the CPU), cpu, cuda, cuda:1, mps."""
    threads: int | None = None
    """Run the model on this many threads; without it, PyTorch chooses. Another number may round answers
    differently."""
    detail: Literal["auto", "none", "always"] = "auto"
    """What is copied of the surroundings into the answers of networks: auto merges pieces with an answer at
    full size and fine detail with one that was scaled up, none leaves the network's answer alone, always
    takes fine detail everywhere."""
    max_memory: str | None = None
    """What filling by a network may take beside the program and the picture, such as 800MB or 2GB. Left out:
    no limit."""
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    """How exactly MEDFE multiplies on a CPU: bf16 is faster and hardly differs; auto takes it where the CPU
    has instructions for it. fp32 gives the same picture everywhere."""


def main(arguments: Sequence[str]) -> int:
    """Run ``twofold fill`` with these arguments; the exit status is 0 or an error is raised.

    Everything that can be wrong with the input is found before a network is loaded. Each sample is written
    when it is known; names of whole files go to standard output, also of work that was broken off.

    Raises:
        TwofoldError: if photo, mask, model, its options, device or output cannot be used, or the
            mask is all black; nothing is written then.
    """
    options: FillOptions = parse(FillOptions, "twofold fill", arguments)
    from twofold.cli.outputs import Writer, describe_ranking, plan_outputs
    from twofold.errors import InputError, MaskError
    from twofold.pixels import painted_dark, read_hole, read_photo

    if options.samples < 1 or options.seed < 0:
        raise InputError(
            f"samples is {options.samples} and seed {options.seed}; give samples from 1 and seed from 0 on"
        )
    written: list[Path] = []
    try:
        with one_line_warnings():
            photo = read_photo(options.photo)
            hole = read_hole(options.mask, photo.height, photo.width)
            if not hole.any():
                hint = "paint white what is to be filled"
                if painted_dark(read_photo(options.mask).pixels, hole):
                    hint = "make a mask of its alpha by `twofold masks from-alpha` and `twofold masks invert`"
                raise MaskError(f"mask {options.mask} has no hole: nothing is white in it; {hint}")
            outputs = plan_outputs(options.out, options.photo, options.mask, photo.pixels, options.samples)
            from twofold.devices import use_threads
            from twofold.engine.load import load
            from twofold.engine.model_name import Typed

            if options.threads is not None:
                use_threads(options.threads)
            inpainter = load(
                Typed(options.model),
                device=options.device,
                options=_sampling(options),
                detail=options.detail,
                max_memory=options.max_memory,
                precision=options.precision,
                engine=options.engine,
            )
            writer = Writer(photo, hole, outputs, written)
            with _progress() as progress:
                result = inpainter.fill(
                    photo,
                    hole,
                    samples=options.samples,
                    seed=options.seed,
                    progress=progress,
                    on_sample=writer.write_sample,
                )
                writer.write_summary(result)
    finally:  # what is written is whole, even if the work was broken off
        for path in written:
            print(path)
    for line in describe_ranking(result) if options.samples > 1 else []:
        print(line, file=sys.stderr)
    return 0


def _sampling(options: FillOptions) -> dict[str, float] | None:
    """The sampling options that were given; None if none was: the model has its own."""
    names = ("temperature", "top_k", "top_p")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return given or None


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """A bar on a terminal, which vanishes at the end; None where standard error is not one."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("filling"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bars:
        task = bars.add_task("filling", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
