"""Measure the bundled weights again: docs/results and the table in the README, in one command.

python examples/published_results.py PHOTOGRAPHS [CACHE]

PHOTOGRAPHS is the folder of validation photographs, CACHE keeps what is computed, so that a run which was
broken off goes on. Needs the extras compare and evaluate, and the weights of AlexNet.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path

from rich.progress import Progress

from twofold.evaluate.compare import Output, evaluate
from twofold.evaluate.protocol import Protocol

ROOT = Path(__file__).parents[1]
MODELS = ("medfe-small", "dsi-small", "opencv-telea", "opencv-ns", "skimage-biharmonic", "patchmatch")
PROTOCOL = Protocol(
    metrics=(
        *("psnr", "psnr-grey", "ssim-uniform7", "ssim-uniform51", "ssim-gaussian11", "ssim-gaussian11-zero"),
        *("l1", "l1-hole", "l1-relative", "lpips", "rim", "seam"),
    )
)
PUBLISHED = ("report.md", "rows.csv", "figures.csv")


def main(photographs: str, cache: str | None = None) -> None:
    """Evaluate, publish the files, and put the first table into the README."""
    with tempfile.TemporaryDirectory() as temporary, Progress() as bars:
        tasks = {name: bars.add_task(name) for name in MODELS}
        out = Output(Path(temporary) / "report", None if cache is None else Path(cache), page=False)
        evaluate(
            Path(photographs),
            MODELS,
            out,
            protocol=PROTOCOL,
            progress=lambda name, done, total: bars.update(tasks[name], completed=done, total=total),
        )
        folder = ROOT / "docs" / "results"
        folder.mkdir(exist_ok=True)
        for name in PUBLISHED:
            shutil.copy(Path(temporary) / "report" / name, folder / name)
    readme = ROOT / "README.md"
    table = first_table((folder / "report.md").read_text())
    block = f"<!-- results -->\n{table}\n<!-- end of results -->"
    text = re.sub(
        r"<!-- results -->.*?<!-- end of results -->", lambda _: block, readme.read_text(), flags=re.S
    )
    readme.write_text(text)


def first_table(markdown: str) -> str:
    """The lines of the first table of a Markdown text."""
    lines = markdown.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    end = next(
        number
        for number in range(start, len(lines) + 1)
        if not lines[number : number + 1] or lines[number][:1] != "|"
    )
    return "\n".join(lines[start:end])


if __name__ == "__main__":
    main(*sys.argv[1:])
