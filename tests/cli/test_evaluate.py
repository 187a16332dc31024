import json

import pytest

from twofold.cli.main import main
from twofold.evaluate import compare
from twofold.features.alexnet import AlexNet
from twofold.features.lpips import LPIPS


@pytest.fixture(autouse=True)
def untrained_lpips(monkeypatch):
    monkeypatch.setattr(compare, "pretrained_lpips", lambda net: LPIPS(net, AlexNet()))


def test_the_table_is_printed_and_the_report_written(photos, tmp_path, capsys):
    out = tmp_path / "report"
    command = ("evaluate", "--images", str(photos), "--models", "opencv-telea", "opencv-ns")
    assert main([*command, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "| opencv-telea |" in printed
    assert "| opencv-ns |" in printed
    assert printed.strip() == (out / "report.md").read_text().strip()
    assert len(json.loads((out / "report.json").read_text())["rows"]) == 4


def test_an_unknown_model_is_one_line(photos, capsys):
    assert main(["evaluate", "--images", str(photos), "--models", "nope"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("twofold: there is no model 'nope'")


def test_an_empty_folder_is_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["evaluate", "--images", str(tmp_path / "empty"), "--models", "opencv-telea"]) == 2
    assert "holds no photograph" in capsys.readouterr().err
