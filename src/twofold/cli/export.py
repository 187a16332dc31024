"""``twofold export``: write a network as a file that runs without PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from twofold.cli.command import parse


@dataclass(frozen=True)
class ExportOptions:
    """Write a network as ONNX, pixels in and pixels out; then: twofold fill ... --model OUT.

    The file is checked against PyTorch before it is kept: answers differ by at most 1e-4.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """A bundled model, a folder with model.safetensors, or such a file."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """What to write: of MEDFE a file, NAME.onnx; of DSI a folder of several."""
    format: Literal["onnx"] = "onnx"
    """Kind of file."""
    int8: Annotated[Path | None, tyro.conf.arg(metavar="PHOTOS")] = None
    """Of MEDFE: a folder of at least 40 photographs. Writes 8-bit integers: half the size, more than twice as
    fast, and hardly another picture; ranges are set by the photographs."""
    name: str | None = None
    """What reports call the exported model; its own name if not given."""


def main(argv: Sequence[str]) -> int:
    """Run ``twofold export``; the exit status is 0 or an error is raised."""
    options: ExportOptions = parse(ExportOptions, "twofold export", argv)
    from twofold.errors import MissingExtraError

    try:
        from twofold.export.job import export_model
    except ImportError as error:
        raise MissingExtraError(
            f"export needs PyTorch, onnx and onnxscript ({error}); pip install 'twofold[export]'"
        ) from error
    done = export_model(options.model, options.out, name=options.name, int8=options.int8)
    for what, difference in done.differences.items():
        print(f"{what}: differs from PyTorch by at most {difference:.1e}")
    if done.int8_psnr is not None:
        print(f"8-bit integers: {done.int8_psnr:.1f} dB from the answers in float")
    print(f"{done.path} ({done.size / 1e6:.1f} MB)")
    return 0
