"""Runs of the benchmark are kept, and fallen ratios found."""

from __future__ import annotations

import json
import platform

import pytest

from history import document, read_history, slower, write_history
from measuring import Row
from speed import main
from twofold.errors import InputError

RATES = {"fp32": 100.0, "bf16": 200.0}
ROWS = [
    Row("medfe-full", "reference", 1, 1, (4.0, 5.0), 4.0, {"other": 4.0}, 50.0, 3000.0),
    Row("medfe-full", "fp32", 1, 1, (1.0, 0.5), 0.5, {"encoder": 0.25}, 50.0, 900.0, 8.0, 60.0),
    Row("medfe-full", "fp32", 4, 1, (0.5,), 0.5, {}, 50.0, None, 32.0, 60.0),
]


def run() -> dict:
    return document(ROWS, {"processor": "a", "flags": ["avx2"], "threads": 1, "torch": "2.13"}, RATES)


def test_figures_follow_from_what_was_measured():
    row = run()["rows"][1]
    assert row["median"] == 0.75
    assert row["pictures_per_second"] == 2.0
    assert row["share_of_rate"] == {"fp32": 1.0, "bf16": 0.5}
    assert run()["rows"][2]["pictures_per_second"] == 8.0


def test_a_run_is_written_and_read_without_the_machines_name(tmp_path):
    path = write_history(run(), tmp_path / "benchmarks")
    assert path.parent == tmp_path / "benchmarks" / "runs"
    assert platform.node() not in path.name
    assert platform.node() not in path.read_text()
    assert read_history(path)["rows"] == json.loads(json.dumps(run()["rows"]))


def test_a_ratio_that_fell_is_found_and_a_time_that_rose_is_not():
    now, before = run(), run()
    for row in now["rows"]:
        row["seconds"] = [10 * seconds for seconds in row["seconds"]]
    assert slower(now, before, 0.15) == []
    now["rows"][1]["times_faster"] = 6.7
    now["rows"][2]["times_faster"] = 27.3
    assert slower(now, before, 0.15) == ["medfe-full fp32, 1 samples, batch 1: 6.70 times faster, was 8.00"]


def test_runs_without_a_common_row_cannot_be_compared():
    other = run()
    for row in other["rows"]:
        row["model"] = "another"
    with pytest.raises(InputError, match="no row in common"):
        slower(run(), other, 0.15)
    with pytest.raises(InputError, match=r"tolerance is 1\.5"):
        slower(run(), run(), 1.5)


@pytest.mark.parametrize("content", ["", "[]", '{"format": "other", "rows": []}', '{"format": 1}'])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "file.json").write_text(content)
    with pytest.raises(InputError, match=r"is no run of benchmarks/speed.py"):
        read_history(tmp_path / "file.json")


def test_the_command_prints_writes_and_checks(tmp_path, capsys, monkeypatch):
    asked = {}

    def measured(models, **options):
        asked.update(options, models=models)
        return iter(ROWS)

    monkeypatch.setattr("measuring.measure", measured)
    monkeypatch.setattr("rates.matrix_rates", lambda: RATES)
    monkeypatch.setenv("COLUMNS", "200")
    words = ["--models", "medfe-full", "--rounds", "2", "--threads", "2", "--no-memory"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    assert asked["models"] == ("medfe-full",)
    assert (asked["rounds"], asked["threads"], asked["memory"]) == (2, 2, False)
    printed = capsys.readouterr().out
    assert "medfe-full fp32" in printed
    assert "100 GFLOP/s in fp32, 200 in bf16" in " ".join(printed.split())
    (path,) = (tmp_path / "runs").iterdir()
    assert main([*words, "--check", str(path)]) == 0
    before = json.loads(path.read_text())
    before["rows"][1]["times_faster"] = 10.0
    path.write_text(json.dumps(before))
    assert main([*words, "--check", str(path)]) == 1
    assert "slower: medfe-full fp32" in capsys.readouterr().out
    assert main([*words, "--check", str(path), "--tolerance", "0.3"]) == 0


def test_a_check_against_nothing_is_refused_before_measuring(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("measuring.measure", lambda *rest, **options: pytest.fail("it measured"))
    assert main(["--check", str(tmp_path / "none.json")]) == 2
    assert "is no run of benchmarks/speed.py" in capsys.readouterr().err
