"""A report as JSON, and back."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from twofold.errors import InputError
from twofold.evaluate.metrics import metric
from twofold.evaluate.report.tables import score_names
from twofold.evaluate.results import Comparison, Figure, Report, Row

FORMAT = "twofold report"
VERSION = 1
"""Of the layout of the file; counted up when an older reader could misunderstand it."""
ODD = "not_finite"
"""Holds the names of numbers that JSON has no word for, such as the PSNR of a perfect answer."""


def report_json(report: Report) -> str:
    """Give everything but timings; numbers that are not finite become null, and are named beside it."""
    names = score_names(report)
    content = {
        "format": FORMAT,
        "format_version": VERSION,
        "tag": report.tag,
        "cases_hash": report.cases_hash,
        "photos": report.photos,
        "samples": report.samples,
        "description": list(report.description),
        "warnings": list(report.warnings),
        "versions": dict(report.versions),
        "metrics": {name: asdict(metric(name)) for name in report.metrics},
        "figures": [_figure(one) for one in report.figures],
        "sets": [_figure(one) for one in report.sets],
        "comparisons": [_comparison(one) for one in report.comparisons],
        "rows": [_row(one, names) for one in report.rows],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def read_report(path: Path) -> Report:
    """Read ``report.json``: the report that it was written of, without timings.

    Raises:
        InputError: if the file cannot be read, is no report, is one of a later version, or its rows are
            not those that its hash was taken of.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); give the report.json of an evaluation") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is no report of twofold; give the report.json of an evaluation")
    if content.get("format_version") != VERSION:
        raise InputError(
            f"{path} has version {content.get('format_version')} of the format, not {VERSION}; "
            "read it with the twofold that wrote it"
        )
    try:
        report = _report(content)
        _ = report.figures  # made here, so that scores that are missing show now
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InputError(f"{path} is a damaged report ({error!r}); evaluate again") from error
    if not report.rows or report.cases_hash != content["cases_hash"]:
        raise InputError(f"{path} has rows that do not fit its hash of the cases; evaluate again")
    return report


def _report(content: Mapping[str, Any]) -> Report:
    """Build the report; anything may be raised if the content is not one."""
    for name in content["metrics"]:
        metric(name)
    rows = [
        Row(
            one["model"],
            one["photo"],
            one["key"],
            one["kind"],
            float(one["ratio"]),
            _restored(one["scores"], one),
        )
        for one in content["rows"]
    ]
    sets = []
    for one in content["sets"]:
        numbers = _restored(
            {name: one[name] for name in ("value", "low", "high")}, one, missing=("low", "high")
        )
        sets.append(Figure(one["model"], one["metric"], one["group"], int(one["photos"]), **numbers))
    return Report(
        tag=content["tag"],
        description=tuple(content["description"]),
        metrics=tuple(content["metrics"]),
        rows=tuple(rows),
        sets=tuple(sets),
        versions=dict(content["versions"]),
        samples=int(content["samples"]),
        warnings=tuple(content["warnings"]),
    )


def _row(row: Row, names: list[str]) -> dict[str, Any]:
    scores = {name: row.scores[name] for name in names if name in row.scores}
    about = {"model": row.model, "photo": row.photo, "key": row.key, "kind": row.kind}
    return {
        **about,
        "ratio": float(row.ratio),
        "bucket": row.bucket,
        "scores": _finite(scores),
        **_odd(scores),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    numbers = {"value": figure.value, "low": figure.low, "high": figure.high}
    about = {"model": figure.model, "metric": figure.metric, "group": figure.group, "photos": figure.photos}
    return {**about, **_finite(numbers), **_odd(numbers)}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    numbers = asdict(comparison.test)
    about = {"first": comparison.first, "second": comparison.second, "metric": comparison.metric}
    return {**about, "photos": comparison.photos, **_finite(numbers), **_odd(numbers)}


def _finite(numbers: Mapping[str, float | None]) -> dict[str, float | None]:
    """Numbers that JSON can hold, the others None."""
    return {
        name: float(value) if value is not None and math.isfinite(value) else None
        for name, value in numbers.items()
    }


def _odd(numbers: Mapping[str, float | None]) -> dict[str, dict[str, str]]:
    """The numbers that JSON cannot hold, as words; nothing if there are none."""
    found = {
        name: repr(float(value))
        for name, value in numbers.items()
        if value is not None and not math.isfinite(value)
    }
    return {ODD: found} if found else {}


def _restored(
    numbers: Mapping[str, float | None], beside: Mapping[str, Any], missing: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Undo ``_finite`` and ``_odd``; only names in ``missing`` may be None."""
    found: dict[str, Any] = {}
    for name, value in numbers.items():
        if value is None and name in beside.get(ODD, {}):
            found[name] = float(beside[ODD][name])
        elif value is None and name in missing:
            found[name] = None
        else:
            found[name] = float(value)  # type: ignore[arg-type]  # None is a damaged file: TypeError
    return found
