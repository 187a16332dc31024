"""``twofold export``: one line for each mistake, and nothing written by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.files import exported_dsi, exported_medfe
from twofold.cli.main import main


def test_the_command_says_how_far_it_is_from_torch_and_what_it_wrote(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    medfe, dsi = exported_medfe(tmp_path_factory), exported_dsi(tmp_path_factory)
    lines = (medfe / "printed.txt").read_text().splitlines()
    assert "128x128: differs from PyTorch by at most " in lines[0]
    assert lines[-1].startswith(f"{medfe / 'tiny.onnx'} (")
    assert all("differs from PyTorch" in line for line in lines[:-1])
    assert (dsi / "printed.txt").read_text().splitlines()[-1].startswith(f"{dsi / 'tiny'} (")


@pytest.mark.parametrize(
    ("model", "out", "words"),
    [
        ("medfe-small", "folder", "becomes one file"),
        ("medfe-small", "missing/out.onnx", "does not exist; make it first"),
        ("dsi-small", "out.onnx", "becomes several files"),
        ("dsi-small", "full", "holds other things"),
        ("medfe-huge", "out.onnx", "there is no model 'medfe-huge'"),
        ("opencv-telea", "out.onnx", "there is no model 'opencv-telea'"),
    ],
)
def test_what_cannot_be_exported_or_written_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, out: str, words: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    assert main(["export", model, str(tmp_path / out)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
