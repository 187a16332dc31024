"""The timing of training, measured on a tiny network."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from speed import main
from training_speed import TrainingTiming, training_timing
from twofold.errors import TrainingError


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (280, 300, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_both_loops_and_the_loader_are_measured(photographs):
    threads = torch.get_num_threads()
    timing = training_timing(1, preset="tiny", data=photographs, batch_size=2)
    assert min(timing.reference, timing.ours, timing.loading) > 0
    assert timing.batch_size == 2
    assert torch.get_num_threads() == threads


def test_figures_follow_from_what_was_measured():
    figures = TrainingTiming(reference=6.0, ours=1.5, loading=0.5, batch_size=3, threads=1).as_json()
    assert (figures["speedup"], figures["pictures_per_second"], figures["loading_share"]) == (4.0, 2.0, 0.25)
    assert TrainingTiming(6.0, 1.5, None, 3, 1).as_json()["loading_share"] is None


@pytest.mark.parametrize("wrong", [{"preset": "huge"}, {"rounds": 0}, {"batch_size": 0}, {"threads": 0}])
def test_nothing_to_measure_is_refused(wrong):
    with pytest.raises(TrainingError, match="at least 1 of each"):
        training_timing(**{"rounds": 1, "preset": "tiny", **wrong})


def test_the_command_prints_a_line_and_writes_json(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "training_speed.training_timing", lambda *rest, **options: TrainingTiming(6.0, 1.5, 0.5, 3, 1)
    )
    out = tmp_path / "figures.json"
    assert main(["training", "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "4.0 times faster, 2.00 photographs/s" in printed
    assert "loading takes 0.500 s of a step, 25.0 %" in printed
    assert json.loads(out.read_text())["speedup"] == 4.0
