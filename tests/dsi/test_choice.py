"""Choosing codes: against a plain reading of the options, and honest about doubt."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsi.lively import random
from twofold.dsi.choice import GUARD, choose
from twofold.dsi.draw import draw
from twofold.dsi.options import SamplingOptions

OPTIONS = st.builds(
    SamplingOptions,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.5]),
    top_k=st.integers(0, 9),
    top_p=st.sampled_from([0.05, 0.4, 0.8, 1.0]),
)


def by_the_book(logits: np.ndarray, noise: np.ndarray, options: SamplingOptions) -> int:
    """argmax(filtered(logits / temperature) + noise), one position."""
    if options.temperature == 0:
        return int(logits.argmax())
    scaled = logits / options.temperature
    order = np.argsort(-scaled, kind="stable")
    share = np.exp(scaled[order] - scaled.max())
    share /= share.sum()
    allowed, mass = [], 0.0
    for rank, code in enumerate(order):
        if (options.top_k and rank >= options.top_k) or (options.top_p < 1 and mass >= options.top_p):
            break
        allowed.append(code)
        mass += share[rank]
    scores = np.full(len(logits), -np.inf)
    scores[allowed] = (scaled + noise)[allowed]
    return int(scores.argmax())


def drawn(logits: torch.Tensor, noise: torch.Tensor, options: SamplingOptions) -> int:
    return int(draw(logits[None].numpy(), noise[None].numpy(), options)[0])


@given(options=OPTIONS, seed=st.integers(0, 1000))
def test_codes_are_those_of_the_definition(options, seed):
    logits, noise = 2 * random(6, 7, seed=seed), random(6, 7, seed=seed + 1).double()
    choice = choose(logits, noise, options)
    for position in range(6):
        row = logits[position].double()
        exact = drawn(row, noise[position], options)
        assert exact == by_the_book(row.numpy(), noise[position].numpy(), options)
        assert choice.codes[position] == exact or not choice.certain[position]


@given(options=OPTIONS, seed=st.integers(0, 1000), step=st.sampled_from([1e-3, 1e-2, 0.1]))
def test_what_is_certain_survives_rounding(options, seed, step):
    """Logits on a coarse grid have many near ties; shift them by a bit less than the guard allows."""
    logits = (random(6, 7, seed=seed) / step).round() * step
    noise = (random(6, 7, seed=seed + 1).double() / step).round() * step
    guard = 0.02
    reach = guard * logits.abs().amax(dim=1, keepdim=True)
    shifted = logits + (torch.rand(6, 7, generator=torch.Generator().manual_seed(seed)) - 0.5) * 0.98 * reach
    choice = choose(logits, noise, options, guard=guard)
    for position in range(6):
        if choice.certain[position]:
            exact = drawn(shifted[position].double(), noise[position], options)
            assert exact == choice.codes[position]


@pytest.mark.parametrize("gap", [0.5, 2.0])
def test_a_gap_below_the_guard_is_doubtful(gap):
    logits = torch.tensor([[8.0, 8.0 + gap * GUARD * 8, -8.0]], dtype=torch.float64)
    choice = choose(logits, torch.zeros(1, 3).double(), SamplingOptions(temperature=0.0))
    assert choice.codes.item() == 1
    assert choice.certain.item() == (gap > 1)


@pytest.mark.parametrize("options", [SamplingOptions(top_k=2), SamplingOptions(top_p=0.7)])
def test_a_doubtful_limit_is_doubtful_only_where_it_decides(options):
    # The second and third code are as good as equal: which of them is allowed hangs on rounding.
    logits = torch.tensor([2.0, 1.0, 1.0 - 1e-7, -5.0]).log_softmax(0).double()
    third, first = torch.tensor([0, 0, 9.0, 0]).double(), torch.tensor([9.0, 0, 0, 0]).double()
    choice = choose(logits.expand(2, -1), torch.stack([third, first]), options)
    assert choice.certain.tolist() == [False, True]
    assert choice.codes[1] == 0


def test_the_first_of_equals_is_chosen_exactly():
    logits = torch.tensor([1.0, 3.0, 3.0]).double()
    assert drawn(logits, torch.zeros(3).double(), SamplingOptions(temperature=0.0)) == 1
    assert drawn(logits, torch.zeros(3).double(), SamplingOptions(top_k=1)) == 1
    assert not choose(
        logits[None], torch.zeros(1, 3).double(), SamplingOptions(temperature=0.0)
    ).certain.item()


def test_a_single_code_is_always_chosen():
    choice = choose(random(4, 1), random(4, 1).double(), SamplingOptions())
    assert choice.codes.tolist() == [0, 0, 0, 0]
    assert choice.certain.all()


def test_with_gumbel_noise_codes_follow_the_softmax():
    logits = torch.tensor([0.0, 1.0, 2.0])
    noise = -torch.log(-torch.log(torch.rand(20000, 3, generator=torch.Generator().manual_seed(0)).double()))
    for temperature in (0.5, 1.0, 2.0):
        codes = choose(logits.expand(20000, -1), noise, SamplingOptions(temperature=temperature)).codes
        share = torch.bincount(codes, minlength=3) / 20000
        torch.testing.assert_close(share, (logits / temperature).softmax(0), atol=0.015, rtol=0)


def test_very_low_temperatures_take_the_likeliest():
    logits = random(5, 7)
    for temperature in (1e-300, 1e-12):
        options = SamplingOptions(temperature=temperature, top_p=0.9, top_k=3)
        choice = choose(logits, random(5, 7, seed=1).double(), options)
        assert torch.equal(choice.codes, logits.argmax(dim=1))
