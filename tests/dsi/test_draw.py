"""Draws follow the probabilities; ``test_choice.py`` holds them to the definition."""

from __future__ import annotations

import numpy as np

from twofold.dsi.draw import draw, log_probabilities
from twofold.dsi.options import SamplingOptions


def test_a_share_of_draws_is_the_code_s_probability() -> None:
    rng = np.random.default_rng(0)
    logits = np.log(np.array([[0.5, 0.3, 0.2]])).repeat(20000, axis=0)
    drawn = np.bincount(draw(logits, rng.gumbel(size=logits.shape), SamplingOptions()), minlength=3)
    np.testing.assert_allclose(drawn / 20000, [0.5, 0.3, 0.2], atol=0.02)
    np.testing.assert_allclose(np.exp(log_probabilities(logits[:1] + 700)), [[0.5, 0.3, 0.2]])
