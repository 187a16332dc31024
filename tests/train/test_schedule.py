import pytest

from twofold.train.dsi_structure import PAPER_RATE, PAPER_WARMUP
from twofold.train.schedule import learning_rate_factor


def test_cosine_falls_from_one_to_two_percent():
    factors = [learning_rate_factor(step, 100, kind="cosine", warmup=0) for step in range(101)]
    assert factors[0] == 1
    assert factors[50] == pytest.approx(0.51)
    assert factors[100] == pytest.approx(0.02)
    assert factors == sorted(factors, reverse=True)


def test_linear_is_flat_for_a_third_then_falls_to_nothing():
    factors = [learning_rate_factor(step, 60, kind="linear", warmup=0) for step in range(60)]
    assert factors[:21] == [1] * 21
    assert factors[40] == pytest.approx(0.5, abs=0.02)
    assert 0 < factors[59] < 0.05


def test_warmup_rises_in_a_line():
    factors = [learning_rate_factor(step, 100, kind="constant", warmup=4) for step in range(6)]
    assert factors == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])


def test_power_is_the_official_rate_of_the_structure_generator():
    for step in (0, 99, 20_000, 46_907, 46_909, 100_000, 999_999):
        i = step + 1
        official = 0.18 * 128**-0.5 * min(i**-0.35, i * 16_000**-1.5)
        factor = learning_rate_factor(step, 1_000_000, kind="power", warmup=PAPER_WARMUP)
        assert PAPER_RATE * factor == pytest.approx(official, rel=1e-4)
