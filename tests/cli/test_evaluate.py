import json
from dataclasses import replace

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


def test_centre_holes_and_samples_reach_the_report(photos, capsys):
    command = ("evaluate", "--images", str(photos), "--models", "opencv-telea", "--masks", "centre")
    assert main([*command, "--samples", "2", "--limit", "1"]) == 0
    printed = capsys.readouterr().out
    assert "| hole | centre | all | s per picture |" in printed
    assert "| best of 2 | centre | all |" in printed
    assert "`centre-256/centre-box/seed-0/v1/samples-2`" in printed


def test_parts_of_a_model_without_parts_are_one_line(photos, capsys):
    assert main(["evaluate", "--images", str(photos), "--parts", "medfe-small"]) == 2
    assert "medfe-small is a medfe model and has no parts" in capsys.readouterr().err


@pytest.mark.parametrize("more", [("--models", "patchmatch"), ("--samples", "6"), ("--cache", "x")])
def test_options_of_comparisons_are_refused_beside_parts(photos, capsys, more):
    assert main(["evaluate", "--images", str(photos), "--parts", "dsi-small", *more]) == 2
    assert f"{more[0]} is for comparing models" in capsys.readouterr().err


def test_parts_are_printed_and_written(photos, tmp_path, capsys, monkeypatch):
    import torch

    from twofold.checkpoints.format import save_weights
    from twofold.dsi.config import VqvaeConfig, tiny
    from twofold.dsi.model import build_dsi
    from twofold.evaluate import parts

    monkeypatch.setattr(parts, "pretrained_lpips", lambda net: LPIPS(net, AlexNet()))
    config = replace(tiny(), structure=None, texture=None, vqvae=VqvaeConfig(2, 2, 1, 4, 2))
    torch.manual_seed(0)
    state = build_dsi(config).state_dict()
    save_weights(tmp_path / "model.safetensors", family="dsi", config=config, state=state, name="tiny")
    out = tmp_path / "report"
    command = ("evaluate", "--images", str(photos), "--parts", str(tmp_path), "--limit", "1")
    assert main([*command, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "| VQ-VAE | reconstruction: PSNR in dB |" in printed
    assert printed.strip() == (out / "parts.md").read_text().strip()
