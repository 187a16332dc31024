"""Windows: where they end, and how many passes a row takes."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsi.lively import CODES, codebook, condition, generator
from twofold.dsi.draw import window_ends
from twofold.dsi.fast.float64 import ExactLogits
from twofold.dsi.fast.jacobi import JacobiDecoder
from twofold.dsi.fast.pixelcnn import IncrementalPixelCnn
from twofold.dsi.fast.weights import FusedPixelCnn
from twofold.dsi.options import SamplingOptions


@given(known=st.lists(st.booleans(), min_size=1, max_size=12), window=st.integers(1, 5))
def test_a_window_holds_so_many_unknown_columns_and_the_known_ones_up_to_the_next(known, window):
    for start, end in enumerate(window_ends(np.array(known), window)):
        inside = known[start:end]
        assert end > start
        assert inside.count(False) <= window
        assert end == len(known) or (inside.count(False) == window and not known[end])


def decoder(width: int, window: int, *, samples: int = 1) -> JacobiDecoder:
    network, vectors = generator().pixelcnn, codebook().vectors
    features = condition(2, width)
    made = IncrementalPixelCnn(FusedPixelCnn(network, vectors), features, samples)
    made.begin_row(0, None)
    return JacobiDecoder(made, ExactLogits(network, vectors, features), SamplingOptions(), window=window)


@torch.inference_mode()
def test_one_position_at_a_time_takes_a_pass_for_each():
    ours = decoder(6, 1)
    codes, noise = torch.zeros(1, 1, 6, dtype=torch.int64), torch.zeros(1, 6, CODES).double()
    ours.decode(codes, noise, torch.zeros(6, dtype=torch.bool), kept=torch.zeros(6, dtype=torch.int64))
    assert ours.passes == 6


@torch.inference_mode()
def test_known_columns_take_no_pass_of_their_own():
    ours = decoder(9, 1)
    codes, noise = torch.zeros(1, 1, 9, dtype=torch.int64), torch.zeros(1, 9, CODES).double()
    known = torch.ones(9, dtype=torch.bool)
    known[4] = False
    ours.decode(codes, noise, known, kept=torch.full((9,), 2))
    assert ours.passes <= 2  # up to column 4, and on from it if its first guess was wrong
    assert codes[0, 0, known].tolist() == [2] * 8


@torch.inference_mode()
def test_right_guesses_take_one_pass():
    """Noise that outweighs the logits makes the first guess right everywhere."""
    ours = decoder(6, 6)
    noise = torch.zeros(1, 6, CODES).double()
    wanted = [3, 1, 4, 1, 5, 2]
    noise[0, range(6), wanted] = 1e3
    codes = torch.zeros(1, 1, 6, dtype=torch.int64)
    ours.decode(codes, noise, torch.zeros(6, dtype=torch.bool), kept=torch.zeros(6, dtype=torch.int64))
    assert codes[0, 0].tolist() == wanted
    assert ours.passes == 1
