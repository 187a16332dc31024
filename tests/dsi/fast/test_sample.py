"""Fast sampling: the plain form in float64, token for token; likelihoods; what a sample depends on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dsi.lively import CODE_SIZE, CODES, codebook, condition, enliven, generator, random, sample_exactly
from twofold.dsi import choice
from twofold.dsi.choice import Choice
from twofold.dsi.config import StructureConfig
from twofold.dsi.fast import jacobi, sample
from twofold.dsi.fast.horizontal import HorizontalStack
from twofold.dsi.fast.pixelcnn import IncrementalPixelCnn
from twofold.dsi.fast.sample import sample_structure
from twofold.dsi.options import SamplingOptions
from twofold.dsi.quantize import Codebook
from twofold.dsi.sampling import sample_structure_naive
from twofold.dsi.structure import StructureGenerator
from twofold.errors import InputError

GENERATOR, BOOK = generator(), codebook()
DEFAULT = SamplingOptions()


def draw(seeds, options=DEFAULT, *, size=(3, 5), how=sample_structure, **more):
    return how(GENERATOR, BOOK, condition(*size), seeds, options, **more)


def drafting(on: bool) -> Callable[[torch.device, int], bool]:
    """An answer to whether codes are guessed in bfloat16 first, whatever this machine would say."""
    return lambda device, samples: on


@pytest.fixture(params=[False, True], ids=["plain", "drafted"])
def either_way(request, monkeypatch):
    monkeypatch.setattr(sample, "draft_pays", drafting(request.param))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_incremental_is_naive_token_for_token(data):
    height, width = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    options = SamplingOptions(
        temperature=data.draw(st.sampled_from([0.0, 0.6, 1.0, 1.7])),
        top_k=data.draw(st.sampled_from([0, 0, 1, 3])),
        top_p=data.draw(st.sampled_from([1.0, 1.0, 0.6])),
    )
    seeds = data.draw(st.lists(st.integers(0, 2**40), min_size=1, max_size=5))
    shares = data.draw(st.sampled_from([None, 0.0, 0.3, 0.8, 1.0]))
    places = {}
    if shares is not None:
        chance = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
        places["known"] = torch.rand(height, width, generator=chance) < shares
        places["kept"] = torch.randint(CODES, (height, width), generator=chance)
    made = generator(seed=data.draw(st.integers(0, 3)))
    features = condition(height, width, seed=data.draw(st.integers(0, 3)))
    window = data.draw(st.sampled_from([None, 1, 2, 4]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "draft_pays", drafting(data.draw(st.booleans())))
        ours = sample_structure(made, BOOK, features, seeds, options, window=window, **places)
    naive = sample_exactly(made, BOOK, features, seeds, options, **places)
    assert torch.equal(ours.codes, naive.codes)
    torch.testing.assert_close(ours.log_likelihood, naive.log_likelihood, rtol=1e-5, atol=1e-5)
    if places:
        known = places["known"]
        assert (ours.codes[:, known] == places["kept"][known]).all()


def test_the_likelihood_is_that_of_the_final_codes_where_they_were_drawn():
    known = random(4, 5) > 0.5
    kept = torch.randint(CODES, (4, 5), generator=torch.Generator().manual_seed(0))
    features = condition(4, 5)
    options = SamplingOptions(temperature=0.5, top_k=3)
    drawn = sample_structure(GENERATOR, BOOK, features, [1, 2], options, kept=kept, known=known)
    logits = GENERATOR.pixelcnn(BOOK.look_up(drawn.codes), features.expand(2, -1, -1, -1))
    loss = torch.nn.functional.cross_entropy(logits.double(), drawn.codes, reduction="none")
    torch.testing.assert_close(
        drawn.log_likelihood, -(loss * ~known).sum(dim=(1, 2)).detach(), rtol=1e-6, atol=1e-6
    )
    assert drawn.log_likelihood.dtype == torch.float64


def test_a_sample_is_the_same_alone_and_among_others(either_way):
    together = draw([5, 6, 7, 5])
    for number, seed in enumerate([5, 6, 7, 5]):
        assert torch.equal(draw([seed]).codes[0], together.codes[number])
    assert torch.equal(together.codes[0], together.codes[3])
    assert not torch.equal(together.codes[0], together.codes[1])


def test_a_code_depends_on_nothing_that_comes_after_it():
    """A grid with more rows begins with the same codes, for the condition above is the same."""
    features = condition(4, 5)
    tall = sample_structure(GENERATOR, BOOK, features, [3], DEFAULT)
    short = sample_structure(GENERATOR, BOOK, features[:, :, :2], [3], DEFAULT)
    assert torch.equal(tall.codes[:, :2], short.codes)


def test_temperature_nought_takes_the_likeliest_code_whatever_the_seed():
    drawn = draw([1, 2], SamplingOptions(temperature=0.0))
    assert torch.equal(drawn.codes[0], drawn.codes[1])
    logits = GENERATOR.pixelcnn(BOOK.look_up(drawn.codes), condition(3, 5).expand(2, -1, -1, -1))
    assert torch.equal(logits.argmax(dim=1), drawn.codes)


def test_codes_are_draws_from_the_networks_distribution():
    features = condition(1, 2)
    codes = sample_structure(GENERATOR, BOOK, features, range(4000), DEFAULT).codes[:, 0]
    blank = GENERATOR.pixelcnn(torch.zeros(1, CODE_SIZE, 1, 2), features)
    share = torch.bincount(codes[:, 0], minlength=CODES) / 4000
    torch.testing.assert_close(share, blank[0, :, 0, 0].softmax(0).detach(), atol=0.03, rtol=0)
    first = int(share.argmax())
    given_first = codes[codes[:, 0] == first, 1]
    vectors = BOOK.look_up(torch.tensor([[[first, 0]]]))
    expected = GENERATOR.pixelcnn(vectors, features)[0, :, 0, 1].softmax(0).detach()
    share = torch.bincount(given_first, minlength=CODES) / len(given_first)
    torch.testing.assert_close(share, expected, atol=0.06, rtol=0)


def twins(gap: float) -> StructureGenerator:
    """A float64 generator in which codes 2 and 4 are the likeliest everywhere, 4 by a tiny gap."""
    made = generator().double()
    last = made.pixelcnn.to_logits
    with torch.no_grad():
        last.v[4], last.g[4] = last.v[2], last.g[2]
        last.b[2], last.b[4] = 30.0, 30.0 + gap
    return made


@pytest.mark.parametrize(("gap", "winner"), [(1e-9, 4), (-1e-9, 2), (0.0, 2)])
def test_near_ties_fall_as_float64_says(monkeypatch, either_way, gap, winner):
    precise, rounded = twins(gap), generator()
    rounded.load_state_dict(precise.state_dict())  # in float32, which loses the gap
    monkeypatch.setattr("twofold.dsi.fast.float64.deepcopy", lambda network: precise.pixelcnn)
    for how, made in ((sample_structure, rounded), (sample_exactly, precise)):
        drawn = how(made, BOOK, condition(2, 3), [0, 1], SamplingOptions(temperature=0.0))
        assert (drawn.codes == winner).all()


def test_codes_do_not_depend_on_how_rounding_falls(monkeypatch, either_way):
    """With a large guard nearly every code is decided exactly, and the codes stay the same."""
    plain = draw([0, 1])
    monkeypatch.setattr(jacobi, "choose", partial(choice.choose, guard=0.3))
    assert torch.equal(draw([0, 1]).codes, plain.codes)
    assert torch.equal(draw([0, 1], how=sample_exactly).codes, plain.codes)


def test_exact_decisions_that_change_a_code_are_followed_up(monkeypatch, either_way):
    """A fast network that knows nothing of one column: what comes after it is decoded again."""
    plain, original, told = draw([0, 1, 2]), HorizontalStack.window, choice.choose

    def blind(self, codes_left: Tensor, samples: Tensor, columns: Tensor, *, look: bool = True) -> Tensor:
        logits = original(self, codes_left, samples, columns, look=look)
        is_draft = self.weights.dtype == torch.bfloat16
        return logits if is_draft else torch.where((columns == 2)[..., None], 0.0, logits)

    def doubt(logits: Tensor, noise: Tensor, options: SamplingOptions) -> Choice:
        chosen = told(logits, noise, options)
        return Choice(chosen.codes, chosen.certain & logits.any(dim=-1))

    monkeypatch.setattr(HorizontalStack, "window", blind)
    monkeypatch.setattr(jacobi, "choose", doubt)
    assert torch.equal(draw([0, 1, 2]).codes, plain.codes)
    monkeypatch.setattr(jacobi, "choose", told)
    assert not torch.equal(draw([0, 1, 2]).codes, plain.codes)


def test_dropout_is_off_and_the_network_stays_as_it_was():
    plain = draw([1])
    GENERATOR.train()
    try:
        for how in (sample_structure, sample_structure_naive):
            assert torch.equal(draw([1], how=how).codes, plain.codes)
            assert GENERATOR.pixelcnn.training
    finally:
        GENERATOR.eval()


def test_changed_weights_are_noticed(either_way):
    made = generator()
    features = condition(3, 5)
    first = sample_structure(made, BOOK, features, [0], DEFAULT)
    enliven(made, seed=9)
    second = sample_structure(made, BOOK, features, [0], DEFAULT)
    assert not torch.equal(first.codes, second.codes)
    assert torch.equal(second.codes, sample_exactly(made, BOOK, features, [0], DEFAULT).codes)


@pytest.mark.parametrize("how", [sample_structure, sample_exactly])
def test_progress_counts_the_rows_that_are_computed(how):
    known = torch.zeros(4, 3, dtype=torch.bool)
    known[0] = known[3] = True
    told: list[tuple[int, int]] = []
    kept = torch.ones(4, 3, dtype=torch.int64)
    draw([0], size=(4, 3), how=how, known=known, kept=kept, progress=lambda *rows: told.append(rows))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_rows_after_the_last_drawn_one_are_not_computed(monkeypatch):
    begun = []
    original = IncrementalPixelCnn.begin_row

    def counted(self: IncrementalPixelCnn, row: int, codes: Tensor | None) -> None:
        begun.append(row)
        original(self, row, codes)

    monkeypatch.setattr(IncrementalPixelCnn, "begin_row", counted)
    known = torch.ones(4, 3, dtype=torch.bool)
    known[1, 1] = False
    kept = torch.ones(4, 3, dtype=torch.int64)
    drawn = draw([0], size=(4, 3), known=known, kept=kept)
    assert begun == [0, 1]
    assert (drawn.codes[:, known] == 1).all()


@pytest.mark.parametrize("how", [sample_structure, sample_exactly])
def test_all_known_is_nothing_to_draw(how):
    kept = torch.randint(CODES, (3, 5))
    drawn = draw([0, 1], how=how, kept=kept, known=torch.ones(3, 5, dtype=torch.bool))
    assert torch.equal(drawn.codes, kept.expand(2, -1, -1))
    assert drawn.log_likelihood.tolist() == [0.0, 0.0]


def test_kept_codes_are_looked_at_only_where_known(either_way):
    known = torch.zeros(3, 5, dtype=torch.bool)
    known[1, 2] = True
    kept = torch.full((3, 5), 4)
    other = torch.where(known, kept, 10**6)  # no such code
    first, second = (draw([0], kept=codes, known=known) for codes in (kept, other))
    assert torch.equal(first.codes, second.codes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": []}, "no seed is given"),
        ({"seeds": [1, -2]}, "a seed is -2"),
        ({"condition": torch.zeros(2, 5, 3, 5)}, "one picture's features"),
        ({"known": torch.zeros(3, 5, dtype=torch.bool)}, "give both or none"),
        (
            {"known": torch.zeros(3, 4, dtype=torch.bool), "kept": torch.zeros(3, 5, dtype=torch.int64)},
            r"\[3, 4\].*one grid",
        ),
        ({"window": 0}, "window is 0"),
    ],
)
def test_what_does_not_fit_is_refused(change, words):
    given = {"seeds": [0], "condition": condition(3, 5)} | change
    with pytest.raises(InputError, match=words):
        sample_structure(GENERATOR, BOOK, options=DEFAULT, **given)


@pytest.mark.parametrize("wrong", [0.0, 0.5, 1.0])
def test_bad_drafts_change_no_code(monkeypatch, wrong):
    """Drafts that say anything at some columns, or everywhere, cost passes and nothing else."""
    monkeypatch.setattr(sample, "draft_pays", drafting(False))
    plain = draw([0, 1, 2])
    original = HorizontalStack.window
    chance = torch.Generator().manual_seed(0)
    asked = []

    def confused(self, codes_left: Tensor, samples: Tensor, columns: Tensor, *, look: bool = True) -> Tensor:
        logits = original(self, codes_left, samples, columns, look=look)
        if self.weights.dtype == torch.float32:
            return logits
        asked.append(look)
        where = torch.rand(7, generator=torch.Generator().manual_seed(1))[columns] < wrong
        return torch.where(where[..., None], 9 * torch.randn(logits.shape, generator=chance), logits)

    monkeypatch.setattr(sample, "draft_pays", drafting(True))
    monkeypatch.setattr(HorizontalStack, "window", confused)
    drawn = draw([0, 1, 2])
    assert torch.equal(drawn.codes, plain.codes)
    torch.testing.assert_close(drawn.log_likelihood, plain.log_likelihood, rtol=1e-5, atol=1e-5)
    assert True in asked
    assert False in asked


def test_good_drafts_leave_one_pass_a_row(monkeypatch):
    """The draft in float32 and noise that outweighs what attention finds: the network looks once."""
    monkeypatch.setattr(sample, "draft_pays", drafting(True))
    passes = []
    original = HorizontalStack.window

    def counted(self, *where: Tensor, look: bool = True) -> Tensor:
        passes.append(self.weights.dtype)
        return original(self, *where, look=look)

    monkeypatch.setattr(HorizontalStack, "window", counted)
    draw([0], SamplingOptions(temperature=100.0), size=(4, 5))
    assert passes.count(torch.float32) == 4
    assert passes.count(torch.bfloat16) >= 4


def test_one_code_leaves_no_choice():
    made, book = generator(codes=1), codebook(codes=1)
    drawn = sample_structure(made, book, condition(2, 3), [0], DEFAULT)
    assert (drawn.codes == 0).all()
    assert drawn.log_likelihood.item() == 0


@pytest.fixture(scope="module")
def full_size():
    """The paper's network on two rows of sixteen codes, and what the plain form draws."""
    torch.manual_seed(0)
    with torch.device("meta"):
        made = StructureGenerator(StructureConfig(), 64, 512)
    made.condition = torch.nn.Identity()
    made.to_empty(device="cpu").eval()
    enliven(made.pixelcnn, gain=0.35)
    places = made, Codebook(512, 64), random(1, 256, 2, 16)
    return places, sample_exactly(*places, [2], DEFAULT)


def test_full_size_rows_are_those_of_the_plain_form(either_way, full_size):
    """One sample beside another."""
    places, plain = full_size
    ours = sample_structure(*places, [1, 2, 3], DEFAULT)
    assert torch.equal(ours.codes[1], plain.codes[0])
    torch.testing.assert_close(ours.log_likelihood[1], plain.log_likelihood[0], rtol=1e-5, atol=1e-4)
    assert len(ours.codes.unique()) > 20


def test_drafts_need_instructions_that_this_pytorch_knows_of(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(sample, "prepacked", lambda weight: weight)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert sample.draft_pays(cpu, 1)
    assert not sample.draft_pays(torch.device("cuda"), 1)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not sample.draft_pays(cpu, 1)
    assert sample.draft_pays(cpu, 2)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert not sample.draft_pays(cpu, 8)
    monkeypatch.undo()
    monkeypatch.setattr(sample, "prepacked", lambda weight: None)
    assert not sample.draft_pays(cpu, 8)
