"""Which items are shown, and how their pictures are packed."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from evaluate.report.examples import example, pictures
from twofold.errors import InputError
from twofold.evaluate.report import ItemPictures, choose_items
from twofold.evaluate.report.pictures import check_pictures, webp_uri


def report_of(*values: float, metric: str = "lpips"):
    """One model whose photograph i has that value."""
    report = example(("one",), photos=tuple(f"{i}.png" for i in range(len(values))))
    rows = [replace(row, scores={metric: value}) for row, value in zip(report.rows, values, strict=True)]
    return replace(report, rows=tuple(rows), metrics=(metric,), sets=())


def test_worst_and_best_are_chosen_half_each_from_worst_to_best():
    report = report_of(0.3, 0.1, 0.5, 0.2, 0.4)
    assert choose_items(report, 2) == ["key-2", "key-1"]
    assert choose_items(report, 3) == ["key-2", "key-4", "key-1"]
    assert choose_items(report, 9) == ["key-2", "key-4", "key-0", "key-3", "key-1"]
    assert choose_items(report, 1) == ["key-2"]
    assert choose_items(report, 0) == []


def test_higher_is_better_where_the_metric_says_so():
    assert choose_items(report_of(20.0, math.inf, 30.0, metric="psnr"), 2) == ["key-0", "key-1"]


def test_lpips_is_the_measure_unless_another_is_asked_for():
    report = example()
    assert choose_items(report, 1) == ["key-0"]
    rows = [replace(row, scores={**row.scores, "l1": float(i)}) for i, row in enumerate(report.rows)]
    report = replace(report, rows=tuple(rows))
    assert choose_items(report, 1) == ["key-0"]
    assert choose_items(report, 1, "l1") == ["key-3"]


def test_ties_go_by_name_and_no_number_is_worst():
    assert choose_items(report_of(0.2, 0.2, 0.2), 2) == ["key-0", "key-2"]
    assert choose_items(report_of(0.2, math.nan, 0.9), 1) == ["key-1"]


def test_only_the_first_model_counts():
    report = example(("one", "two"))
    rows = [
        replace(row, scores={**row.scores, "lpips": -row.scores["lpips"] if row.model == "two" else 0.0})
        for row in report.rows
    ]
    assert choose_items(replace(report, rows=tuple(rows)), 2) == ["key-0", "key-3"]


def test_a_photograph_that_is_there_twice_is_shown_once():
    report = report_of(0.1, 0.2, 0.3)
    rows = [replace(row, key="same") for row in report.rows[:2]]
    assert choose_items(replace(report, rows=(*rows, report.rows[2])), 3) == ["key-2", "same"]


def test_any_cases_are_chosen_where_only_whole_sets_were_measured():
    report = example(("one",))
    rows = tuple(replace(row, scores={}) for row in report.rows)
    assert choose_items(replace(report, rows=rows, metrics=("fid",)), 2) == ["key-0", "key-3"]


def test_impossible_wishes_are_refused():
    with pytest.raises(InputError, match="-1 cases"):
        choose_items(example(), -1)
    with pytest.raises(InputError, match="no case has a score of 'fid'; choose from psnr, l1, lpips"):
        choose_items(example(), 1, "fid")


def test_hole_is_a_grey_board_and_the_rest_true():
    item = pictures(example(), size=32)["key-0"]
    damaged = item.damaged
    assert np.array_equal(damaged[~item.hole], item.image[~item.hole])
    assert set(np.unique(damaged[item.hole])) == {136, 168}
    assert np.array_equal(damaged[3, 0:8], damaged[3, 16:24])
    assert not np.array_equal(damaged[3, 0:8], damaged[3, 8:16])


def test_pictures_are_webp_and_the_same_each_time():
    image = np.full((16, 24, 3), (200, 40, 90), np.uint8)
    uri = webp_uri(image)
    assert uri == webp_uri(image.copy())
    head, _, packed = uri.partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(packed, validate=True))) as found:
        assert found.format == "WEBP"
        assert np.abs(np.asarray(found.convert("RGB")).astype(int) - image).max() <= 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: {"other": found["key-0"]}, "case 'other', which the report lacks"),
        (lambda found: {"key-0": replace_answers(found["key-0"], {"x": []})}, "0 answers of 'x' are given"),
        (lambda found: {"key-0": replace_answers(found["key-0"], {"one": []})}, "0 answers of 'one'"),
        (
            lambda found: {
                "key-0": replace_answers(found["key-0"], {"one": [np.zeros((4, 4, 3), np.uint8)]})
            },
            r"uint8 \[4, 4, 3\], its hole \[8, 8\]",
        ),
        (
            lambda found: {"key-0": replace_answers(found["key-0"], {"one": [np.zeros((8, 8, 3))]})},
            "is float64",
        ),
    ],
)
def test_pictures_of_something_else_are_refused(change, message):
    report = example()
    with pytest.raises(InputError, match=message):
        check_pictures(report, change(pictures(report)))


def replace_answers(item: ItemPictures, answers) -> ItemPictures:
    return ItemPictures(item.image, item.hole, answers)
