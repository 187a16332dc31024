"""A report as Markdown: tables that say where their numbers come from."""

import re
from collections.abc import Iterable, Sequence

from twofold.evaluate.report import content
from twofold.evaluate.report.content import Difference, Number, Table
from twofold.evaluate.results import Report

_SPECIAL = re.compile(r"[\\`*<>|&~$#]|(?<![^\W_])_|_(?![^\W_])|[\[\]](?=[(\[:])|!(?=\[)")
"""What Markdown could read as more than text. Underscores within words are text to it."""


def markdown(report: Report, headline: Sequence[str] = ()) -> str:
    """Give the whole report but its rows as Markdown; every table is followed by its protocol.

    Args:
        report: what was measured.
        headline: metrics of the first table, by hole; none: PSNR and LPIPS where they were measured,
            else the first two.

    Raises:
        InputError: if a metric of ``headline`` was not measured.
    """
    source = _source(report)
    blocks = ["# Evaluation", *_table(content.headline_table(report, headline))]
    blocks += [escaped(content.samples_note(report)), source]
    blocks += [*_table(content.complete_table(report)), content.INTERVAL_NOTE, source]
    several = content.several_table(report)
    if several is not None:
        blocks += [*_table(several), source]
    blocks += _comparisons(report, source)
    if report.warnings:
        blocks += ["## Warnings", _items(escaped(warning) for warning in report.warnings)]
    blocks += [
        "## Conventions",
        _items(f"{escaped(a)}: {escaped(b)}" for a, b in content.conventions(report)),
    ]
    blocks += ["## Protocol", "  \n".join(escaped(line) for line in report.description), source]
    blocks += [_versions(report)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def escaped(text: str) -> str:
    """Any text on one line, such that Markdown shows it as it is."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def code(text: str) -> str:
    """Any text on one line as code."""
    line = " ".join(text.split())
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest else f"{fence}{line}{fence}"


def row(cells: Iterable[str]) -> str:
    """One line of a table, of cells that are Markdown already."""
    return f"| {' | '.join(cells)} |"


def grid(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already, the first column to the left and numbers to the right."""
    return "\n".join([row(head), row(["---", *["---:"] * (len(head) - 1)]), *(row(line) for line in lines)])


def _table(table: Table) -> list[str]:
    """Heading and body of a table."""
    head = [escaped(cell) for cell in (table.corner, *table.head)]
    counts = [["photographs", *table.counts]] if table.counts else []
    lines = [[escaped(line.name), *map(_cell, line.cells)] for line in table.lines]
    return [f"## {escaped(table.title)}", grid(head, [*counts, *lines])]


def _cell(numbers: tuple[Number, ...]) -> str:
    return " / ".join(_number(number) for number in numbers) or "-"


def _number(number: Number) -> str:
    text = f"**{number.text}**" if number.best else number.text
    return f"{text} {number.interval}" if number.interval else text


def _comparisons(report: Report, source: str) -> list[str]:
    """The first model against the others, if there are others."""
    found = content.differences(report)
    if not found:
        return []
    first = escaped(report.models[0])
    head = ["compared with", "metric", "difference", "95 % interval", "p", "cases", first]
    lines = [[*map(escaped, (d.other, d.metric)), *_numbers(d), d.verdict or "-"] for d in found]
    title = f"## Differences: {first} less each other model"
    return [title, grid(head, lines), content.differences_note(report), source]


def _numbers(found: Difference) -> list[str]:
    return [found.difference, found.interval, found.p, str(found.photos)]


def _source(report: Report) -> str:
    """The line below a table: quoted without it, its numbers mean nothing."""
    tag, digest = content.origin(report)
    return f"Protocol {code(tag)}, cases {code(digest)}."


def _versions(report: Report) -> str:
    """What the numbers depend on beside the protocol."""
    listed = ", ".join(f"{escaped(name)} {escaped(seen)}" for name, seen in report.versions.items())
    return f"Versions: {listed}." if listed else ""


def _items(texts: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {text}" for text in texts)
