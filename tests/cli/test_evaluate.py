import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from twofold.cli.main import main
from twofold.evaluate import networks
from twofold.features.alexnet import AlexNet
from twofold.features.lpips import LPIPS

CLASSICAL = ("--model", "opencv-telea", "--model", "opencv-ns")


@pytest.fixture(autouse=True)
def untrained_lpips(monkeypatch):
    import torch

    torch.manual_seed(0)
    lpips = LPIPS("alex", AlexNet())
    monkeypatch.setattr(networks, "pretrained_lpips", lambda net: lpips)


def test_the_tables_are_printed_and_the_report_written(photos, tmp_path, capsys):
    out = tmp_path / "report"
    assert main(["evaluate", "--images", str(photos), *CLASSICAL, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "| opencv-telea |" in printed
    assert "| opencv-ns |" in printed
    assert (out / "report.md").read_text().strip() in printed
    assert (out / "timing.md").read_text().strip() in printed
    assert "own/centre-256/free-form-10-50/seed-0/v1" in printed
    assert len(json.loads((out / "report.json").read_text())["rows"]) == 4
    names = {"report.md", "report.json", "report.html", "rows.csv", "figures.csv", "timing.md", "timing.json"}
    assert {path.name for path in out.iterdir()} == {*names, "cache"}


def test_same_seed_gives_the_same_bytes_and_another_seed_other_ones(photos, tmp_path):
    command = ["evaluate", "--images", str(photos), *CLASSICAL, "--metrics", "psnr", "rim", "--limit", "1"]
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert main([*command, "--seed", seed, "--out", str(tmp_path / name)]) == 0
    for name in ("report.md", "report.json", "report.html", "rows.csv", "figures.csv"):
        first, second, other = ((tmp_path / run / name).read_bytes() for run in "abc")
        assert first == second, name
        assert first != other, name


def test_protocol_masks_ratios_and_metrics_reach_the_report(photos, capsys):
    command = ["evaluate", "--images", str(photos), "--model", "opencv-telea", "--limit", "2", "--protocol"]
    options = ["--masks", "thin", "object", "--ratios", "10-20", "--size", "64", "--metrics", "l1-relative"]
    assert main([*command, "edgeconnect2019", *options]) == 0
    printed = capsys.readouterr().out
    assert "edgeconnect2019/stretch-64/thin+object-10-20/seed-0/v1" in printed
    assert "L1 rel." in printed
    assert "PSNR" not in printed.split("The paper:")[0]


def test_a_metric_whose_weights_cannot_be_had_is_one_line(photos, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TWOFOLD_FEATURES", str(tmp_path))
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "urllib.request.urlopen", lambda *a, **k: (_ for _ in ()).throw(OSError("no network"))
    )
    assert main(["evaluate", "--images", str(photos), *CLASSICAL, "--metrics", "psnr", "fid"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("twofold: ")
    assert "pt_inception-2015-12-05-6726825d.pth" in line
    assert "TWOFOLD_FEATURES" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "nope"], "there is no model 'nope'"),
        ([*CLASSICAL, "--metrics", "beauty"], "'beauty' is no metric"),
        ([*CLASSICAL, "--metrics", "all"], "is needs at least 10 photographs"),
        ([*CLASSICAL, "--masks", "stars"], "masks is 'stars'"),
        ([*CLASSICAL, "--ratios", "ten"], "ratios hold 'ten'"),
        ([*CLASSICAL, "--samples", "0"], "samples is 0"),
        (["--model", "results:/nowhere"], "/nowhere is no folder"),
        (["--sweep", "medfe-small"], "gives one best answer"),
        (["--sweep", "dsi-small", "--temperatures", "1"], "a sweep of 1 way"),
        (["--temperatures", "1"], "belong to a sweep"),
        (["--sweep", "dsi-small", "--parts", "dsi-small"], "are two jobs"),
    ],
)
def test_what_cannot_be_used_is_one_line(photos, capsys, options, message):
    assert main(["evaluate", "--images", str(photos), *options]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert lines[-1].startswith("twofold: ")
    assert message in lines[-1]


def test_an_empty_folder_is_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["evaluate", "--images", str(tmp_path / "empty"), "--model", "opencv-telea"]) == 2
    assert "holds no photograph" in capsys.readouterr().err


def test_several_answers_have_a_table_of_the_best(photos, capsys):
    command = ("evaluate", "--images", str(photos), "--model", "opencv-telea", "--masks", "centre")
    assert main([*command, "--samples", "2", "--limit", "1", "--size", "64"]) == 0
    printed = capsys.readouterr().out
    assert "best of 2" in printed.lower()
    assert "own/centre-64/centre/seed-0/samples-2/v1" in printed


def test_exported_cases_come_back_as_finished_pictures(photos, tmp_path, capsys):
    images = ["evaluate", "--images", str(photos), "--metrics", "psnr"]
    assert main([*images, "--export", str(tmp_path / "cases")]) == 0
    assert "2 damaged pictures and masks are in" in capsys.readouterr().out
    for path in (tmp_path / "cases" / "images").iterdir():  # a tool that cannot be called, so by hand
        mask = tmp_path / "cases" / "masks" / path.name
        (tmp_path / "telea").mkdir(exist_ok=True)
        assert (
            main(
                [
                    "fill",
                    str(path),
                    str(mask),
                    "-o",
                    str(tmp_path / "telea" / path.name),
                    "--model",
                    "opencv-telea",
                ]
            )
            == 0
        )
    out = tmp_path / "report"
    models = ["--model", "opencv-telea", "--model", f"ready=results:{tmp_path / 'telea'}"]
    assert main([*images, *models, "--out", str(out), "--no-page"]) == 0
    rows = json.loads((out / "report.json").read_text())["rows"]
    assert [row["model"] for row in rows] == ["opencv-telea"] * 2 + ["ready"] * 2
    assert [row["scores"] for row in rows[:2]] == [row["scores"] for row in rows[2:]]


TOOL = """
import sys, time
from pathlib import Path
import numpy as np
from PIL import Image
image, mask, out = sys.argv[1:]
with Path(__file__).with_name("log").open("a") as lines:
    lines.write("asked\\n")
time.sleep(0.2)
Image.fromarray(255 - np.asarray(Image.open(image).convert("RGB"))).save(out)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills with a signal")
def test_a_run_that_was_killed_goes_on_and_ends_in_the_same_bytes(tmp_path):
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for number in range(8):
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    (tmp_path / "tool.py").write_text(TOOL)

    def command(out: str) -> list[str]:
        model = f"cmd: {sys.executable} {tmp_path / 'tool.py'} {{image}} {{mask}} {{out}}"
        options = [
            "--size",
            "64",
            "--metrics",
            "psnr",
            "--no-page",
            "--cache",
            str(tmp_path / f"cache-{out}"),
        ]
        twofold = [sys.executable, "-m", "twofold", "evaluate", "--images", str(folder)]
        return [*twofold, "--model", model, *options, "--out", str(tmp_path / out)]

    log = tmp_path / "log"
    running = subprocess.Popen(command("killed"), start_new_session=True)
    deadline = time.monotonic() + 60
    while not log.exists() or len(log.read_text().splitlines()) < 4:
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "killed").exists()
    begun = len(log.read_text().splitlines())
    subprocess.run(command("killed"), check=True, stdout=subprocess.DEVNULL)
    asked = len(log.read_text().splitlines())
    assert begun < 8
    assert asked in (8, 9)  # the one that was under way when the run was killed is asked again
    subprocess.run(command("whole"), check=True, stdout=subprocess.DEVNULL)
    assert len(log.read_text().splitlines()) == asked + 8
    for name in ("report.md", "report.json", "rows.csv", "figures.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_parts_of_a_model_without_parts_are_one_line(photos, capsys):
    assert main(["evaluate", "--images", str(photos), "--parts", "medfe-small"]) == 2
    assert "medfe-small is a medfe model and has no parts" in capsys.readouterr().err


@pytest.mark.parametrize("more", [("--model", "patchmatch"), ("--samples", "6"), ("--cache", "x")])
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
