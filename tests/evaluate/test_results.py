"""Means, groups, comparisons and hashes of a report."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from twofold.evaluate.results import Figure, Report, Row, hash_of_items, library_versions
from twofold.metrics.statistics import bootstrap_interval, paired_test


def row(model: str, photo: str, ratio: float, psnr: float, lpips: float, kind: str = "free-form") -> Row:
    return Row(model, photo, f"key of {photo}", kind, ratio, {"psnr": psnr, "lpips": lpips})


ROWS = (
    row("one", "a.png", 0.15, 20.0, 0.10),
    row("one", "b.png", 0.25, 10.0, 0.30),
    row("one", "c.png", 0.15, 30.0, 0.20),
    row("two", "a.png", 0.15, 25.0, 0.05),
    row("two", "b.png", 0.25, 15.0, 0.15),
    row("two", "c.png", 0.15, 25.0, 0.15),
)


def report_of(rows: tuple[Row, ...], **others) -> Report:
    return Report("own/v1", ("Crops: square.",), ("psnr", "lpips"), rows, **others)


REPORT = report_of(ROWS)


def test_means_are_taken_by_model_and_group_and_over_all():
    values = {(one.model, one.metric, one.group): one.value for one in REPORT.figures}
    assert len(values) == 2 * 2 * 3
    assert values["one", "psnr", "10-20 %"] == 25
    assert values["one", "lpips", "10-20 %"] == pytest.approx(0.15)
    assert values["one", "psnr", "20-30 %"] == 10
    assert values["one", "psnr", "all"] == 20
    assert REPORT.figure("two", "psnr").photos == 3
    assert REPORT.figure("two", "psnr", "20-30 %").photos == 1
    assert REPORT.figure("two", "seam") is None


def test_figures_come_by_model_then_metric_then_group():
    seen = [(one.model, one.metric, one.group) for one in REPORT.figures]
    assert seen == [
        (model, metric, group)
        for model in ("one", "two")
        for metric in ("psnr", "lpips")
        for group in ("10-20 %", "20-30 %", "all")
    ]


def test_intervals_are_those_of_the_bootstrap():
    figure = REPORT.figure("one", "psnr")
    assert (figure.low, figure.high) == bootstrap_interval(np.array([20.0, 10.0, 30.0]))


@pytest.mark.parametrize(
    ("ratio", "bucket"),
    [
        (0.0, "under 1 %"),
        (0.0099, "under 1 %"),
        (0.01, "1-10 %"),
        (0.1, "10-20 %"),
        (0.1999, "10-20 %"),
        (0.5999, "50-60 %"),
        (0.6, "60 % and more"),
        (1.0, "60 % and more"),
    ],
)
def test_ranges_of_ratios_have_their_lower_end_and_not_their_upper(ratio, bucket):
    assert row("one", "a.png", ratio, 0.0, 0.0).bucket == bucket


def test_groups_are_ranges_then_kinds_if_there_are_several_then_all():
    assert REPORT.groups == ["10-20 %", "20-30 %", "all"]
    mixed = (
        *ROWS[:2],
        row("one", "d.png", 0.7, 1.0, 1.0, "centre"),
        row("one", "e.png", 0.001, 1.0, 1.0, "boxes"),
    )
    assert report_of(mixed).groups == [
        *("under 1 %", "10-20 %", "20-30 %", "60 % and more"),
        *("free-form", "centre", "boxes", "all"),
    ]
    assert report_of(mixed).count("centre") == 1
    assert report_of(mixed).count("free-form") == 2
    assert report_of(mixed).figure("one", "psnr", "free-form").value == 15


def test_metrics_of_sets_stand_with_their_model():
    sets = tuple(Figure(model, "fid", "all", 3, 50.0) for model in ("two", "one"))
    figures = report_of(ROWS, sets=sets).figures
    assert [(one.model, one.metric) for one in figures][6] == ("one", "fid")
    assert figures[-1] == sets[0]
    assert report_of(ROWS, sets=sets).figure("one", "fid") == sets[1]


def test_infinite_means_have_no_interval_and_are_left_out_of_tests():
    perfect = replace(ROWS[0], scores={"psnr": math.inf, "lpips": 0.0})
    report = report_of((perfect, *ROWS[1:]))
    assert report.figure("one", "psnr") == Figure("one", "psnr", "all", 3, math.inf)
    psnr, lpips = report.comparisons
    assert (psnr.photos, lpips.photos) == (2, 3)
    assert psnr.test == paired_test([10.0, 30.0], [15.0, 25.0])


def test_models_are_compared_with_the_first_case_by_case():
    third = tuple(replace(one, model="three") for one in reversed(ROWS[3:]))
    comparisons = report_of((*ROWS, *third)).comparisons
    assert [(one.second, one.metric) for one in comparisons] == [
        *(("two", "psnr"), ("two", "lpips")),
        *(("three", "psnr"), ("three", "lpips")),
    ]
    assert comparisons[0].test == paired_test([20.0, 10.0, 30.0], [25.0, 15.0, 25.0])
    assert comparisons[2].test == comparisons[0].test  # whatever the order of its rows
    assert report_of(ROWS[:3]).comparisons == ()


def test_a_photograph_that_is_there_twice_counts_twice():
    copies = [replace(one, photo="copy of b.png") for one in ROWS if one.photo == "b.png"]
    better = replace(copies[0], scores={"psnr": 40.0, "lpips": 0.0})
    report = report_of((*ROWS[:3], better, *ROWS[3:], copies[1]))
    assert report.photos == report.count("all") == report.figure("one", "psnr").photos == 4
    assert report.comparisons[0].test.difference == pytest.approx((20 + 10 + 30 + 40 - 25 - 15 - 25 - 15) / 4)


def test_hash_depends_on_the_cases_and_not_on_models_or_order():
    assert report_of(ROWS[:3]).cases_hash == REPORT.cases_hash
    assert report_of(ROWS[::-1]).cases_hash == REPORT.cases_hash
    assert report_of(ROWS[:2]).cases_hash != REPORT.cases_hash
    assert report_of((replace(ROWS[0], key="other"), *ROWS[1:3])).cases_hash != REPORT.cases_hash


def test_hash_is_of_the_bytes_of_a_name_that_is_no_text():
    name = b"caf\xe9.png".decode(errors="surrogateescape")
    assert hash_of_items([(name, "key")]) != hash_of_items([("café.png", "key")])


def test_versions_name_what_the_numbers_depend_on():
    assert {"python", "twofold", "torch", "numpy", "pillow"} <= library_versions().keys()
