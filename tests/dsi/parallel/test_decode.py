"""Decoding in parallel: what it depends on, what it keeps, and how it is learnt."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dsi.lively import CODE_SIZE, CODES, TINY, codebook, condition, enliven, random
from twofold.dsi.config import DsiConfig, StructureConfig, tiny
from twofold.dsi.model import build_dsi
from twofold.dsi.options import SamplingOptions
from twofold.dsi.parallel.decode import decode_parallel, hidden_share, hide
from twofold.dsi.parallel.network import MaskedStructureGenerator
from twofold.errors import InputError

BOOK = codebook()


def masked_generator(config: StructureConfig = TINY) -> MaskedStructureGenerator:
    made = MaskedStructureGenerator(dataclasses.replace(config, order="parallel"), CODE_SIZE, CODES).eval()
    enliven(made, gain=0.8)
    return made


GENERATOR = masked_generator()


FOUR = SamplingOptions(passes=4)


def draw(seeds, options=FOUR, size=(5, 6), **places):
    return decode_parallel(GENERATOR, BOOK, condition(*size), seeds, options, **places)


def logits_of(codes, hidden, generator=GENERATOR):
    with torch.inference_mode():
        return generator.network(BOOK.look_up(codes[None]), hidden[None], condition(*codes.shape))[0]


def test_what_hidden_positions_hold_has_no_influence_and_every_other_position_has_on_every_side():
    hidden = torch.zeros(1, 5, 6, dtype=torch.bool)
    hidden[0, 2, 3] = True
    vectors, features = random(1, CODE_SIZE, 5, 6), condition(5, 6)
    before = GENERATOR.network(vectors, hidden, features)[0, :, 2, 3]
    changed = vectors.clone()
    changed[:, :, 2, 3] += 1
    assert torch.equal(GENERATOR.network(changed, hidden, features)[0, :, 2, 3], before)
    for row, column in [(0, 0), (4, 5), (2, 2), (2, 4)]:
        changed = vectors.clone()
        changed[:, :, row, column] += 1
        assert not torch.equal(GENERATOR.network(changed, hidden, features)[0, :, 2, 3], before)


def test_one_pass_without_temperature_takes_the_likeliest_codes():
    drawn = draw([0, 1], SamplingOptions(temperature=0.0, passes=1))
    expected = logits_of(torch.zeros(5, 6, dtype=torch.int64), torch.ones(5, 6, dtype=torch.bool)).argmax(0)
    assert torch.equal(drawn.codes[0], expected)
    assert torch.equal(drawn.codes[1], expected)


def slow_reference(options: SamplingOptions, kept, known) -> tuple[torch.Tensor, float]:
    """Greedy decoding, position by position in plain Python."""
    codes, hidden = kept.clone(), ~known
    codes[hidden] = 0
    missing, total = int(hidden.sum()), 0.0
    for step in range(options.passes):
        likelihood = logits_of(codes, hidden).double().log_softmax(0)
        found = sorted(
            (float(likelihood[:, row, column].max()), row, column, int(likelihood[:, row, column].argmax()))
            for row, column in hidden.nonzero().tolist()
        )
        stay = math.floor(missing * math.cos(math.pi / 2 * (step + 1) / options.passes) + 1e-9)
        for value, row, column, code in found[min(stay, len(found) - 1) :]:
            codes[row, column], hidden[row, column] = code, False
            total += value
        if not hidden.any():
            break
    return codes, total


@pytest.mark.parametrize("passes", [2, 3, 7, 40])
def test_greedy_decoding_is_that_of_a_slow_reference(passes):
    known = random(5, 6) > 0.4
    kept = torch.randint(CODES, (5, 6), generator=torch.Generator().manual_seed(1))
    options = SamplingOptions(temperature=0.0, passes=passes)
    drawn = draw([0], options, kept=kept, known=known)
    codes, likelihood = slow_reference(options, kept, known)
    assert torch.equal(drawn.codes[0], codes)
    assert float(drawn.log_likelihood[0]) == pytest.approx(likelihood, rel=1e-5)


def test_known_codes_stay_and_a_sample_is_the_same_alone_and_among_others():
    known = random(5, 6) > 0.2
    kept = torch.randint(CODES, (5, 6), generator=torch.Generator().manual_seed(1))
    together = draw([4, 5, 4], kept=kept, known=known)
    assert (together.codes[:, known] == kept[known]).all()
    for number, seed in enumerate([4, 5, 4]):
        assert torch.equal(draw([seed], kept=kept, known=known).codes[0], together.codes[number])
    assert not torch.equal(together.codes[0], together.codes[1])


def test_one_pass_draws_from_the_networks_distribution():
    shallow = masked_generator(dataclasses.replace(TINY, groups=1, layers=1, out_layers=0))
    options, features = SamplingOptions(passes=1), condition(1, 2)
    codes = decode_parallel(shallow, BOOK, features, range(3000), options).codes[:, 0, 1]
    logits = logits_of(torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, 2, dtype=torch.bool), shallow)
    share = torch.bincount(codes, minlength=CODES) / 3000
    torch.testing.assert_close(share, logits[:, 0, 1].softmax(0), atol=0.03, rtol=0)


def test_nothing_to_draw_and_wrong_arguments():
    kept = torch.ones(5, 6, dtype=torch.int64)
    drawn = draw([0], kept=kept, known=torch.ones(5, 6, dtype=torch.bool))
    assert torch.equal(drawn.codes[0], kept)
    assert float(drawn.log_likelihood[0]) == 0
    with pytest.raises(InputError, match="no seed is given"):
        draw([])
    with pytest.raises(InputError, match="one grid"):
        draw([0], kept=kept[:2], known=kept[:2] > 0)
    with pytest.raises(InputError, match="passes is 0"):
        SamplingOptions(passes=0)
    with pytest.raises(InputError, match="confidence_noise"):
        SamplingOptions(confidence_noise=-1.0)


def test_progress_counts_every_pass_and_dropout_comes_back():
    seen = []
    GENERATOR.train()
    draw([0, 1], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(step, 8) for step in range(1, 9)]
    assert GENERATOR.training
    GENERATOR.eval()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 0.999))
def test_training_hides_the_share_of_missing_codes_that_it_draws(seed, u):
    generator = torch.Generator().manual_seed(seed)
    missing = torch.rand(3, 4, 5, generator=generator) > 0.5
    missing[2] = False
    share = hidden_share(torch.full((3,), u))
    hidden = hide(missing, share, torch.rand(3, 4, 5, generator=generator))
    assert not (hidden & ~missing).any()
    for picture in range(2):
        expected = math.ceil(float(share[picture]) * int(missing[picture].sum()))
        assert int(hidden[picture].sum()) == expected
    assert not hidden[2].any()


def test_a_whole_network_fills_and_official_mode_refuses_the_order():
    config = tiny()
    parallel = dataclasses.replace(config.structure, order="parallel")
    dsi = build_dsi(dataclasses.replace(config, structure=parallel)).eval()
    image, hole = random(1, 3, 64, 64).clamp(-1, 1), torch.zeros(1, 1, 64, 64)
    hole[..., 16:40, 16:40] = 1
    with torch.inference_mode():
        filled = dsi.fill(image, hole, [1, 2])
        alone = dsi.fill(image, hole, [2])
    assert filled.image.shape == (2, 3, 64, 64)
    assert torch.equal(filled.image[1:], alone.image)
    with pytest.raises(ValueError, match="order='parallel'"):
        DsiConfig(mode="official", structure=StructureConfig(order="parallel"))
