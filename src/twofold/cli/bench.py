"""``twofold bench``: measure time and memory of a network on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

if TYPE_CHECKING:
    from twofold.bench.dsi import DsiBench, Pace
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


@dataclass(frozen=True)
class DsiOptions:
    """Sample 32x32 structure codes by the full-size DSI: the paper's procedure beside ours."""

    rounds: int = 3
    """Timed rounds of each, in turn, after one of ours to warm up."""
    positions: int = 8
    """Positions of the paper's procedure to be timed, in all rounds together."""
    samples: int = 8
    """Structures sampled at once, besides one alone."""
    threads: int = 1
    """Threads of PyTorch, for both."""
    seed: int = 1
    """Of random weights and samples."""
    json: Path | None = None
    """File to write the figures to."""


def main(argv: Sequence[str]) -> int:
    """Run ``twofold bench``; the exit status is 0 or an error is raised."""
    options: MedfeOptions | DsiOptions = tyro.extras.subcommand_cli_from_dict(
        {"medfe": MedfeOptions, "dsi": DsiOptions},
        prog="twofold bench",
        description="Measure time and memory of a network on this machine.",
        args=list(argv),
    )
    from twofold.errors import InputError

    if options.json is not None and not options.json.parent.is_dir():
        raise InputError(
            f"folder {options.json.parent} does not exist; make it first, or choose another place"
        )
    figures = _medfe(options) if isinstance(options, MedfeOptions) else _dsi(options)
    if options.json is not None:
        _write(figures, options.json)
    return 0


def _medfe(options: MedfeOptions) -> dict[str, Any]:
    from twofold.bench.medfe import bench_medfe

    report = bench_medfe(options.rounds, threads=options.threads, seed=options.seed)
    _print_medfe(report)
    return report.as_json()


def _dsi(options: DsiOptions) -> dict[str, Any]:
    from twofold.bench.dsi import bench_dsi

    report = bench_dsi(
        options.rounds,
        positions=options.positions,
        samples=options.samples,
        threads=options.threads,
        seed=options.seed,
    )
    _print_dsi(report)
    return report.as_json()


def _print_medfe(report: MedfeBench) -> None:
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


def _print_dsi(report: DsiBench) -> None:
    """One table of both procedures, and whether they draw the same."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"DSI, {report.positions} structure codes, time of one sample")
    for heading in ("", "seconds", "CPU seconds", "times faster", "by CPU time"):
        table.add_column(heading, justify="right" if heading else "left")

    def add(name: str, pace: Pace) -> None:
        faster = report.speedup(pace)
        row = (f"{pace.seconds:.2f}", f"{pace.cpu_seconds:.2f}")
        table.add_row(name, *row, f"{faster.seconds:.0f}", f"{faster.cpu_seconds:.0f}")

    add(f"the paper's procedure (from {report.positions_timed} positions)", report.naive)
    add("twofold, one sample", report.single)
    add(f"twofold, one of {report.samples} samples", report.batch)
    console = Console()
    console.print(table)
    console.print(
        f"{report.positions_right} of {report.positions * report.samples} codes are the paper's procedure's, "
        f"{report.positions_near} more are within rounding of it. One forward pass is {report.gigaflop:.0f} "
        f"GFLOP, at this machine's {report.rate:.0f} GFLOP/s {report.floor:.2f} s: one sample takes "
        f"{report.single.seconds / report.floor:.1f} times that, one of {report.samples} "
        f"{report.batch.seconds / report.floor:.1f} times "
        f"(float32, threads: {report.threads}, torch {report.torch})"
    )


def _write(figures: dict[str, Any], path: Path) -> None:
    import json

    from twofold.errors import InputError
    from twofold.pixels import replacing

    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}; choose another place") from error
