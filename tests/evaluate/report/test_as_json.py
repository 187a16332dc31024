"""JSON that holds everything and comes back the same."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluate.report.examples import example
from twofold.errors import InputError
from twofold.evaluate.report import markdown, read_report, report_json
from twofold.evaluate.results import Figure


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(report_json(example(samples=3)), encoding="utf-8")
    return path


def changed(path, change):
    """Rewrite the file after a change of its content."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def test_everything_is_in_it():
    report = example()
    content = json.loads(report_json(report))
    assert content["tag"] == report.tag
    assert content["cases_hash"] == report.cases_hash
    assert content["description"] == list(report.description)
    assert content["warnings"] == list(report.warnings)
    assert content["versions"] == report.versions
    assert list(content["metrics"]) == list(report.metrics)
    assert content["metrics"]["psnr"]["unit"] == "dB"
    assert content["metrics"]["lpips"]["meaning"] == "LPIPS v0.1 on AlexNet over the crop"
    assert len(content["rows"]) == 8
    assert content["rows"][0]["bucket"] == "10-20 %"
    assert len(content["figures"]) == len(report.figures)
    value = next(one for one in content["figures"] if (one["model"], one["group"]) == ("two", "centre"))
    assert (value["metric"], value["value"], value["photos"]) == ("psnr", 24.0, 2)
    compared = content["comparisons"][0]
    assert (compared["first"], compared["second"], compared["difference"]) == ("one", "two", -2.0)
    assert compared["p"] == report.comparisons[0].test.p
    assert "timing" not in report_json(report)


def test_a_report_comes_back_as_it_was_but_for_its_timings(kept):
    report = example(samples=3)
    found = read_report(kept)
    assert found == replace(report, timings={})
    assert report_json(found) == report_json(report)
    assert markdown(found) == markdown(report)


@given(st.floats(), st.floats(), st.floats(allow_nan=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_number_comes_back(tmp_path, first, second, fid):
    report = example(("one",), photos=("a.png", "b.png"))
    rows = [
        replace(row, scores={"psnr": np.float64(value), "lpips": 0.0})
        for row, value in zip(report.rows, (first, second), strict=True)
    ]
    sets = (Figure("one", "fid", "all", 2, fid, None, math.inf),)
    report = replace(report, metrics=("psnr", "lpips"), rows=tuple(rows), sets=sets)
    path = tmp_path / "report.json"
    with np.errstate(all="ignore"):
        path.write_text(report_json(report))
        found = read_report(path)
    assert repr([row.scores["psnr"] for row in found.rows]) == repr([first, second])
    assert found.sets == sets
    json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_numbers_that_are_not_finite_are_null_with_their_name_beside():
    report = example(("one",), photos=("a.png",))
    row = replace(report.rows[0], scores={"psnr": math.inf, "l1": 0.0, "lpips": 0.0})
    written = json.loads(report_json(replace(report, rows=(row,))))["rows"][0]
    assert written["scores"] == {"psnr": None, "l1": 0.0, "lpips": 0.0}
    assert written["not_finite"] == {"psnr": "inf"}


@given(st.text(min_size=1), st.text(min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_comes_back(tmp_path, model, photo):
    report = example((model,), photos=(photo,))
    (tmp_path / "report.json").write_text(report_json(report), encoding="utf-8")
    assert read_report(tmp_path / "report.json") == replace(report, timings={})


def test_a_file_name_that_is_no_text_comes_back(tmp_path):
    report = example(("one",), photos=(b"caf\xe9.png".decode(errors="surrogateescape"),))
    (tmp_path / "report.json").write_text(report_json(report), encoding="utf-8")
    assert read_report(tmp_path / "report.json").rows == report.rows


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "geojson"}', "\udc80"])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"other\.json .*give the report\.json of an evaluation"):
        read_report(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_report(tmp_path / "nothing.json")


def test_a_later_version_is_refused(kept):
    path = changed(kept, lambda content: content.update(format_version=2))
    with pytest.raises(InputError, match="has version 2 of the format"):
        read_report(path)


def test_rows_that_were_changed_are_refused(kept):
    path = changed(kept, lambda content: content["rows"][0].update(photo="other.png"))
    with pytest.raises(InputError, match="do not fit its hash"):
        read_report(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("rows"),
        lambda content: content["rows"][0].pop("kind"),
        lambda content: content["rows"][0]["scores"].pop("psnr"),
        lambda content: content["rows"][0]["scores"].update(psnr=None),
        lambda content: content["rows"][0]["scores"].update(psnr="good"),
        lambda content: content["metrics"].update(beauty={}),
        lambda content: content["sets"][0].update(photos=math.inf),
        lambda content: content.update(rows=3),
        lambda content: content.update(rows=[]),
        lambda content: content.update(versions=None),
    ],
)
def test_damaged_reports_are_refused(kept, change):
    with pytest.raises(InputError, match="evaluate again"):
        read_report(changed(kept, change))
