"""Every row of the papers' tables leads to code that says it is that part of the paper, and back."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "twofold"
OBJECT = re.compile(r"`([\w/]+\.py):([\w.]+)`")
SECTION = re.compile(r"\b(Sec|Eq|Fig)\. ?\d|\b[Ss]ection \d")
FORMULA = re.compile(r"^ *``[^`]+ = [^`]+``", re.MULTILINE)
TAG = re.compile(r"\[([A-Z]+): ([^\]]+)\]\.?$")


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


PAPERS = sorted((ROOT / "docs" / "papers").glob("*.md"))
ROWS = [(paper.stem, row) for paper in PAPERS for row in tables(paper)]
NAMED = [
    pytest.param(stem, row, id=f"{stem}-{row['Object'].strip('`')}") for stem, row in ROWS if "Object" in row
]


def resolve(file: str, name: str) -> Any:
    """Import ``folder/file.py`` of the package, or a file of the benchmarks, and walk to the object."""
    if file.startswith("benchmarks/"):
        found: Any = importlib.import_module(Path(file).stem)
    else:
        assert (SOURCE / file).is_file(), f"{file} does not exist"
        found = importlib.import_module("twofold." + file.removesuffix(".py").replace("/", "."))
    for part in name.split("."):
        found = getattr(found, part)
    return found


def docstrings(node: ast.AST, name: str = "") -> Iterator[tuple[str, str]]:
    """All objects of a module and in its classes that have a docstring, and the module itself as ''."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield name, ast.get_docstring(node) or ""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from docstrings(child, f"{name}.{child.name}".lstrip("."))


DOCSTRINGS = {
    f"{file.relative_to(SOURCE)}:{name}": docstring
    for file in sorted(SOURCE.rglob("*.py"))
    for name, docstring in docstrings(ast.parse(file.read_text()))
}
TAGGED = {
    place: match.groups()
    for place, docstring in DOCSTRINGS.items()
    if (match := TAG.search(docstring.partition("\n")[0]))
}


@pytest.mark.parametrize(("paper", "row"), NAMED)
def test_a_row_leads_to_an_object_that_says_what_it_is(paper, row):
    match = OBJECT.fullmatch(row["Object"])
    assert match, f"{row['Object']} is not `file.py:object`"
    docstring = resolve(*match.groups()).__doc__ or ""
    if "Mechanism" in row:
        first = docstring.partition("\n")[0]
        assert first.rstrip(".").endswith(f"[{paper.upper()}: {row['Mechanism']}]"), first
        assert FORMULA.search(docstring), "no line of its docstring is its formula, ``... = ...``"
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
    listed = {
        row["Object"].strip("`"): row["Mechanism"]
        for stem, row in ROWS
        if stem == paper.stem and "Mechanism" in row
    }
    assert {place: name for place, (stem, name) in TAGGED.items() if stem == paper.stem.upper()} == listed
    misplaced = [
        place
        for place, docstring in DOCSTRINGS.items()
        if f"[{paper.stem.upper()}: " in docstring and place not in TAGGED
    ]
    assert not misplaced, "a tag ends the first line of a docstring"


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.stem)
def test_no_section_is_numbered_that_nobody_could_check(paper):
    files = [paper, *(SOURCE / paper.stem).rglob("*.py")]
    numbered = [str(file.relative_to(ROOT)) for file in files if SECTION.search(file.read_text())]
    assert not numbered


def test_every_quirk_of_official_medfe_has_a_row():
    numbers = {int(row["#"]) for stem, row in ROWS if stem == "medfe" and "#" in row}
    assert numbers >= set(range(1, 13))
