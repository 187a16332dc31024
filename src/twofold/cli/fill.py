"""``twofold fill``: read a photo and a mask, fill, write."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class FillOptions:
    """Fill the white part of a mask in a photo; every other pixel stays as it is."""

    photo: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PHOTO")]
    """Image to fill: PNG, TIFF, WebP or JPEG; grey or colour, 8 or 16 bits, with alpha or without."""
    mask: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MASK")]
    """Image of the same size; white (128 and above) is filled."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="OUT")]
    """File to write: .png, .tif, .webp (lossless) or .jpg. Several samples: OUT-1.png, OUT-2.png, ..."""
    model: str = "medfe-small"
    """A bundled model, a folder with model.safetensors, such a file, or a classical method."""
    seed: int = 0
    """The same seed gives the same picture."""
    samples: int = 1
    """How many answers to write."""
    device: str = "auto"
    """auto (CUDA where there is one, else the CPU), cpu, cuda, cuda:1, mps."""


def main(arguments: Sequence[str]) -> int:
    """Run ``twofold fill`` with these arguments; the exit status is 0 or an error is raised."""
    options = tyro.cli(FillOptions, prog="twofold fill", args=list(arguments))
    with _one_line_warnings():
        for path in fill_file(options):
            print(path)
    return 0


def fill_file(options: FillOptions) -> list[Path]:
    """Do what ``twofold fill`` is asked for.

    Everything that can be wrong with the input is found before a network is loaded.

    Returns:
        The files written.

    Raises:
        TwofoldError: if photo, mask, model, device or output cannot be used, or the mask is all
            black; nothing is written then.
    """
    from twofold.errors import InputError, MaskError
    from twofold.pixels import check_output, read_hole, read_photo, write_photo

    if options.samples < 1 or options.seed < 0:
        raise InputError(
            f"samples is {options.samples} and seed {options.seed}; give samples from 1 and seed from 0 on"
        )
    photo = read_photo(options.photo)
    hole = read_hole(options.mask, photo.height, photo.width)
    if not hole.any():
        raise MaskError(
            f"mask {options.mask} has no hole: nothing is white in it; paint white what is to be filled"
        )
    outputs = _outputs(options.out, options.samples)
    for path in outputs:
        check_output(path, photo.pixels)

    from twofold.engine.load import load

    painter = load(options.model, device=options.device)
    result = painter.fill(photo.pixels, hole, samples=options.samples, seed=options.seed)
    for path, sample in zip(outputs, result.samples, strict=True):
        write_photo(photo.with_pixels(sample.image), path)
    return outputs


def _outputs(out: Path, samples: int) -> list[Path]:
    """OUT itself for one sample, OUT-1.png, OUT-2.png, ... for several."""
    if samples == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(1, samples + 1)]


@contextmanager
def _one_line_warnings() -> Iterator[None]:
    """Show warnings as ``twofold: warning: ...`` instead of with a line of our code."""

    def show(message: Warning | str, *rest: object) -> None:
        print(f"twofold: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        yield
