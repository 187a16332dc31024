"""``twofold bench``: measure time and memory of a network on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

if TYPE_CHECKING:
    from twofold.bench.medfe import MedfeBench


@dataclass(frozen=True)
class MedfeOptions:
    """Fill 256x256 pixels by the full-size official MEDFE: the literal computation beside ours."""

    rounds: int = 5
    """Timed rounds of each, in turn, after one to warm up."""
    threads: int = 1
    """Threads of PyTorch, for both."""
    seed: int = 1
    """Of random weights and a random picture."""
    json: Path | None = None
    """File to write the figures to."""


def main(argv: Sequence[str]) -> int:
    """Run ``twofold bench``; the exit status is 0 or an error is raised."""
    options = tyro.extras.subcommand_cli_from_dict(
        {"medfe": MedfeOptions},
        prog="twofold bench",
        description="Measure time and memory of a network on this machine.",
        args=list(argv),
    )
    from twofold.bench.medfe import bench_medfe
    from twofold.errors import InputError

    if options.json is not None and not options.json.parent.is_dir():
        raise InputError(
            f"folder {options.json.parent} does not exist; make it first, or choose another place"
        )
    report = bench_medfe(options.rounds, threads=options.threads, seed=options.seed)
    _print(report)
    if options.json is not None:
        _write(report, options.json)
    return 0


def _print(report: MedfeBench) -> None:
    """One table of both forms, and what follows from it."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="official MEDFE, one picture of 256x256")
    for heading in ("", "fastest s", "median s", "peak memory MB"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, measured in (("literal", report.literal), ("twofold", report.ours)):
        row = (f"{measured.fastest:.3f}", f"{measured.median:.3f}", f"{measured.peak_megabytes:.0f}")
        table.add_row(name, *row)
    console = Console()
    console.print(table)
    console.print(
        f"{report.speedup:.1f} times faster, {report.saved_megabytes / 1000:.2f} GB less memory, "
        f"largest difference {report.max_difference:.1e} (float32, threads: {report.threads}, "
        f"torch {report.torch})"
    )


def _write(report: MedfeBench, path: Path) -> None:
    import json

    from twofold.errors import InputError
    from twofold.pixels import replacing

    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}; choose another place") from error
