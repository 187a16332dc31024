"""``twofold evaluate``: compare models on photographs with seeded holes, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from twofold.errors import InputError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

DEFAULT_MODELS = ("medfe-small", "opencv-telea", "opencv-ns", "skimage-biharmonic", "patchmatch")


@dataclass(frozen=True)
class EvaluateOptions:
    """Fill one seeded free-form hole in each photograph and compare: PSNR and LPIPS by hole ratio.

    Photographs are cut to their middle 256x256; holes of 10-20, 20-30, 30-40 and 40-50 % take turns.
    LPIPS needs AlexNet's weights: from the folder named by TWOFOLD_FEATURES, the cache, or a download.
    """

    images: Path
    """Folder of photographs, at any depth."""
    models: tuple[str, ...] = DEFAULT_MODELS
    """Bundled models, folders or files of weights, classical methods."""
    samples: int = 1
    """Answers to each hole of models that sample; above 1 the report has the best of them and their
    diversity, too."""
    masks: Literal["free-form", "centre"] = "free-form"
    """Holes: free-form strokes by ratio, or a centre box of half the side in each photograph."""
    parts: str | None = None
    """Judge the parts of this DSI model, each by itself, instead of comparing models."""
    out: Path | None = None
    """Folder for report.md and report.json (of parts: parts.md, parts.json); none only prints the table."""
    limit: int | None = None
    """Only the first so many photographs."""
    cache: Path | None = None
    """Folder that keeps the answers of the classical methods for the next time."""
    device: str = "auto"
    """auto (CUDA where there is one, else the CPU), cpu, cuda, cuda:1, mps."""


def main(arguments: Sequence[str]) -> int:
    """Run ``twofold evaluate`` with these arguments; the exit status is 0 or an error is raised."""
    options = tyro.cli(EvaluateOptions, prog="twofold evaluate", args=list(arguments))
    if options.parts is not None:
        _refuse_with_parts(options)
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        table = _table(options, _Bars(bar))
    print(table)
    return 0


def _table(options: EvaluateOptions, progress: _Bars) -> str:
    """Do what is asked for and give the report as Markdown."""
    from twofold.evaluate.protocol import Protocol

    protocol = Protocol(limit=options.limit, samples=options.samples, masks=options.masks)
    if options.parts is not None:
        from twofold.evaluate.parts import judge_parts

        return judge_parts(
            options.images,
            options.parts,
            options.out,
            protocol=protocol,
            device=options.device,
            progress=progress,
        ).markdown()
    from twofold.evaluate.compare import evaluate

    return evaluate(
        options.images,
        options.models,
        options.out,
        protocol=protocol,
        cache=options.cache,
        device=options.device,
        progress=progress,
    ).markdown()


def _refuse_with_parts(options: EvaluateOptions) -> None:
    """Refuse what a judgement of parts would silently leave out."""
    unused = {
        "models": options.models != DEFAULT_MODELS,
        "samples": options.samples != 1,
        "cache": options.cache is not None,
    }
    for name, given in unused.items():
        if given:
            raise InputError(f"--{name} is for comparing models; leave it out, or leave out --parts")


class _Bars:
    """A bar for each model or part."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total)
        self._bar.update(self._tasks[name], completed=done)
