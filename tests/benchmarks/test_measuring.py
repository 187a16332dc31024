"""Measuring at a tiny size: every figure is of what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import measuring
import networks
from measuring import Row, measure, network_peak
from networks import MODELS, open_subject, picture
from rates import describe_machine, matrix_rates
from twofold.dsi.config import tiny as tiny_dsi
from twofold.errors import InputError
from twofold.medfe.build import build_medfe
from twofold.medfe.config import MedfeConfig

OFFICIAL = MedfeConfig(mode="official", encoder_channels=(2, 3, 4, 5, 5, 5), fill_channels=4, native_size=192)


@pytest.fixture
def tiny_models(monkeypatch):
    """Tiny networks in place of the full-size ones."""
    monkeypatch.setattr(networks.medfe_sizes, "paper", lambda mode: OFFICIAL)
    monkeypatch.setattr(networks.dsi_sizes, "paper", tiny_dsi)


def test_all_forms_of_medfe_are_measured_in_turn(tiny_models):
    threads = torch.get_num_threads()
    rows = list(measure(["medfe-full"], loads=[(1, 1), (2, 1), (1, 2)], rounds=2, memory=False))
    assert [(row.form, row.samples, row.batch) for row in rows] == [
        (form, *load) for load in ((1, 1), (2, 1), (1, 2)) for form in ("reference", "fp32", "bf16")
    ]
    assert all(len(row.seconds) == 2 and row.least_seconds > 0 for row in rows)
    assert [row.times_faster for row in rows[::3]] == [1.0] * 3
    assert rows[1].times_faster == rows[0].least_seconds / rows[1].least_seconds
    assert rows[1].closeness > 60
    assert rows[2].closeness > 35
    assert {"encoder", "filling", "decoder", "other"} <= set(rows[1].stages)
    assert rows[0].gigaflop == rows[1].gigaflop > 0
    assert rows[6].gigaflop == pytest.approx(2 * rows[0].gigaflop)
    assert torch.get_num_threads() == threads


def test_the_papers_sampling_takes_the_place_of_ours(tiny_models, monkeypatch):
    monkeypatch.setattr(measuring, "_naive_seconds", lambda *rest: 100.0)
    reference, ours, *_ = measure(["dsi-full"], loads=[(3, 1)], rounds=1, memory=False)
    assert (reference.form, ours.form) == ("reference", "fp32")
    assert 300 < reference.least_seconds < 301
    assert ours.times_faster == reference.least_seconds / ours.least_seconds > 50
    assert ours.gigaflop == pytest.approx(3 * measuring.gigaflop_of("dsi-full", 1))


def test_reference_answers_are_those_of_the_network(tiny_models):
    pixels, hole = picture(192, 2, 5)
    reference, ours = (
        open_subject("medfe-full", form, 5).fill(pixels, hole, [0, 1]) for form in ("reference", "fp32")
    )
    assert np.abs(reference.astype(int) - ours).max() <= 1
    assert np.array_equal(ours[~hole], pixels[~hole])
    assert len(open_subject("medfe-full", "reference", 5).fill(pixels[:1], hole[:1], [0, 1, 2])) == 3


def test_networks_of_one_seed_are_the_same_and_leave_chance_alone(tiny_models):
    before = torch.random.get_rng_state()
    pixels, hole = picture(64, 1, 0)
    first, second, other = (
        open_subject("dsi-full", "fp32", seed).fill(pixels, hole, [3]) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_operations_are_those_of_the_convolutions(tiny_models):
    network = build_medfe(OFFICIAL)
    seen = []
    for part in network.modules():
        if isinstance(part, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            part.register_forward_hook(lambda part, given, answer: seen.append((part, given[0], answer)))
    network(*(torch.zeros(1, channels, 192, 192) for channels in (3, 1)))
    by_hand = 0
    for part, given, answer in seen:
        places = given if isinstance(part, torch.nn.ConvTranspose2d) else answer
        by_hand += 2 * part.weight.numel() * places[0, 0].numel() * len(places)
    counted = measuring.gigaflop_of("medfe-full", 1) * 1e9
    assert by_hand <= counted < 1.5 * by_hand  # the propagation's matrix products are not convolutions


def test_memory_is_that_of_a_process_of_its_own():
    peak = network_peak("medfe-small", "fp32", 1, threads=1, seed=1)
    assert 150 < peak < 3000


def test_a_process_that_fails_ends_in_one_error():
    with pytest.raises(InputError, match=r"medfe-none as fp32 stopped with status 1"):
        network_peak("medfe-none", "fp32", 1, threads=1, seed=1)


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"threads": 0}])
def test_nothing_to_measure_is_refused(wrong):
    with pytest.raises(InputError, match="at least 1 of each"):
        list(measure(["medfe-small"], **wrong))


def test_an_unknown_model_is_refused_at_once():
    with pytest.raises(InputError, match=r"no model 'lama' to measure; choose from medfe-small"):
        list(measure(["medfe-small", "lama"]))


def test_the_machine_is_described_without_its_name():
    rates = matrix_rates(1)
    assert 0.5 < rates["fp32"] < 1e5
    assert rates["bf16"] > 0
    described = describe_machine(3)
    assert described["threads"] == 3
    assert {"processor", "flags", "torch", "python", "twofold", "system"} <= set(described)


def test_a_row_tells_the_lesser_of_clock_and_processor():
    assert Row("medfe-small", "fp32", 1, 1, (3.0, 2.0), 1.5).least_seconds == 1.5
    assert Row("medfe-small", "fp32", 1, 1, (3.0, 2.0), 4.0).least_seconds == 2.0
    assert set(MODELS) == {"medfe-small", "dsi-small", "medfe-full", "dsi-full"}
