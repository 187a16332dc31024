"""Files of a report: whole, complete, and the same whenever the report is."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evaluate.report.examples import example, pictures
from twofold.errors import InputError, MissingExtraError
from twofold.evaluate.report import figures_csv, markdown, read_report, report_json, rows_csv, write_report
from twofold.evaluate.results import Timing

ALWAYS = {"report.md", "report.json", "rows.csv", "figures.csv"}
TESTS = Path(__file__).parents[2]
WRITE = """
import sys
from pathlib import Path
from evaluate.report.examples import example, pictures
from twofold.evaluate.report import write_report
report = example(("one", "two", "a|<b>"), samples=2)
write_report(report, Path(sys.argv[1]), pictures(report))
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_all_files_are_written_and_hold_what_their_functions_give(tmp_path):
    report = example()
    folder = tmp_path / "deep" / "er"
    write_report(report, folder, pictures(report))
    write_report(report, folder, pictures(report))
    assert names(folder) == ALWAYS | {"report.html", "timing.md", "timing.json"}
    assert (folder / "report.md").read_text(encoding="utf-8") == markdown(report)
    assert (folder / "report.json").read_bytes() == report_json(report).encode()
    assert (folder / "rows.csv").read_bytes() == rows_csv(report).encode()
    assert (folder / "figures.csv").read_bytes() == figures_csv(report).encode()
    assert read_report(folder / "report.json").figures == report.figures


def test_the_page_and_the_timings_can_be_left_out(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_report(replace(example(), timings={}), tmp_path, page=False)
    assert names(tmp_path) == ALWAYS


def test_nothing_is_written_when_something_is_missing(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="headline"):
        write_report(example(), tmp_path / "one", headline=["beauty"])
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError):
        write_report(example(), tmp_path / "two")
    assert not names(tmp_path)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_same_report_gives_the_same_bytes_in_another_process(tmp_path):
    report = example(("one", "two", "a|<b>"), samples=2)
    write_report(report, tmp_path / "here", pictures(report))
    # This process draws its hashes from some other seed.
    environment = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(TESTS)}
    subprocess.run([sys.executable, "-c", WRITE, tmp_path / "there"], env=environment, check=True)
    assert len(digests(tmp_path / "here")) == 7
    assert digests(tmp_path / "there") == digests(tmp_path / "here")


def test_only_the_timings_depend_on_time(tmp_path):
    fast = replace(example(), metrics=("psnr",))
    slow = replace(fast, timings={model: [Timing(100.0)] for model in fast.models})
    write_report(fast, tmp_path / "fast", pictures(fast))
    write_report(slow, tmp_path / "slow", pictures(slow))
    before, after = digests(tmp_path / "fast"), digests(tmp_path / "slow")
    different = {name for name in before if before[name] != after[name]}
    assert different == {"timing.md", "timing.json"}


def test_names_that_are_no_text_are_spelt_out(tmp_path):
    report = example(photos=(b"caf\xe9.png".decode(errors="surrogateescape"), "b.png"))
    write_report(report, tmp_path, pictures(report))
    assert "caf\\udce9.png" in (tmp_path / "rows.csv").read_text(encoding="utf-8")
    assert "caf\\udce9.png" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert read_report(tmp_path / "report.json").rows == report.rows
