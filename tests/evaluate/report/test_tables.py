"""CSV that every reader reads the same."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evaluate.report.examples import example
from twofold.evaluate.report import figures_csv, rows_csv


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_rows_hold_every_score_in_full_precision():
    report = example()
    rows = read(rows_csv(report))
    assert len(rows) == 8
    assert list(rows[0]) == [
        *("protocol", "cases_hash", "model", "photo", "key", "kind", "ratio", "bucket"),
        *("psnr", "l1", "lpips"),
    ]
    for row, found in zip(report.rows, rows, strict=True):
        assert found["protocol"] == report.tag
        assert found["cases_hash"] == report.cases_hash
        assert (found["model"], found["photo"], found["key"]) == (row.model, row.photo, row.key)
        assert (found["kind"], float(found["ratio"]), found["bucket"]) == (row.kind, row.ratio, row.bucket)
        assert {name: float(found[name]) for name in row.scores} == row.scores


def test_figures_are_those_of_the_report():
    report = example()
    found = read(figures_csv(report))
    assert len(found) == len(report.figures)
    for figure, line in zip(report.figures, found, strict=True):
        seen = (line["model"], line["metric"], line["group"], int(line["photos"]), float(line["value"]))
        assert seen == (figure.model, figure.metric, figure.group, figure.photos, figure.value)
        assert [float(line[name]) if line[name] else None for name in ("low", "high")] == [
            figure.low,
            figure.high,
        ]
    psnr, fid = found[0], found[-1]
    assert (psnr["better"], psnr["unit"]) == ("higher", "dB")
    assert (fid["metric"], fid["low"], fid["high"], fid["unit"]) == ("fid", "", "", "")


def test_infinite_missing_and_numpy_scores_are_plain():
    report = example(("one",))
    rows = [replace(row, scores={"psnr": math.inf, "l1": np.float64(0.1)}) for row in report.rows]
    report = replace(
        report, metrics=("l1", "psnr"), rows=(*rows[1:], replace(rows[0], scores={"lpips": 1.0}))
    )
    lines = rows_csv(report).splitlines()
    assert lines[0].endswith(",bucket,l1,psnr,lpips")
    assert lines[1].endswith(",0.1,inf,")
    assert lines[-1].endswith(",,,1.0")


def test_lines_end_in_a_line_feed():
    for text in (rows_csv(example()), figures_csv(example())):
        assert text.endswith("\n")
        assert "\r" not in text


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_name_comes_back(model, photo):
    text = rows_csv(example((model, "another"), photos=(photo,)))
    assert [(row["model"], row["photo"]) for row in read(text)] == [(model, photo), ("another", photo)]
