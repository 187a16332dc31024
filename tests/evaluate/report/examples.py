"""A small report with everything in it, made by hand."""

from __future__ import annotations

import numpy as np

from twofold.evaluate.report import ItemPictures
from twofold.evaluate.results import Figure, Report, Row, Timing

METRICS = ("psnr", "l1", "lpips", "fid")
RATIOS = (0.15, 0.15, 0.25, 0.35)


def scores(psnr: float, several: bool) -> dict[str, float]:
    plain = {"psnr": psnr, "l1": 10 - psnr / 4, "lpips": (40 - psnr) / 100}
    best = {"best psnr": psnr + 1, "best lpips": (39 - psnr) / 100, "diversity": 0.125}
    return plain | (best if several else {})


def example(
    models: tuple[str, ...] = ("one", "two"),
    *,
    photos: tuple[str, ...] = ("a.png", "b.png", "c.png", "d.png"),
    kinds: tuple[str, ...] = ("free-form", "centre"),
    samples: int = 1,
    tag: str = "own/seed-0/v1",
    warnings: tuple[str, ...] = ("FID of 4 pictures says little.",),
) -> Report:
    """Model i has a PSNR of 20 + 2 i + j on photograph j; holes of 15, 15, 25, 35 %; kinds take turns."""
    rows = [
        Row(
            model,
            photo,
            f"key-{j}",
            kinds[j % len(kinds)],
            RATIOS[j % 4],
            scores(20.0 + 2 * i + j, samples > 1),
        )
        for i, model in enumerate(models)
        for j, photo in enumerate(photos)
    ]
    best = ("best psnr", "best lpips", "diversity") if samples > 1 else ()
    return Report(
        tag=tag,
        description=("Crops: square.", "Holes: two kinds, in turn."),
        metrics=(*METRICS[:3], *best, "fid"),
        rows=tuple(rows),
        sets=tuple(Figure(model, "fid", "all", len(photos), 50.0 - i) for i, model in enumerate(models)),
        versions={"twofold": "0.1.0", models[0]: "sha256:0123"},
        samples=samples,
        warnings=warnings,
        timings={model: [Timing(0.5 + j, 2**20 * j) for j in range(4)] for model in models},
    )


def pictures(report: Report, *, size: int = 8) -> dict[str, ItemPictures]:
    """Noise of each item, and for each model as many answers as the report has samples."""
    rng = np.random.default_rng(0)
    found = {}
    for key in dict.fromkeys(row.key for row in report.rows):
        noise = [rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(1 + report.samples)]
        hole = np.zeros((size, size), np.bool_)
        hole[2:5] = True
        found[key] = ItemPictures(noise[0], hole, dict.fromkeys(report.models, noise[1:]))
    return found
