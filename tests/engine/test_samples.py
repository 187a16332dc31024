"""Many different answers per hole: their names, their order, what is drawn again, what is told meanwhile."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from engine.fakes import NATIVE, Palette, PaletteConfig, PaletteOptions, Plain, number_of
from twofold.devices import derive_seed
from twofold.engine import samples as samples_module
from twofold.engine.network_inpainter import AT_ONCE
from twofold.engine.samples import MOST_ATTEMPTS, NEAR
from twofold.engine.torch_inpainter import TorchInpainter
from twofold.errors import InputError
from twofold.inpainter import Result, Sample
from twofold.medfe.build import build_medfe
from twofold.medfe.config import tiny
from twofold.network import FilledBatch, FillingNetwork

IMAGE = np.random.default_rng(0).integers(0, 256, (200, 150, 3), np.uint8)
HOLE = np.zeros((200, 150), np.bool_)
HOLE[5:9, 5:15] = HOLE[160:190, 100:130] = True  # two crops, the second the larger hole
LARGE, SMALL = (165, 110), (6, 6)


def fill(colors: int, samples: int, seed: int = 0) -> tuple[Result, Palette]:
    network = Palette(PaletteConfig(colors))
    return TorchInpainter(network, "palette", device="cpu").fill(IMAGE, HOLE, samples, seed), network


@cache
def filled(colors: int, samples: int, seed: int) -> Result:
    return fill(colors, samples, seed)[0]


def known(sample: Sample) -> tuple[object, ...]:
    return sample.log_likelihood, sample.score, sample.index, sample.attempt, sample.duplicate_of


@settings(max_examples=40)
@given(
    colors=st.sampled_from([1, 2, 5, 100]),
    fewer=st.integers(1, 11),
    more=st.integers(1, 11),
    seed=st.integers(0, 5),
)
def test_seed_and_index_name_one_picture_for_ever(colors: int, fewer: int, more: int, seed: int) -> None:
    few, many = filled(colors, fewer, seed), filled(colors, fewer + more, seed)
    for one, other in zip(few.samples, many.samples, strict=False):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.structure, other.structure)
        np.testing.assert_array_equal(one.codes, other.codes)
        assert known(one) == known(other)


def test_first_attempts_are_one_batch_of_their_seeds_for_each_crop() -> None:
    _, network = fill(1000, 6, seed=3)
    assert network.seeds[:2] == [[derive_seed(3, index, place) for index in range(6)] for place in (0, 1)]


def test_more_samples_than_fit_at_once_are_drawn_in_chunks() -> None:
    result, network = fill(10**6, AT_ONCE + 3)
    assert [len(seeds) for seeds in network.seeds if len(seeds) > 1] == [AT_ONCE, AT_ONCE, 3, 3]
    assert [sample.index for sample in result.samples] == list(range(AT_ONCE + 3))


def test_near_duplicates_are_drawn_again_by_seeds_of_their_own() -> None:
    result, network = fill(5, 4, seed=1)
    again = [sample for sample in result.samples if sample.attempt]
    assert again, "choose a seed with a duplicate"
    for sample in result.samples:
        path = (sample.attempt,) if sample.attempt else ()
        number = number_of(derive_seed(1, sample.index, 0, *path), 5)
        assert (sample.codes == number).all()
        level = round((number / 4 * 1.8 - 0.9 + 1) * 127.5)
        assert abs(int(sample.image[LARGE][0]) - level) <= 1
    pictures = [sample.image.astype(float) for sample in result.samples]
    for i, one in enumerate(pictures):
        for other in pictures[:i]:
            assert np.abs(one - other)[HOLE].mean() >= NEAR
    assert all(sample.duplicate_of is None for sample in result.samples)
    assert len(network.seeds) > 2


def test_a_model_that_repeats_itself_is_given_up_and_says_so() -> None:
    result, network = fill(1, AT_ONCE + 2)  # the second chunk is compared with the first as well
    assert [sample.duplicate_of for sample in result.samples] == [None] + [0] * (AT_ONCE + 1)
    assert [sample.attempt for sample in result.samples] == [0] + [MOST_ATTEMPTS] * (AT_ONCE + 1)
    assert len(network.seeds) == 2 * 2 * (1 + MOST_ATTEMPTS)


def test_figures_are_those_of_all_crops_and_codes_of_the_largest() -> None:
    sample = fill(1000, 1, seed=2)[0].samples[0]
    numbers = [number_of(derive_seed(2, 0, place), 1000) for place in (0, 1)]
    levels = [number / 999 * 1.8 - 0.9 for number in numbers]
    assert sample.log_likelihood == pytest.approx(-abs(levels[0]) - abs(levels[1]), abs=1e-6)
    assert sample.score == pytest.approx((900 * levels[0] + 40 * levels[1]) / 940, abs=1e-6)
    assert sample.codes is not None
    assert (sample.codes.shape, sample.codes.dtype) == ((4, 4), np.int64)
    assert (sample.codes == numbers[0]).all()
    for pixel, level in zip((LARGE, SMALL), levels, strict=True):
        assert sample.image[pixel].tolist() == [round((level + 1) * 127.5)] * 3


def test_one_best_answer_is_computed_once() -> None:
    network = Plain()
    result = TorchInpainter(network, "plain", device="cpu").fill(IMAGE, HOLE, samples=20)
    assert [len(seeds) for seeds in network.seeds] == [2]  # both crops at once
    assert [sample.index for sample in result.samples] == list(range(20))
    assert all(sample.duplicate_of is None for sample in result.samples)
    result.samples[0].image[:] = 0
    assert result.samples[1].image.any()
    assert result.options == {}


@pytest.mark.parametrize("samples", [1, 5, 11])
@pytest.mark.parametrize("colors", [1, 3, 1000])
def test_progress_rises_to_its_end(samples: int, colors: int) -> None:
    told: list[tuple[int, int]] = []
    network = Palette(PaletteConfig(colors))
    inpainter = TorchInpainter(network, "palette", device="cpu")
    inpainter.fill(IMAGE, HOLE, samples, progress=lambda done, total: told.append((done, total)))
    done, total = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert list(total) == sorted(total)
    assert all(a <= b for a, b in told)
    assert done[-1] == total[-1]
    assert len(told) == 5 * len(network.seeds)  # four rows and the end of each call


def test_samples_are_told_of_as_soon_as_they_are_final() -> None:
    network, seen = Palette(PaletteConfig(10**6)), []
    inpainter = TorchInpainter(network, "palette", device="cpu")

    def stop(call: int) -> None:
        if len(seen) == AT_ONCE:
            raise KeyboardInterrupt

    network.before = stop
    with pytest.raises(KeyboardInterrupt):
        inpainter.fill(IMAGE, HOLE, samples=AT_ONCE + 1, on_sample=seen.append)
    assert [sample.index for sample in seen] == list(range(AT_ONCE))
    for ours, whole in zip(seen, fill(10**6, AT_ONCE)[0].samples, strict=True):
        np.testing.assert_array_equal(ours.image, whole.image)


def test_without_a_hole_every_sample_is_the_picture() -> None:
    network, seen = Palette(), []
    inpainter = TorchInpainter(network, "palette", device="cpu")
    result = inpainter.fill(IMAGE, np.zeros_like(HOLE), samples=3, on_sample=seen.append)
    assert network.seeds == []
    assert [sample.index for sample in seen] == [0, 1, 2]
    for sample in result.samples:
        np.testing.assert_array_equal(sample.image, IMAGE)


@pytest.mark.parametrize("channels", [0, 1, 4])
def test_grey_and_alpha_photographs_get_different_answers_too(channels: int) -> None:
    shape = (NATIVE, NATIVE) if channels == 0 else (NATIVE, NATIVE, channels)
    image = np.full(shape, 77, np.uint16)
    hole = np.zeros((NATIVE, NATIVE), np.bool_)
    hole[4:9, 4:9] = True
    result = TorchInpainter(Palette(PaletteConfig(4)), "palette", device="cpu").fill(image, hole, samples=3)
    assert len({sample.image[5, 5].tobytes() for sample in result.samples}) == 3
    for sample in result.samples:
        np.testing.assert_array_equal(sample.image[~hole], image[~hole])


def test_result_tells_the_options_it_was_sampled_with() -> None:
    assert fill(5, 1)[0].options == {"temperature": 1.0, "top_k": 0}


def test_fakes_keep_the_protocols() -> None:
    assert isinstance(Palette(), FillingNetwork)
    assert isinstance(Plain(), FillingNetwork)


def test_medfe_gives_its_one_answer_to_every_seed() -> None:
    network = build_medfe(tiny()).eval()
    assert network.default_options is None
    image, hole = torch.rand(1, 3, 64, 64) * 2 - 1, torch.zeros(1, 1, 64, 64)
    hole[..., 10:30, 10:30] = 1
    with torch.no_grad():
        one, three = network.fill(image, hole, [1]), network.fill(image, hole, [1, 2, 3])
        with pytest.raises(ValueError, match="2 pictures need as many seeds, got 3"):
            network.fill(image.expand(2, -1, -1, -1), hole.expand(2, -1, -1, -1), [1, 2, 3])
    for view in ("image", "structure", "texture"):
        assert len(getattr(three, view)) == 3
        for position in range(3):
            assert torch.equal(getattr(three, view)[position], getattr(one, view)[0])


def test_options_of_a_call_are_its_own() -> None:
    inpainter = TorchInpainter(Palette(PaletteConfig(5)), "palette", device="cpu", options={"top_k": 3})
    changed = inpainter.fill(IMAGE, HOLE, options={"temperature": 0.0})
    assert changed.options == {"temperature": 0.0, "top_k": 3}
    assert inpainter.fill(IMAGE, HOLE).options == inpainter.options == {"temperature": 1.0, "top_k": 3}
    assert inpainter.fill(IMAGE, HOLE, options=PaletteOptions(0.5)).options["top_k"] == 0
    with pytest.raises(InputError, match="palette takes no option 'heat'"):
        inpainter.fill(IMAGE, HOLE, options={"heat": 1})
    with pytest.raises(InputError, match="gives one best answer"):
        TorchInpainter(Plain(), "plain", device="cpu").fill(IMAGE, HOLE, options={"top_k": 3})


def test_options_and_detail_of_a_call_are_those_of_loading() -> None:
    network = Palette(PaletteConfig(5))
    loaded = TorchInpainter(network, "palette", device="cpu", options={"temperature": 0.0}, detail="always")
    asked = TorchInpainter(network, "palette", device="cpu")
    one = loaded.fill(IMAGE, HOLE, seed=3)
    other = asked.fill(IMAGE, HOLE, seed=3, options={"temperature": 0.0}, detail="always")
    np.testing.assert_array_equal(one.image, other.image)
    assert one.options == other.options
    with pytest.raises(InputError, match="detail is 'some'"):
        asked.fill(IMAGE, HOLE, detail="some")


def test_an_inpainter_tells_whether_its_answers_differ() -> None:
    assert TorchInpainter(Palette(), "palette", device="cpu").diverse
    assert not TorchInpainter(Palette(), "palette", device="cpu", options={"temperature": 0.0}).diverse
    assert not TorchInpainter(Plain(), "plain", device="cpu").diverse


class Stripes(Plain):
    """Answers with a level more than the brightest known pixel, and keeps what it was asked."""

    largest_size = 4 * NATIVE

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[torch.Tensor, torch.Tensor]] = []

    def fill(self, image, hole, seeds, options=None, *, progress=None) -> FilledBatch:
        self.asked.append((image, hole))
        known = torch.where(hole > 0, -1.0, image).amax(dim=(1, 2, 3), keepdim=True)
        return FilledBatch((known + 2 / 255).expand_as(image))


def test_windows_along_a_scratch_see_each_others_fills() -> None:
    image = np.full((8 * NATIVE, 2 * NATIVE, 3), 100, np.uint8)
    hole = np.zeros(image.shape[:2], np.bool_)
    hole[:, NATIVE] = True
    image[hole] = 255
    network = Stripes()
    filled = TorchInpainter(network, "stripes", device="cpu", detail="none").fill(image, hole).image
    assert set(np.unique(filled[hole])) == {101, 102}
    first, second = (
        [batch for batch in network.asked if bool((batch[0] > 100.5 / 127.5 - 1).any()) == later]
        for later in (False, True)
    )
    assert sum(len(batch) for batch, _ in first) + sum(len(batch) for batch, _ in second) > 8
    np.testing.assert_array_equal(filled[~hole], image[~hole])


def test_small_windows_are_asked_for_together_and_answered_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_medfe(tiny()).eval()
    image = np.random.default_rng(0).integers(0, 256, (900, 1100, 3), np.uint8)
    hole = np.zeros(image.shape[:2], np.bool_)
    hole[50::200, 60::150] = hole[51::200, 60::150] = True
    inpainter = TorchInpainter(network, "tiny", device="cpu", detail="none")
    sizes: list[tuple[int, ...]] = []
    network.register_forward_pre_hook(lambda module, given: sizes.append(tuple(given[0].shape)))
    together = inpainter.fill(image, hole).image
    assert sizes == [(16, 3, 64, 64), (16, 3, 64, 64), (3, 3, 64, 64)]
    sizes.clear()
    monkeypatch.setattr(samples_module, "BATCH", 1)
    alone = inpainter.fill(image, hole).image
    assert sizes == [(1, 3, 64, 64)] * 35
    assert np.abs(together.astype(int) - alone).max() <= 1
    assert (together != alone).mean() < 1e-5


def test_the_products_of_the_engine_take_one_thread() -> None:
    seen: list[set[int]] = []

    class Watching(Plain):
        def fill(self, *given, **named) -> FilledBatch:
            pools = threadpool_info()
            seen.append({pool["num_threads"] for pool in pools if pool["user_api"] == "blas"})
            return super().fill(*given, **named)

    with threadpool_limits(limits=2, user_api="blas"):
        before = threadpool_info()
        assert {pool["num_threads"] for pool in before if pool["user_api"] == "blas"} == {2}
        TorchInpainter(Watching(), "watching", device="cpu").fill(IMAGE, HOLE)
        assert seen == [{1}]
        assert threadpool_info() == before
