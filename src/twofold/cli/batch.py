"""``twofold batch``: fill every picture of a folder, on all cores or on a Ray cluster."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from twofold.cli.command import parse
from twofold.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twofold.batch.job import Progress
    from twofold.batch.plan import Job, Plan
    from twofold.batch.summary import Summary

FAILED, REFUSED = 1, 2
SHOWN = 10
"""So many failures are told on the screen; the summary has all."""
EVERY = 5.0
"""Seconds between lines of progress where there is no terminal."""


@dataclass(frozen=True)
class BatchOptions:
    """Fill the white part of its mask in every picture of a folder; sub-folders are mirrored.

    A mask belongs to photo.jpg if it is called photo.png (any ending), photo_mask.png, photo_mask001.png,
    ..., in the same sub-folder; several are several pictures. Killed at any moment and run again, the
    same command goes on and ends in the same files. OUT/summary.csv tells how each picture ended.
    The exit status is 0 if all are done, 1 if some failed, and 2 if nothing was begun.
    """

    images: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES")]
    """Folder of pictures at any depth, or an address such as s3://bucket/pictures."""
    masks: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MASKS")]
    """Folder of masks (the same one as IMAGES, too); one mask file for all; or a manifest: .csv or .jsonl
    with image, mask and, if you like, out. White is filled."""
    out: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder for the filled pictures, made if need be; or an address."""
    model: str = "medfe-small"
    """As of twofold fill."""
    seed: int = 0
    """The seed of each picture is drawn from this and from its name."""
    samples: int = 1
    """Answers to each picture: NAME-1.png, NAME-2.png, ..."""
    temperature: float | None = None
    """How models that sample do so; see twofold fill."""
    top_k: int | None = None
    """How models that sample do so; see twofold fill."""
    top_p: float | None = None
    """How models that sample do so; see twofold fill."""
    format: Literal["png", "webp", "tif", "jpg", "keep"] = "png"
    """Ending of the outputs; all but jpg are lossless. keep: the picture's own where it is lossless."""
    device: str = "auto"
    """auto (CUDA where there is one, else the CPU), cpu, cuda, cuda:1, mps."""
    workers: int | None = None
    """Processes, or Ray actors. None: one a GPU, or one a core as far as memory goes."""
    threads: int = 1
    """Run each worker on this many threads. With another number, networks round a few pixels differently."""
    timeout: float | None = None
    """Seconds that one picture may take before it counts as failed. None: as long as it takes."""
    shard: str | None = None
    """Do part i of n alone, as i/n: for n machines that share OUT."""
    skip_unpaired: bool = False
    """Leave out pictures without mask and masks without picture, instead of refusing to begin."""
    ray: bool = False
    """Have it done by a Ray cluster: that of RAY_ADDRESS, else one on this machine."""


def main(arguments: Sequence[str]) -> int:
    """Run ``twofold batch`` with these arguments.

    Returns:
        0 if every picture is filled, 1 if some failed, 2 if names have no partner.

    Raises:
        TwofoldError: if the job cannot be begun, or cannot go on.
    """
    options: BatchOptions = parse(BatchOptions, "twofold batch", arguments)
    from twofold.batch.job import run_job
    from twofold.batch.plan import plan_job

    job = job_of(options)
    plan = plan_job(job)
    if _tell_unpaired(plan, skipped=job.skip_unpaired) and not job.skip_unpaired:
        return REFUSED
    try:
        with _progress() as show:
            summary = run_job(job, plan, show)
    except KeyboardInterrupt:
        print("twofold: run the same command again to go on", file=sys.stderr)
        raise
    return _tell(summary, job)


def job_of(options: BatchOptions) -> Job:
    """The job that the options describe.

    Raises:
        InputError: if the shard is not of the form i/n.
    """
    from twofold.batch.plan import Job
    from twofold.batch.work import Settings
    from twofold.engine.model_name import Typed

    names = ("temperature", "top_k", "top_p")
    sampling = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return Job(
        options.images,
        options.masks,
        options.out,
        Settings(
            Typed(options.model), options.seed, options.samples, sampling, options.device, options.threads
        ),
        format=options.format,
        skip_unpaired=options.skip_unpaired,
        shard=_shard(options.shard),
        workers=options.workers,
        timeout=options.timeout,
        ray=options.ray,
    )


def _shard(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal()):
        raise InputError(f"shard is {text!r}; give it as i/n, from 1/8 to 8/8 for example")
    return int(index), int(count)


def _tell_unpaired(plan: Plan, *, skipped: bool) -> int:
    """List the names without a partner; gives their number."""
    lines = [
        *(f"picture without mask: {name}" for name in plan.images_without_mask),
        *(f"mask without picture: {name}" for name in plan.masks_without_image),
    ]
    if lines and not skipped:
        print("\n".join(lines))
        images, masks = len(plan.images_without_mask), len(plan.masks_without_image)
        print(
            f"twofold: {images} pictures have no mask and {masks} masks no picture, as listed; mend their "
            "names, or leave them out by --skip-unpaired",
            file=sys.stderr,
        )
    return len(lines)


def _tell(summary: Summary, job: Job) -> int:
    """Say how it went; gives the exit status."""
    from twofold.batch.job import summary_names

    failures = list(summary.failures())
    for task, reason in failures[:SHOWN]:
        print(f"twofold: {task.image} failed: {reason}", file=sys.stderr)
    if len(failures) > SHOWN:
        print(f"twofold: and {len(failures) - SHOWN} more", file=sys.stderr)
    left_out = len(summary.images_without_mask) + len(summary.masks_without_image)
    print(
        f"{len(summary.tasks) - len(failures)} pictures done, {len(failures)} failed"
        + (f", {left_out} names left out" if left_out else ""),
        file=sys.stderr,
    )
    print(f"{job.out.rstrip('/')}/{summary_names(job.shard)[0]}")
    return FAILED if failures else 0


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, lines elsewhere: how many are done, how fast, how long it takes still."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (MofNCompleteColumn(), BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    speed = _Speed()
    with Bars(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bars:
        bar = bars.add_task("starting", total=None)

        def show(progress: Progress) -> None:
            failed = f", {progress.failed} failed" if progress.failed else ""
            bars.update(
                bar,
                completed=progress.finished,
                total=progress.total,
                description=f"{speed(progress):.2f} pictures/s{failed}",
            )

        yield show


class _Speed:
    """Pictures per second since the first one of this run: loading the model does not count."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def __call__(self, progress: Progress) -> float:
        """The speed so far; 0 as long as nothing is known."""
        count, now = progress.done + progress.failed, time.monotonic()
        if self._first is None:
            self._first = (count, now) if count else None
            return 0.0
        return (count - self._first[0]) / max(1e-3, now - self._first[1])


class _Lines:
    """Progress in plain lines, now and then, and at the end."""

    def __init__(self) -> None:
        self._speed = _Speed()
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        """Say how far it is, if it is time to."""
        speed, now = self._speed(progress), time.monotonic()
        left = progress.total - progress.finished
        if now < self._next and left:
            return
        self._next = now + EVERY
        line = f"{progress.finished} of {progress.total} pictures"
        if progress.failed:
            line += f", {progress.failed} failed"
        if speed and left:
            line += f", {speed:.2f} a second, {_duration(left / speed)} left"
        print(line, file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    """``2:03:04``, or ``3:04`` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
