"""The benchmark at a tiny size: it measures what it says and writes what it measured."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

import medfe_speed
from medfe_speed import (
    Measurement,
    MedfeBench,
    bench_medfe,
    form_peak,
    seeded_networks,
    seeded_picture,
)
from reference_medfe import reference_generator
from speed import main
from twofold.errors import InputError
from twofold.medfe.config import MedfeConfig

CONFIG = MedfeConfig(mode="official", encoder_channels=(2, 3, 4, 5, 5, 5), fill_channels=4, native_size=192)
REPORT = MedfeBench(
    reference=Measurement((6.0, 4.0, 5.0), 3000.0),
    ours=Measurement((1.5, 1.0, 0.5), 800.0),
    bf16=Measurement((0.5, 0.6, 0.4), 600.0),
    max_difference=3e-5,
    bf16_psnr=41.0,
    threads=1,
    seed=7,
    torch="2.13",
)


def test_both_forms_are_measured_in_one_run():
    threads = torch.get_num_threads()
    report = bench_medfe(2, seed=3, config=CONFIG)
    assert len(report.reference.seconds) == len(report.ours.seconds) == len(report.bf16.seconds) == 2
    assert min(report.reference.seconds + report.ours.seconds) > 0
    assert report.reference.peak_megabytes > 50
    assert report.ours.peak_megabytes > 50
    assert 0 < report.max_difference < 2e-4
    assert 40 <= report.bf16_psnr < 80
    assert torch.get_num_threads() == threads


def test_peak_memory_counts_the_network():
    large = MedfeConfig(
        mode="official",
        encoder_channels=(2, 3, 4, 800, 800, 800),
        fill_channels=4,
        residual_blocks=4,
        native_size=192,
    )
    # Two stages, four blocks and two decoder stages of 800 channels: over 100 M parameters of 4 bytes.
    assert form_peak("ours", large) - form_peak("ours", CONFIG) > 300


def test_a_form_that_does_not_exist_ends_in_one_error(monkeypatch):
    done = subprocess.CompletedProcess([], 9, "", "MemoryError\n")
    monkeypatch.setattr(subprocess, "run", lambda *rest, **options: done)
    with pytest.raises(InputError, match=r"reference network stopped with status 9 \(MemoryError\)"):
        form_peak("reference", CONFIG)


@pytest.mark.parametrize(("rounds", "threads"), [(0, 1), (1, 0)])
def test_nothing_to_measure_is_refused(rounds, threads):
    with pytest.raises(InputError, match="at least 1 of each"):
        bench_medfe(rounds, threads=threads, config=CONFIG)


def test_same_seed_gives_same_networks_and_picture():
    first, second, other = (seeded_networks(CONFIG, seed) for seed in (1, 1, 2))
    for net, state in first.items():
        assert all(torch.equal(value, second[net][name]) for name, value in state.items())
    assert not torch.equal(first["EN"]["Encoder_1.model.0.bias"], other["EN"]["Encoder_1.model.0.bias"])
    assert torch.equal(seeded_picture(64, 1)[0], seeded_picture(64, 1)[0])


def test_seeded_networks_answer_pictures_and_not_noughts():
    image, hole = seeded_picture(192, 0)
    with torch.inference_mode():
        answer = reference_generator(seeded_networks(CONFIG, 0), image, hole).image
    assert 0.1 < answer.std() < 0.95
    assert hole.mean() == 0.25


def test_figures_follow_from_what_was_measured():
    assert (REPORT.reference.fastest, REPORT.reference.median) == (4.0, 5.0)
    assert REPORT.speedup == 5.0
    assert REPORT.bf16_speedup == 10.0
    assert REPORT.saved_megabytes == 2200.0


def test_the_command_prints_a_table_and_writes_json(tmp_path, capsys, monkeypatch):
    asked = []

    def measured(rounds: int, *, threads: int, seed: int) -> MedfeBench:
        asked.append((rounds, threads, seed))
        return REPORT

    monkeypatch.setattr("medfe_speed.bench_medfe", measured)
    out = tmp_path / "figures.json"
    assert main(["medfe", "--rounds", "3", "--threads", "2", "--seed", "7", "--json", str(out)]) == 0
    assert asked == [(3, 2, 7)]
    printed = capsys.readouterr().out
    assert "reference" in printed
    assert "twofold" in printed
    assert "5.0 times faster, 2.20 GB less memory" in " ".join(printed.split())
    assert "bfloat16 10.0 times, 41.0 dB" in " ".join(printed.split())
    figures = json.loads(out.read_text())
    assert figures["speedup"] == 5.0
    assert figures["reference"] == {"seconds": [6.0, 4.0, 5.0], "peak_megabytes": 3000.0, "median": 5.0}
    assert figures["max_difference"] == 3e-5


def test_a_place_that_does_not_exist_is_refused_before_measuring(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("medfe_speed.bench_medfe", lambda *rest, **options: pytest.fail("it measured"))
    assert main(["medfe", "--json", str(tmp_path / "no" / "figures.json")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_child_prints_its_peak_in_bytes_and_nothing_else():
    sizes = json.dumps({"mode": "official", "encoder_channels": [2, 3, 4, 5, 5, 5], "fill_channels": 4})
    command = [sys.executable, medfe_speed.__file__, "ours", sizes, "1", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50e6
