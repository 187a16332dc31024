"""``twofold export``: write a network as a file that runs without PyTorch."""

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
    """The network to export: a bundled model, a folder with model.safetensors, or such a file."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Where to write: MEDFE becomes one file, such as NAME.onnx; DSI becomes a folder of several."""
    format: Literal["onnx"] = "onnx"
    """The format of the files."""
    int8: Annotated[Path | None, tyro.conf.arg(metavar="PHOTOS")] = None
    """Write MEDFE in 8-bit integers, with ranges measured on this folder of at least 40 photographs: half the
    size, more than twice as fast, and hardly another picture."""
    name: str | None = None
    """The name of the exported model in reports; the model's own name if not given."""


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
