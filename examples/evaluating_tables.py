"""Write the tables of docs/evaluating.md from the code and the published results.

python examples/evaluating_tables.py
"""

import csv
import re
from pathlib import Path

from twofold.evaluate.metrics import METRICS
from twofold.evaluate.papers import PROTOCOLS
from twofold.evaluate.results import bucket_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "evaluating.md"
SIMILAR = ("ssim-uniform51", "ssim-uniform7", "ssim-gaussian11", "ssim-gaussian11-zero")
ERRORS = ("l1", "l1-relative", "l1-hole")


def main() -> None:
    """Replace what lies between the markers."""
    text = PAGE.read_text()
    for name, table in tables().items():
        block = f"<!-- {name} -->\n{table}\n<!-- end of {name} -->"
        text = re.sub(f"<!-- {name} -->.*?<!-- end of {name} -->", lambda _: block, text, flags=re.S)  # noqa: B023
    PAGE.write_text(text)


def tables() -> dict[str, str]:
    """Marker -> table."""
    return {"protocols": protocols(), "metrics": metrics(), "spread": spread()}


def protocols() -> str:
    """What each paper did, and what is not known."""
    lines = [
        grid_row(
            ["`--protocol`", "crop", "holes", "metrics", "what the paper did", "not known, or other here"]
        ),
        grid_row(["---"] * 6),
    ]
    for name, one in PROTOCOLS.items():
        ratios = ", ".join(bucket_name(*ratio) for ratio in one.ratios) if one.ratios else "as drawn"
        holes = f"{', '.join(one.masks)}; {ratios}"
        did = one.did or "that of the bundled weights; 300 photographs give 75 of each ratio."
        cells = [
            f"`{name}`",
            f"{one.crop}, {one.size}",
            holes,
            ", ".join(one.metrics),
            did,
            one.unknown or "-",
        ]
        lines.append(grid_row(cells))
    return "\n".join(lines)


def metrics() -> str:
    """Every metric with its convention."""
    lines = [grid_row(["name", "better", "what it is"]), grid_row(["---"] * 3)]
    for name, one in METRICS.items():
        unit = f"; in {one.unit}" if one.unit else ""
        lines.append(grid_row([f"`{name}`", one.better, f"{one.label}: {one.meaning}{unit}"]))
    return "\n".join(lines)


def spread() -> str:
    """The same answers by several conventions."""
    with (ROOT / "docs" / "results" / "figures.csv").open(newline="") as file:
        found = [one for one in csv.DictReader(file) if one["group"] == "all"]
    figures = {(one["model"], one["metric"]): float(one["value"]) for one in found}
    names = (*SIMILAR, *ERRORS)
    lines = [grid_row(["", *(f"`{name}`" for name in names)]), grid_row(["---"] * (len(names) + 1))]
    for model in dict.fromkeys(one["model"] for one in found):
        cells = [f"{METRICS[name].show(figures[model, name])}{METRICS[name].unit and ' %'}" for name in names]
        lines.append(grid_row([model, *cells]))
    return "\n".join(lines)


def grid_row(cells: list[str]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
