"""A report as CSV: one file of rows and one of figures, every line with the protocol it belongs to."""

import re
from collections.abc import Iterable

from twofold.evaluate.metrics import metric
from twofold.evaluate.results import Report

Cell = str | int | float | None


def rows_csv(report: Report) -> str:
    """Give one line per model and item, with every score in full precision.

    Lines end in a line feed; a score that was not measured is empty; infinite ones read ``inf``.
    """
    names = score_names(report)
    head = ["protocol", "cases_hash", "model", "photo", "key", "kind", "ratio", "bucket", *names]
    lines: list[list[Cell]] = []
    for row in report.rows:
        about: list[Cell] = [row.model, row.photo, row.key, row.kind, row.ratio, row.bucket]
        lines.append([report.tag, report.cases_hash, *about, *(row.scores.get(name) for name in names)])
    return _joined([head, *lines])


def figures_csv(report: Report) -> str:
    """Give one line per number of the tables, in full precision, with its interval where it has one."""
    head = ["protocol", "cases_hash", "model", "metric", "group", "photos", "value", "low", "high"]
    lines: list[list[Cell]] = []
    for one in report.figures:
        found = metric(one.metric)
        about: list[Cell] = [one.model, one.metric, one.group, one.photos, one.value, one.low, one.high]
        lines.append([report.tag, report.cases_hash, *about, found.better, found.unit])
    return _joined([[*head, "better", "unit"], *lines])


def score_names(report: Report) -> list[str]:
    """Names of all scores that rows have: in the order of the report, then any others by name."""
    found = {name for row in report.rows for name in row.scores}
    known = [name for name in report.metrics if name in found]
    return known + sorted(found - set(known))


def _joined(lines: Iterable[Iterable[Cell]]) -> str:
    return "".join(",".join(map(_cell, line)) + "\n" for line in lines)


def _cell(value: Cell) -> str:
    """A cell; text is quoted where it has to be (the csv module of Python 3.11 forgets carriage returns)."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(float(value))  # NumPy's own floats say their type
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]', text) else text
