"""The sampling benchmark at a tiny size: it measures what it says and writes what it measured."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
import torch

import dsi_speed as dsi
from dsi_speed import (
    DsiBench,
    Timing,
    _consistent,
    _time,
    bench_dsi,
    forward_flops,
    matrix_rate,
    seeded_generator,
)
from speed import main
from twofold.dsi.config import paper, tiny
from twofold.dsi.fast.sample import sample_structure
from twofold.dsi.options import SamplingOptions
from twofold.dsi.sampling import sample_structure_naive
from twofold.errors import InputError

REPORT = DsiBench(
    naive=Timing(600.0, 500.0),
    single=Timing(1.5, 1.0),
    batch=Timing(0.75, 0.5),
    samples=8,
    gigaflop=57.0,
    rate=114.0,
    positions=1024,
    positions_timed=8,
    positions_right=8190,
    positions_near=2,
    threads=1,
    seed=7,
    torch="2.13",
)


def test_all_procedures_are_measured_in_one_run():
    threads = torch.get_num_threads()
    report = bench_dsi(2, positions=5, samples=3, seed=3, config=tiny())
    assert report.positions == 64
    assert report.positions_timed == 6  # three in each round
    assert report.positions_right + report.positions_near == 3 * 64
    assert min(report.naive.seconds, report.single.seconds, report.batch.seconds) > 0
    assert report.naive.seconds > report.single.seconds
    assert report.rate > 0.1
    assert torch.get_num_threads() == threads


def test_the_naive_time_is_that_of_a_pass_times_the_positions(monkeypatch):
    forward = dsi.full_forward

    def slow(*args: torch.Tensor) -> torch.Tensor:
        time.sleep(0.02)
        return forward(*args)

    monkeypatch.setattr(dsi, "full_forward", slow)
    report = bench_dsi(1, positions=2, samples=1, config=tiny())
    assert 64 * 0.02 < report.naive.seconds < 64 * 0.2
    assert report.naive.cpu_seconds < report.naive.seconds  # sleep takes no processor time


def test_wrong_codes_are_found():
    generator, codebook = seeded_generator(tiny(), 1)
    condition = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(1))
    drawn = sample_structure(generator, codebook, condition, range(5, 7), SamplingOptions())

    def consistent() -> tuple[int, int]:
        with torch.inference_mode():
            logits = dsi.full_forward(generator.pixelcnn, codebook.look_up(drawn.codes), condition)
        return _consistent(drawn, logits, range(5, 7))

    assert consistent() == (32, 0)
    drawn.codes[1, 3, 3] = (drawn.codes[1, 3, 3] + 1) % 16  # the last: nothing depends on it
    assert consistent() == (31, 0)


def test_the_reference_draws_what_ours_draws():
    generator, codebook = seeded_generator(tiny(), 2)
    condition = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(1))
    drawn = [
        how(generator, codebook, condition, [4], SamplingOptions()).codes
        for how in (sample_structure, sample_structure_naive)
    ]
    assert torch.equal(*drawn)
    assert len(drawn[0].unique()) > 3


def test_same_seed_gives_same_networks_and_leaves_chance_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first, second, other = (seeded_generator(tiny(), seed)[0].state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["pixelcnn.up_in.v"], other["pixelcnn.up_in.v"])


def test_work_is_counted_by_hand():
    config = tiny().structure
    assert config is not None
    generator, _ = seeded_generator(tiny(), 1)
    channels = 8
    layer = 6 * 16 * 8 + 6 * 16 * 16 + 4 * 16 * 8 + 4 * 16 * 16 + 2 * (16 * 16) + 16 * 8
    attention = channels * 2 * (4 + 4 + 4) + 2 * 4 * channels
    weights = 4 * layer + 2 * attention + 5 * 8 * (6 + 3 + 2) + 2 * channels**2 + channels * 16
    attended = 2 * 2 * (4 + 4) * (3 + 2 + 1)
    assert forward_flops(generator.pixelcnn, config, 4) == 2 * (4 * weights + attended)


def test_the_full_size_is_57_gigaflop():
    with torch.device("meta"):
        network = dsi.PixelCnn(paper().structure, 64, 512)
    assert 55e9 < forward_flops(network, paper().structure, 1024) < 59e9


def test_times_are_means():
    calls = []
    timing = _time(lambda: (calls.append(1), time.sleep(0.01)), 4)
    assert len(calls) == 4
    assert 0.01 <= timing.seconds < 0.04


def test_the_machines_rate_is_plausible():
    assert 0.1 < matrix_rate(3) < 1e5


@pytest.mark.parametrize("change", [{"positions": 0}, {"samples": 0}, {"threads": 0}, {"rounds": 0}])
def test_nothing_to_measure_is_refused(change):
    with pytest.raises(InputError, match="at least 1 of each"):
        bench_dsi(**change, config=tiny())


def test_a_network_without_structure_generator_is_refused():
    with pytest.raises(InputError, match="no structure generator"):
        bench_dsi(config=replace(tiny(), structure=None))


def test_figures_follow_from_what_was_measured():
    assert REPORT.speedup(REPORT.single) == Timing(400.0, 500.0)
    assert REPORT.speedup(REPORT.batch) == Timing(800.0, 1000.0)
    assert REPORT.floor == 0.5


def test_the_command_prints_a_table_and_writes_json(tmp_path, capsys, monkeypatch):
    asked = []

    def measured(rounds: int, **options: int) -> DsiBench:
        asked.append((rounds, options))
        return REPORT

    monkeypatch.setattr("dsi_speed.bench_dsi", measured)
    out = tmp_path / "figures.json"
    command = ["dsi", "--rounds", "2", "--positions", "9", "--samples", "4", "--threads", "2"]
    assert main([*command, "--seed", "7", "--json", str(out)]) == 0
    assert asked == [(2, {"positions": 9, "samples": 4, "threads": 2, "seed": 7})]
    printed = " ".join(capsys.readouterr().out.split())
    assert "600.00" in printed
    assert "8190 of 8192 codes are the paper's procedure's, 2 more" in printed
    assert "one sample takes 3.0 times that, one of 8 1.5 times" in printed
    figures = json.loads(out.read_text())
    assert figures["speedup_batch"] == {"seconds": 800.0, "cpu_seconds": 1000.0}
    assert figures["naive"] == {"seconds": 600.0, "cpu_seconds": 500.0}
    assert figures["floor_seconds"] == 0.5
