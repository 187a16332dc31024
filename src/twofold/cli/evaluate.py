"""``twofold evaluate``: compare models on photographs with seeded holes, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class EvaluateOptions:
    """Fill one seeded free-form hole in each photograph and compare: PSNR and LPIPS by hole ratio.

    Photographs are cut to their middle 256x256; holes of 10-20, 20-30, 30-40 and 40-50 % take turns.
    LPIPS needs AlexNet's weights: from the folder named by TWOFOLD_FEATURES, the cache, or a download.
    """

    images: Path
    """Folder of photographs, at any depth."""
    models: tuple[str, ...] = ("medfe-small", "opencv-telea", "opencv-ns", "skimage-biharmonic", "patchmatch")
    """Bundled models, folders or files of weights, classical methods."""
    out: Path | None = None
    """Folder for report.md and report.json; none only prints the table."""
    limit: int | None = None
    """Only the first so many photographs."""
    cache: Path | None = None
    """Folder that keeps the answers of the classical methods for the next time."""
    device: str = "auto"
    """auto (CUDA where there is one, else the CPU), cpu, cuda, cuda:1, mps."""


def main(arguments: Sequence[str]) -> int:
    """Run ``twofold evaluate`` with these arguments; the exit status is 0 or an error is raised."""
    options = tyro.cli(EvaluateOptions, prog="twofold evaluate", args=list(arguments))
    from rich.console import Console
    from rich.progress import Progress

    from twofold.evaluate.compare import evaluate
    from twofold.evaluate.protocol import Protocol

    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks = {}

        def show(model: str, done: int, total: int) -> None:
            if model not in tasks:
                tasks[model] = bar.add_task(model, total=total)
            bar.update(tasks[model], completed=done)

        report = evaluate(
            options.images,
            options.models,
            options.out,
            protocol=Protocol(limit=options.limit),
            cache=options.cache,
            device=options.device,
            progress=show,
        )
    print(report.markdown())
    return 0
