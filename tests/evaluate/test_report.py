"""Means, tables and files of a report."""

from __future__ import annotations

import json
import math

import pytest

from twofold.evaluate.report import Report, Row, library_versions

LOW, HIGH = (0.1, 0.2), (0.2, 0.3)


def row(model: str, photo: str, bucket: tuple[float, float], psnr: float, lpips: float) -> Row:
    return Row(model, photo, f"key of {photo}", bucket, {"psnr": psnr, "lpips": lpips}, 0.5)


ROWS = (
    row("one", "a.png", LOW, 20.0, 0.10),
    row("one", "b.png", HIGH, 10.0, 0.30),
    row("one", "c.png", LOW, 30.0, 0.20),
    row("two", "a.png", LOW, 25.0, 0.05),
    row("two", "b.png", HIGH, 15.0, 0.15),
    row("two", "c.png", LOW, 25.0, 0.15),
)
REPORT = Report("some-protocol/v1", ROWS, {"numpy": "2.0"})


def test_means_are_taken_by_model_and_bucket_and_over_all():
    found = {(s.model, s.bucket): s for s in REPORT.summaries()}
    assert len(found) == 6
    assert found["one", LOW].scores == pytest.approx({"psnr": 25, "lpips": 0.15})
    assert found["one", LOW].photos == 2
    assert found["one", HIGH].scores == {"psnr": 10, "lpips": 0.3}
    assert found["one", None].scores == pytest.approx({"psnr": 20, "lpips": 0.2})
    assert found["two", None].photos == 3


def test_table_has_a_line_per_model_and_a_column_per_bucket():
    lines = REPORT.markdown().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:5]]
    assert cells[0] == ["hole", "10-20 %", "20-30 %", "all", "s per picture"]
    assert cells[2] == ["photographs", "2", "1", "3", ""]
    assert cells[3] == ["one", "25.00 / 0.150", "10.00 / 0.300", "20.00 / 0.200", "0.50"]
    assert cells[4] == ["two", "25.00 / 0.100", "15.00 / 0.150", "21.67 / 0.117", "0.50"]
    assert REPORT.protocol in REPORT.markdown()
    assert "numpy: 2.0" in REPORT.markdown()


def sampled(model: str, photo: str, bucket, best: float, diversity: float) -> Row:
    scores = {"psnr": 20.0, "lpips": 0.2, "best psnr": best, "best lpips": 0.1, "diversity": diversity}
    return Row(model, photo, f"key of {photo}", bucket, scores, 0.5)


SEVERAL = Report(
    "p/samples-6",
    (
        sampled("dsi", "a.png", HIGH, 24.0, 0.25),
        sampled("dsi", "b.png", LOW, 22.0, 0.05),
        sampled("medfe", "a.png", HIGH, 20.0, 0.0),
        sampled("medfe", "b.png", LOW, 20.0, 0.0),
    ),
    {},
    samples=6,
)


def tables(report: Report) -> list[list[list[str]]]:
    """Cells of each table."""
    found = []
    for block in report.markdown().split("\n\n"):
        if block.startswith("|"):
            lines = block.strip().splitlines()
            found.append([[cell.strip() for cell in line.strip("|").split("|")] for line in lines])
    return found


def test_several_answers_have_a_second_table_of_the_best_and_of_diversity():
    first, second = tables(SEVERAL)
    assert first[0] == ["hole", "10-20 %", "20-30 %", "all", "s per picture"]
    assert first[3] == ["dsi", "20.00 / 0.200", "20.00 / 0.200", "20.00 / 0.200", "0.50"]
    assert second[0] == ["best of 6", "10-20 %", "20-30 %", "all"]
    assert second[2] == ["dsi", "22.00 / 0.100 / 0.050", "24.00 / 0.100 / 0.250", "23.00 / 0.100 / 0.150"]
    assert second[3] == ["medfe", *["20.00 / 0.100 / 0.000"] * 3]
    assert "chosen with the photograph known" in SEVERAL.markdown()


def test_json_of_several_answers_holds_all_scores_and_their_number():
    content = json.loads(SEVERAL.to_json())
    assert content["samples"] == 6
    assert content["rows"][0]["scores"] == dict(SEVERAL.rows[0].scores)
    assert content["summaries"][2]["scores"]["diversity"] == pytest.approx(0.15)


def test_one_answer_has_one_table_and_json_without_samples():
    assert len(tables(REPORT)) == 1
    assert set(json.loads(REPORT.to_json())) == {"protocol", "cases_hash", "versions", "summaries", "rows"}


def test_report_of_one_answer_is_written_as_before_to_the_letter():
    report = Report("p", (row("one", "a.png", LOW, 20.0, 0.1),), {"numpy": "2.0"})
    assert report.markdown() == (
        "| hole | 10-20 % | all | s per picture |\n"
        "| --- | --- | --- | --- |\n"
        "| photographs | 1 | 1 |  |\n"
        "| one | 20.00 / 0.100 | 20.00 / 0.100 | 0.50 |\n"
        "\n"
        "PSNR in dB over the whole picture (higher is better) / LPIPS v0.1 on AlexNet over the whole "
        "picture (lower is better).\n"
        "\n"
        f"Protocol `p`, cases `{report.cases_hash[:16]}`. numpy: 2.0.\n"
    )


def test_kinds_of_holes_are_columns_of_their_own_after_the_ratios():
    rows = (row("one", "a.png", "centre", 20.0, 0.1), row("one", "b.png", LOW, 10.0, 0.3))
    header, *_ = tables(Report("p", rows, {}))[0]
    assert header == ["hole", "10-20 %", "centre", "all", "s per picture"]
    assert json.loads(Report("p", rows, {}).to_json())["rows"][0]["bucket"] == "centre"


def test_hash_depends_on_the_cases_and_not_on_models_or_order():
    assert Report("p", ROWS[:3], {}).cases_hash == REPORT.cases_hash
    assert Report("p", ROWS[::-1], {}).cases_hash == REPORT.cases_hash
    assert Report("p", ROWS[:2], {}).cases_hash != REPORT.cases_hash


def test_infinite_psnr_of_a_perfect_answer_is_null_in_json_and_inf_in_the_table():
    report = Report("p", (row("one", "a.png", LOW, math.inf, 0.0),), {})
    content = json.loads(report.to_json())
    assert content["rows"][0]["scores"] == {"psnr": None, "lpips": 0.0}
    assert content["summaries"][0]["scores"]["psnr"] is None
    assert "inf / 0.000" in report.markdown()


def test_files_are_written_whole_and_hold_everything(tmp_path):
    folder = tmp_path / "deep" / "er"
    REPORT.write(folder)
    REPORT.write(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["report.json", "report.md"]
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert (folder / "report.md").read_text(encoding="utf-8") == REPORT.markdown()
    assert content["protocol"] == REPORT.protocol
    assert content["cases_hash"] == REPORT.cases_hash
    assert len(content["rows"]) == 6
    assert content["rows"][1]["bucket"] == [0.2, 0.3]
    assert content["summaries"][0]["photos"] == 2


def test_versions_name_what_the_numbers_depend_on():
    assert {"python", "twofold", "torch", "numpy", "pillow"} <= library_versions().keys()
