"""What a report says, before any format: tables of shown numbers, comparisons, and the words beside them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from twofold.errors import InputError
from twofold.evaluate.metrics import BEST, metric, of_kind
from twofold.evaluate.results import ALL, Comparison, Figure, Report

HEADLINE = ("psnr", "lpips")
"""What the first table shows where it was measured."""
SURE = 0.05
"""Models count as different where p is below this."""
HASH_DIGITS = 16
"""Shown of the hash of the items."""

_ARROWS = {"higher": " ↑", "lower": " ↓", "neither": ""}


@dataclass(frozen=True)
class Number:
    """One number as it is shown: its text, its interval or nothing, and whether it is its column's best."""

    text: str
    interval: str = ""
    best: bool = False


@dataclass(frozen=True)
class Line:
    """One model in a table; a cell without numbers was not measured."""

    name: str
    cells: tuple[tuple[Number, ...], ...]


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: its heading.
        corner: what a cell holds, over the names.
        head: of the columns, without that of the names.
        counts: photographs behind each column; empty if that goes without saying.
        lines: one per model.
    """

    title: str
    corner: str
    head: tuple[str, ...]
    counts: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Difference:
    """The first model less another one, as it is shown.

    Attributes:
        other: the second model.
        metric: heading of the metric.
        photos: items compared.
        difference: with its sign.
        interval: of the difference.
        p: of the test.
        verdict: "better" or "worse" of the first model where p is below 0.05, else "not told apart";
            empty for a metric of which neither end is better.
    """

    other: str
    metric: str
    photos: int
    difference: str
    interval: str
    p: str
    verdict: str


def headline_metrics(report: Report, wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Choose the metrics of the first table: those wanted, else PSNR and LPIPS, else the first two.

    Raises:
        InputError: if a wanted metric was not measured.
    """
    for name in wanted:
        if name not in report.metrics:
            raise InputError(
                f"headline holds {name!r}, which was not measured; choose from {', '.join(report.metrics)}"
            )
    usual = tuple(name for name in HEADLINE if name in report.metrics)
    first = of_kind(report.metrics, "picture")[:2] or report.metrics[:2]
    return tuple(wanted) or usual or first


def headline_table(report: Report, headline: Sequence[str] = ()) -> Table:
    """A few metrics by hole: ranges of ratios, kinds if there are several, all."""
    names = headline_metrics(report, headline)
    title = "Means over the answers, by hole" if report.samples > 1 else "By hole"
    return _by_hole(report, title, names)


def several_table(report: Report) -> Table | None:
    """What only several answers have, by hole; None if one answer was asked for."""
    names = of_kind(report.metrics, "answers")
    best = [BEST + name for name in headline_metrics(report) if BEST + name in names]
    chosen = best + [name for name in names if not name.startswith(BEST)][:1]
    if report.samples == 1 or not chosen:
        return None
    return _by_hole(report, f"Best of {report.samples}, and diversity", chosen)


def complete_table(report: Report) -> Table:
    """Every metric over all photographs, with its interval where it has one."""
    columns = [[(name, ALL)] for name in report.metrics]
    head = tuple(heading(name) for name in report.metrics)
    title = f"All metrics, all photographs ({report.count(ALL)})"
    return Table(title, "model", head, (), _lines(report, columns, intervals=True))


def differences(report: Report) -> list[Difference]:
    """The first model against each other one."""
    return [_difference(comparison) for comparison in _telling(report)]


def heading(name: str) -> str:
    """A metric over a column: its label, unit, and an arrow towards the better values."""
    found = metric(name)
    unit = f" ({found.unit})" if found.unit else ""
    return f"{found.label}{unit}{_ARROWS[found.better]}"


def conventions(report: Report) -> list[tuple[str, str]]:
    """Each metric's label and what exactly it measures."""
    found = []
    for name in report.metrics:
        one = metric(name)
        better = "" if one.better == "neither" else f"{one.better} is better"
        how = ", ".join(part for part in (one.unit, better) if part)
        found.append((f"{one.label} ({how})" if how else one.label, one.meaning))
    return found


def samples_note(report: Report) -> str:
    """How many answers the means are over; nothing if there is one to each hole."""
    if report.samples == 1:
        return ""
    return (
        f"Models that sample give {report.samples} answers to each hole, and score the mean over them. "
        "Models with one answer have that one as their best, and a diversity of 0."
    )


def differences_note(report: Report) -> str:
    """Which test the comparisons are."""
    count = len(_telling(report))
    tests = (
        "1 test, so nothing to correct for"
        if count == 1
        else f"{count} tests, p not corrected for their number"
    )
    return (
        "Mean difference over the same cases, 95 % bootstrap interval over cases, and p of a two-sided "
        f"sign-flip permutation test on the paired differences; {tests}."
    )


INTERVAL_NOTE = (
    "In brackets: 95 % percentile bootstrap interval over photographs, for metrics of single cases."
)


def origin(report: Report) -> tuple[str, str]:
    """Protocol and first digits of the hash of its items: what a number has to be quoted with."""
    return report.tag, report.cases_hash[:HASH_DIGITS]


def shown(name: str, value: float) -> str:
    """A value with the digits of its metric, and no minus before a zero."""
    text = metric(name).show(value)
    return text.removeprefix("-") if float(text) == 0 else text


def ratio_shown(ratio: float) -> str:
    """A hole's share of its picture, as a percentage."""
    return f"{100 * ratio:.1f} %"


def best_of(name: str, texts: Iterable[str]) -> str | None:
    """The best of numbers as they are shown, if they differ; equal digits are equally good."""
    different = {text for text in texts if not math.isnan(float(text))}
    better = metric(name).better
    if len(different) < 2 or better == "neither":
        return None
    return max(different, key=float) if better == "higher" else min(different, key=float)


def p_shown(p: float) -> str:
    """A p-value with three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _by_hole(report: Report, title: str, names: Sequence[str]) -> Table:
    """A table of some metrics with one column per group of holes."""
    columns = [[(name, group) for name in names] for group in report.groups]
    counts = tuple(str(report.count(group)) for group in report.groups)
    corner = " / ".join(heading(name) for name in names)
    return Table(title, corner, tuple(report.groups), counts, _lines(report, columns, intervals=False))


def _lines(report: Report, columns: list[list[tuple[str, str]]], *, intervals: bool) -> tuple[Line, ...]:
    """One line per model; a column is the (metric, group) of each of its numbers."""
    best = {number: _best(report, *number) for column in columns for number in column}
    lines = []
    for model in report.models:
        cells = []
        for column in columns:
            figures = [report.figure(model, *number) for number in column]
            numbers = [_number(one, best, intervals) for one in figures if one is not None]
            cells.append(tuple(numbers))
        lines.append(Line(model, tuple(cells)))
    return tuple(lines)


def _number(figure: Figure, best: dict[tuple[str, str], str | None], intervals: bool) -> Number:
    text = shown(figure.metric, figure.value)
    interval = ""
    if intervals and figure.low is not None and figure.high is not None:
        interval = f"[{shown(figure.metric, figure.low)}, {shown(figure.metric, figure.high)}]"
    return Number(text, interval, text == best[figure.metric, figure.group])


def _best(report: Report, name: str, group: str) -> str | None:
    """The best number of a column."""
    figures = [report.figure(model, name, group) for model in report.models]
    return best_of(name, [shown(name, one.value) for one in figures if one is not None])


def _telling(report: Report) -> list[Comparison]:
    """The comparisons without those of several answers where neither model had several."""
    return [
        one
        for one in report.comparisons
        if metric(one.metric).kind != "answers" or one.test.low or one.test.high or one.test.difference
    ]


def _difference(comparison: Comparison) -> Difference:
    """Show one comparison, with a digit more than the metric itself."""
    found, test = metric(comparison.metric), comparison.test
    digits = found.digits + 1
    verdict = "not told apart"
    if found.better == "neither":
        verdict = ""
    elif test.p < SURE:
        verdict = "better" if (test.difference > 0) == (found.better == "higher") else "worse"
    return Difference(
        comparison.second,
        heading(comparison.metric),
        comparison.photos,
        _signed(test.difference, digits),
        f"[{_signed(test.low, digits)}, {_signed(test.high, digits)}]",
        p_shown(test.p),
        verdict,
    )


def _signed(value: float, digits: int) -> str:
    """With a sign, unless it is shown as zero."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text
