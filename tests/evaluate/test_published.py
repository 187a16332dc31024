"""The published results are what the README says, and a slice of them still holds."""

from __future__ import annotations

import csv
import re
import runpy
from pathlib import Path

import pytest

from twofold.cli.evaluate import DEFAULT_MODELS
from twofold.engine.load import load
from twofold.errors import CheckpointError
from twofold.evaluate.holes import choose_holes
from twofold.evaluate.items import Item
from twofold.evaluate.metrics import METRICS, metric, of_kind
from twofold.evaluate.protocol import Protocol
from twofold.evaluate.scores import Scorer
from twofold.features.weights import TRUNKS, locate
from twofold.pixels import composite

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
SLICE = Path(__file__).with_name("slice")
CLOSE = {"psnr": 0.02, "psnr-grey": 0.02, "lpips": 0.002}
"""How far another machine's rounding may move a score; others: 0.5 % of theirs, or 0.002."""
SLACK = {"medfe-small": 4.0}
"""How many times as far where rounding may decide which piece of the photograph is copied."""


def read(name: str) -> list[dict[str, str]]:
    with (RESULTS / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return read("rows.csv")


def test_every_published_figure_carries_its_protocol_and_is_the_mean_of_its_rows(rows):
    tags = {row["protocol"] for row in rows}
    assert tags == {Protocol().tag}
    assert len({row["cases_hash"] for row in rows}) == 1
    for figure in read("figures.csv"):
        assert figure["protocol"] in tags
        if METRICS[figure["metric"]].kind == "set":
            continue
        found = [
            float(row[figure["metric"]])
            for row in rows
            if row["model"] == figure["model"] and figure["group"] in ("all", row["bucket"])
        ]
        assert len(found) == int(figure["photos"])
        assert float(figure["value"]) == pytest.approx(sum(found) / len(found), rel=1e-9)
        assert float(figure["low"]) < float(figure["value"]) < float(figure["high"])


def test_table_of_the_readme_shows_the_published_figures():
    figures = {
        (one["model"], one["metric"], one["group"]): float(one["value"]) for one in read("figures.csv")
    }
    block = re.search(
        r"<!-- results -->\n(.*?)\n<!-- end of results -->", (ROOT / "README.md").read_text(), re.S
    )[1]
    assert block in (RESULTS / "report.md").read_text()
    head, _, counts, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()
    ]
    assert counts[1:] == ["75", "75", "75", "75", "300"]
    assert {line[0] for line in lines} >= {*DEFAULT_MODELS, "dsi-small"}
    for model, *cells in lines:
        for group, cell in zip(head[1:], cells, strict=True):
            shown = [metric(name).show(figures[model, name, group]) for name in ("psnr", "lpips")]
            assert cell.replace("*", "") == " / ".join(shown)


def test_tables_of_the_page_on_evaluating_are_those_of_the_code_and_the_results():
    scope = runpy.run_path(str(ROOT / "examples" / "evaluating_tables.py"))
    page = (ROOT / "docs" / "evaluating.md").read_text()
    for name, table in scope["tables"]().items():
        assert f"<!-- {name} -->\n{table}\n<!-- end of {name} -->" in page, (
            "run examples/evaluating_tables.py"
        )


def slice_cases(rows: list[dict[str, str]]) -> list[Item]:
    """The photographs beside this file, each with the hole of its place among all published ones."""
    order = list(dict.fromkeys(row["photo"] for row in rows))
    protocol = Protocol()
    holes = choose_holes(protocol.masks, None, protocol.ratios, protocol.seed)
    found = []
    for item in protocol.items(SLICE):
        hole, kind = holes.draw(order.index(item.photo), item.photo, protocol.size)
        found.append(Item(item.photo, item.image, hole, kind))
    return found


@pytest.mark.parametrize("model", ["medfe-small", "opencv-telea", "opencv-ns"])
def test_slice_of_the_published_results_still_holds(rows, model):
    published = {row["photo"]: row for row in rows if row["model"] == model}
    inpainter, scorer, items = load(model, device="cpu"), Scorer(), slice_cases(rows)
    assert {published[item.photo]["bucket"] for item in items} == {"10-20 %", "20-30 %", "30-40 %", "40-50 %"}
    names = [name for name in of_kind(METRICS, "picture") if name in rows[0]]
    try:
        locate(TRUNKS["alexnet"], download=False)
    except CheckpointError:  # the network is not part of the repository
        names.remove("lpips")
    assert len(names) >= 11
    for item in items:
        row = published[item.photo]
        assert item.ratio == float(row["ratio"])
        answer = composite(item.image, inpainter.fill(item.damaged, item.hole).image, item.hole)
        for name, value in scorer([answer], item, names).items():
            theirs = float(row[name])
            close = CLOSE.get(name, max(0.002, 0.005 * abs(theirs))) * SLACK.get(model, 1.0)
            assert value == pytest.approx(theirs, abs=close), name
