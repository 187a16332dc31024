"""``benchmarks/speed.py``: measure time and memory of all networks on this machine, in one table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from twofold.errors import InputError, TwofoldError
from twofold.pixels import replacing

if TYPE_CHECKING:
    from dsi_speed import DsiBench, Timing
    from medfe_speed import MedfeBench


@dataclass(frozen=True)
class BenchOptions:
    """Measure all networks beside the reference procedures of the papers: one table, one run.

    ``speed.py medfe`` and ``speed.py dsi`` measure the full-size networks alone, tensors in, tensors out;
    ``speed.py training`` measures steps of training.
    """

    models: tuple[str, ...] = ("medfe-small", "dsi-small", "medfe-full", "dsi-full")
    """Which of them."""
    rounds: int = 3
    """Timed rounds of each, in turn, after one to warm up."""
    threads: int = 1
    """Threads of PyTorch."""
    seed: int = 1
    """Of random weights and pictures."""
    quick: bool = False
    """One round, one and four samples, no batches, no memory."""
    memory: bool = True
    """Measure peaks of memory, in processes of their own."""
    out: Path | None = None
    """Folder whose history/ receives a JSON file of the run, such as benchmarks."""
    check: Path | None = None
    """An earlier JSON file: exit with status 1 if a ratio fell by more than the tolerance."""
    tolerance: float = 0.15
    """Share by which a ratio may fall."""


@dataclass(frozen=True)
class MedfeOptions:
    """Fill 256x256 pixels by the full-size official MEDFE: the reference computation beside ours."""

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


@dataclass(frozen=True)
class TrainingOptions:
    """Train MEDFE for some steps: a reference float32 loop beside ours, on one batch."""

    rounds: int = 3
    """Timed steps of each, in turn, after one to warm up."""
    preset: str = "small"
    """Of twofold train medfe; all but tiny need the weights of VGG-16."""
    data: Path | None = None
    """Folder of photographs, to measure the loader as well."""
    batch_size: int = 4
    """Photographs of a step."""
    threads: int = 1
    """Threads of PyTorch, for both."""
    seed: int = 1
    """Of weights and pictures."""
    json: Path | None = None
    """File to write the figures to."""


PARTS: dict[str, Callable[..., Any]] = {
    "medfe": MedfeOptions,
    "dsi": DsiOptions,
    "training": TrainingOptions,
}


def main(argv: Sequence[str]) -> int:
    """Measure; the exit status is 0, 1 if a check fails, 2 if something given cannot be used."""
    try:
        return _run(argv)
    except TwofoldError as error:
        print(f"speed.py: {error}", file=sys.stderr)
        return 2


def _run(argv: Sequence[str]) -> int:
    if not argv or argv[0] not in PARTS:
        return _all(tyro.cli(BenchOptions, prog="speed.py", args=list(argv)))
    options: MedfeOptions | DsiOptions | TrainingOptions = tyro.extras.subcommand_cli_from_dict(
        PARTS,
        prog="speed.py",
        description="Measure time and memory of a network on this machine.",
        args=list(argv),
    )
    if options.json is not None and not options.json.parent.is_dir():
        raise InputError(
            f"folder {options.json.parent} does not exist; make it first, or choose another place"
        )
    if isinstance(options, TrainingOptions):
        figures = _training(options)
    else:
        figures = _medfe(options) if isinstance(options, MedfeOptions) else _dsi(options)
    if options.json is not None:
        _write(figures, options.json)
    return 0


def _all(options: BenchOptions) -> int:
    """Measure, print, write and check."""
    from history import document, read_history, slower, write_history
    from measuring import LOADS, QUICK_LOADS, measure
    from medfe_speed import thread_count
    from rates import describe_machine, matrix_rates

    before = None if options.check is None else read_history(options.check)
    with thread_count(options.threads):
        rates = matrix_rates()
    rows = list(
        measure(
            options.models,
            loads=QUICK_LOADS if options.quick else LOADS,
            rounds=1 if options.quick else options.rounds,
            threads=options.threads,
            seed=options.seed,
            memory=options.memory and not options.quick,
        )
    )
    figures = document(rows, describe_machine(options.threads), rates)
    _print_all(figures)
    if options.out is not None:
        print(write_history(figures, options.out))
    fallen = [] if before is None else slower(figures, before, options.tolerance)
    for line in fallen:
        print(f"slower: {line}")
    return int(bool(fallen))


def _print_all(figures: dict[str, Any]) -> None:
    """One table of all rows, and the machine."""
    from rich.console import Console
    from rich.table import Table

    machine, rates = figures["machine"], figures["gigaflop_per_second"]
    table = Table(title="pixels in, pixels out, 256x256")
    headings = ("", "k", "batch", "seconds", "pictures/s", "peak MB", "GFLOP", "% fp32", "% bf16", "faster")
    for heading in (*headings, "PSNR dB", "stages, ms"):
        table.add_column(heading, justify="left" if heading in ("", "stages, ms") else "right")
    for row in figures["rows"]:
        share, peak, alike = row["share_of_rate"], row["peak_megabytes"], row["closeness"]
        stages = sorted(row["stages"].items(), key=lambda stage: -stage[1])[:4]
        table.add_row(
            f"{row['model']} {row['form']}",
            str(row["samples"]),
            str(row["batch"]),
            f"{row['least_seconds']:.3f}",
            f"{row['pictures_per_second']:.2f}",
            "" if peak is None else f"{peak:.0f}",
            f"{row['gigaflop']:.1f}" if row["gigaflop"] else "",
            f"{100 * share['fp32']:.0f}" if row["gigaflop"] else "",
            f"{100 * share['bf16']:.0f}" if row["gigaflop"] else "",
            f"{row['times_faster']:.1f}",
            "" if alike is None else f"{alike:.0f}",
            ", ".join(f"{name} {1000 * seconds:.0f}" for name, seconds in stages),
        )
    console = Console()
    console.print(table)
    console.print(
        f"{machine['processor']} ({', '.join(machine['flags'])}), threads: {machine['threads']}, "
        f"{rates['fp32']:.0f} GFLOP/s in fp32, {rates['bf16']:.0f} in bf16; torch {machine['torch']}. "
        "Shares count the plain network's operations; fewer are done, so they may pass 100."
    )


def _medfe(options: MedfeOptions) -> dict[str, Any]:
    from medfe_speed import bench_medfe

    report = bench_medfe(options.rounds, threads=options.threads, seed=options.seed)
    _print_medfe(report)
    return report.as_json()


def _dsi(options: DsiOptions) -> dict[str, Any]:
    from dsi_speed import bench_dsi

    report = bench_dsi(
        options.rounds,
        positions=options.positions,
        samples=options.samples,
        threads=options.threads,
        seed=options.seed,
    )
    _print_dsi(report)
    return report.as_json()


def _training(options: TrainingOptions) -> dict[str, Any]:
    from training_speed import training_timing

    timing = training_timing(
        options.rounds,
        preset=options.preset,
        data=options.data,
        batch_size=options.batch_size,
        threads=options.threads,
        seed=options.seed,
    )
    figures = timing.as_json()
    print(
        f"one step of {timing.batch_size} photographs: reference float32 {timing.reference:.2f} s, ours in "
        f"bfloat16 {timing.ours:.2f} s, {timing.speedup:.1f} times faster, "
        f"{figures['pictures_per_second']:.2f} photographs/s"
    )
    if timing.loading is not None:
        print(f"loading takes {timing.loading:.3f} s of a step, {100 * figures['loading_share']:.1f} %")
    return figures


def _print_medfe(report: MedfeBench) -> None:
    """One table of both forms, and what follows from it."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="official MEDFE, one picture of 256x256")
    for heading in ("", "fastest s", "median s", "peak memory MB"):
        table.add_column(heading, justify="right" if heading else "left")
    forms = (("reference", report.reference), ("twofold", report.ours), ("twofold, bfloat16", report.bf16))
    for name, measured in forms:
        row = (f"{measured.fastest:.3f}", f"{measured.median:.3f}", f"{measured.peak_megabytes:.0f}")
        table.add_row(name, *row)
    console = Console()
    console.print(table)
    console.print(
        f"{report.speedup:.1f} times faster, {report.saved_megabytes / 1000:.2f} GB less memory, "
        f"largest difference {report.max_difference:.1e}; bfloat16 {report.bf16_speedup:.1f} times, "
        f"{report.bf16_psnr:.1f} dB (threads: {report.threads}, torch {report.torch})"
    )


def _print_dsi(report: DsiBench) -> None:
    """One table of both procedures, and whether they draw the same."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"DSI, {report.positions} structure codes, time of one sample")
    for heading in ("", "seconds", "CPU seconds", "times faster", "by CPU time"):
        table.add_column(heading, justify="right" if heading else "left")

    def add(name: str, timing: Timing) -> None:
        faster = report.speedup(timing)
        row = (f"{timing.seconds:.2f}", f"{timing.cpu_seconds:.2f}")
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

    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}; choose another place") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
