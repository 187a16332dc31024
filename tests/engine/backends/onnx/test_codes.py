"""The choice of codes without PyTorch is the choice with it."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from twofold.dsi.choice import choose_exactly
from twofold.dsi.options import SamplingOptions
from twofold.engine.backends.onnx.codes import choose, log_probabilities


@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.3, 1.0, 2.5]),
    st.integers(0, 14),
    st.sampled_from([0.05, 0.5, 0.9, 1.0]),
)
def test_codes_are_those_that_torch_chooses(
    seed: int, codes: int, temperature: float, top_k: int, top_p: float
) -> None:
    rng = np.random.default_rng(seed)
    logits, noise = rng.normal(0, 3, (5, codes)), rng.gumbel(size=(5, codes))
    options = SamplingOptions(temperature, top_k, top_p)
    found = choose(logits, noise, options)
    wanted = [
        choose_exactly(torch.from_numpy(one), torch.from_numpy(other), options)
        for one, other in zip(logits, noise, strict=True)
    ]
    assert found.tolist() == wanted


def test_a_share_of_draws_is_the_code_s_probability() -> None:
    rng = np.random.default_rng(0)
    logits = np.log(np.array([[0.5, 0.3, 0.2]])).repeat(20000, axis=0)
    drawn = np.bincount(choose(logits, rng.gumbel(size=logits.shape), SamplingOptions()), minlength=3)
    np.testing.assert_allclose(drawn / 20000, [0.5, 0.3, 0.2], atol=0.02)
    np.testing.assert_allclose(np.exp(log_probabilities(logits[:1] + 700)), [[0.5, 0.3, 0.2]])
