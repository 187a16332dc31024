"""Tiny pictures and masks for batch jobs, and tools that stand for models."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from twofold.batch.job import run_job
from twofold.batch.plan import Job, plan_job
from twofold.batch.storage import STATE
from twofold.batch.summary import Summary
from twofold.batch.work import Settings
from twofold.engine.model_name import Typed

SIZE = 16
DEADLY = (1, 2, 3)
"""The colour of pictures that ``deadly_tool`` kills its worker for."""


def picture(path: Path, color: tuple[int, int, int] | int = 0, size: int = SIZE) -> Path:
    """A picture of noise, drawn by a seed, or of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(color, int):
        pixels = np.random.default_rng(color).integers(0, 256, (size, size, 3), dtype=np.uint8)
    else:
        pixels = np.full((size, size, 3), color, np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def mask(path: Path, place: int = 0, size: int = SIZE) -> Path:
    """A mask with a hole of 6x6 in one of several places."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hole = np.zeros((size, size), np.uint8)
    top = place % 8 + 1
    hole[top : top + 6, 4:10] = 255
    Image.fromarray(hole).save(path)
    return path


def folders(root: Path, names: Iterable[str], size: int = SIZE) -> None:
    """A folder ``images`` of pictures with these names, and one of ``masks``."""
    for number, name in enumerate(names):
        picture(root / "images" / name, number, size)
        mask((root / "masks" / name).with_suffix(".png"), number, size)


def run(
    root: Path, out: Path | str, *, images: str = "images", masks: str = "masks", **options: object
) -> Summary:
    """Run a job on the folders below ``root``, on one worker with a quick method unless said otherwise."""
    settings = {name: options.pop(name) for name in ("model", "seed", "samples") if name in options}
    settings.setdefault("model", "opencv-telea")
    options.setdefault("workers", 1)
    job = Job(str(root / images), str(root / masks), str(out), Settings(**settings), **options)  # type: ignore[arg-type]
    return run_job(job, plan_job(job))


def contents(out: Path) -> dict[str, bytes]:
    """All files of an OUT by name, without what the job remembers."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and STATE not in path.relative_to(out).parts
    }


def tool(path: Path, body: str) -> str:
    """A command model: a Python program that has ``image``, ``mask`` and ``out``, and writes ``filled``."""
    path.write_text(
        "import os, sys, time\nimport numpy as np\nfrom PIL import Image\n"
        "image, mask = (np.array(Image.open(name)) for name in sys.argv[1:3])\nout = sys.argv[3]\n"
        f"filled = np.full_like(image, 77)\n{body}\nImage.fromarray(filled).save(out)\n"
    )
    return Typed(f"cmd: {sys.executable} {path} {{image}} {{mask}} {{out}}")


KILL_WORKER = """
between = os.getppid()
worker = int(open(f"/proc/{between}/stat").read().rpartition(")")[2].split()[1])
if tuple(image[0, 0]) == (1, 2, 3):
    os.kill(worker, 9)
    time.sleep(30)
"""
"""Ends the worker that asked, as the system does when memory is short, for pictures of ``DEADLY``."""
