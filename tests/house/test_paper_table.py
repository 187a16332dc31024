"""Every row of the papers' tables leads to code that says it is that part of the paper."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAPERS = sorted((ROOT / "docs" / "papers").glob("*.md"))
OBJECT = re.compile(r"`([\w/]+\.py):([\w.]+)`")
SECTION = re.compile(r"(Sec\.|Eq\.|Fig\.) \S+")


def tables(paper: Path) -> list[dict[str, str]]:
    """Rows of all tables of a page, by the headings of their columns."""
    rows, headings = [], []
    for line in paper.read_text().splitlines():
        if not line.startswith("|"):
            headings = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not headings:
            headings = cells
        elif not set(line) <= set("|-: "):
            assert len(cells) == len(headings), line
            rows.append(dict(zip(headings, cells, strict=True)))
    return rows


ROWS = [(paper.stem, row) for paper in PAPERS for row in tables(paper)]
NAMED = [
    pytest.param(stem, row, id=f"{stem}-{row['Object'].strip('`')}") for stem, row in ROWS if "Object" in row
]


def resolve(file: str, name: str) -> Any:
    """Import ``folder/file.py`` of the package, or a file of the benchmarks, and walk to the object."""
    if file.startswith("benchmarks/"):
        found: Any = importlib.import_module(Path(file).stem)
    else:
        assert (ROOT / "src" / "twofold" / file).is_file(), f"{file} does not exist"
        found = importlib.import_module("twofold." + file.removesuffix(".py").replace("/", "."))
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize(("paper", "row"), NAMED)
def test_a_row_leads_to_an_object_that_carries_its_tag(paper, row):
    match = OBJECT.fullmatch(row["Object"])
    assert match, f"{row['Object']} is not `file.py:object`"
    docstring = resolve(*match.groups()).__doc__ or ""
    if "Section" in row:
        assert SECTION.fullmatch(row["Section"]), row["Section"]
        assert f"[{paper.upper()} {row['Section']}]" in docstring.split("\n\n")[0]
    elif row.get("Official mode", "").startswith("reproduced"):
        assert re.search(r"quirk|official", docstring, re.IGNORECASE), (
            "its docstring does not say it is a quirk"
        )
    else:
        assert docstring


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.stem)
def test_objects_named_in_passing_exist_too(paper):
    named = OBJECT.findall(paper.read_text())
    assert len(named) > 10
    for file, name in named:
        resolve(file, name)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.stem)
def test_every_tag_in_the_code_has_a_row(paper):
    """No part of the paper is implemented without a word on how it deviates."""
    listed = {row["Object"].strip("`") for stem, row in ROWS if stem == paper.stem and "Section" in row}
    tag = re.compile(rf"\[{paper.stem.upper()} {SECTION.pattern}\]")
    source = ROOT / "src" / "twofold"
    for file in sorted((source / paper.stem).glob("*.py")):
        module = importlib.import_module(f"twofold.{paper.stem}.{file.stem}")
        for name, found in vars(module).items():
            if getattr(found, "__module__", None) == module.__name__ and tag.search(found.__doc__ or ""):
                row = f"{paper.stem}/{file.name}:{name}"
                assert row in listed, f"{row} has a tag and no row in {paper.name}"


def test_every_quirk_of_official_medfe_has_a_row():
    numbers = {int(row["#"]) for stem, row in ROWS if stem == "medfe" and "#" in row}
    assert numbers >= set(range(1, 13))
