"""One network for many threads: the bits of a single run, whoever else asks at the same time."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.fakes import Palette, PaletteConfig, PaletteOptions
from twofold.devices import exact_arithmetic
from twofold.dsi.config import tiny as tiny_dsi
from twofold.dsi.model import build_dsi
from twofold.engine.batching import SharedNetwork
from twofold.engine.calls import CallCancelled
from twofold.engine.torch_inpainter import TorchInpainter
from twofold.errors import InputError
from twofold.medfe.config import tiny as tiny_medfe
from twofold.medfe.model import build_medfe
from twofold.network import DiverseNetwork, FilledBatch, FillingNetwork

PATIENCE = 20.0


class Halves:
    """Answers with half of the picture; its batches have the bits of single calls unless ``skew`` is set."""

    size_multiple = native_size = largest_size = 4
    diverse = False

    def __init__(self, skew: float = 0.0) -> None:
        self.skew = skew
        self.sizes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def fill(
        self, image: torch.Tensor, hole: torch.Tensor, seeds: Sequence[int], *, progress: object = None
    ) -> FilledBatch:
        assert not torch.is_grad_enabled()
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        self.sizes.append(len(image))
        if (image == 13).any():
            raise ValueError("thirteen")
        return FilledBatch(image / 2 + self.skew * (len(image) - 1), score=image.mean(dim=(1, 2, 3)))


def picture(level: float, size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((1, 3, size, size), float(level)), torch.ones(1, 1, size, size)


def ask(network: Any, level: float, size: int = 4) -> float:
    answer = network.fill(*picture(level, size), [0])
    assert answer.image.shape == (1, 3, size, size)
    assert answer.score.shape == (1,)
    return float(answer.image[0, 0, 0, 0])


def clock(*steps: float) -> Callable[[], float]:
    """A clock whose readings are so far apart, over and over."""
    now, count = 0.0, 0

    def read() -> float:
        nonlocal now, count
        now += steps[count % len(steps)]
        count += 1
        return now

    return read


def meet(shared: SharedNetwork, network: Halves, levels: Sequence[float]) -> list[Future[float]]:
    """Ask from as many threads while the network is held up by a call before them."""
    ask(shared.view(), 0.0)  # after it no trial runs any more
    network.entered.clear()
    network.gate.clear()
    views = [shared.view() for _ in levels]
    with ThreadPoolExecutor(len(levels) + 1) as pool:
        first = pool.submit(ask, shared.view(), 0.25)
        assert network.entered.wait(PATIENCE)
        futures = [pool.submit(ask, view, level) for view, level in zip(views, levels, strict=True)]
        until(lambda: len(shared._calls) == len(levels))
        network.gate.set()
        assert first.result(PATIENCE) == 0.125
    return futures


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def lively_medfe() -> FillingNetwork:
    torch.manual_seed(0)
    built = build_medfe(tiny_medfe())
    with torch.no_grad():
        for parameter in built.parameters():
            if parameter.ndim == 4:
                parameter.mul_(5)
    return built.eval()


def test_32_threads_get_the_bits_of_single_runs() -> None:
    network = lively_medfe()
    generator = torch.Generator().manual_seed(1)
    tasks = []
    for index in range(32):
        width = 64 if index % 4 else 128
        hole = torch.zeros(1, 1, 64, width)
        hole[..., 8 + index : 40, 5 : 20 + index] = 1
        tasks.append((torch.rand(1, 3, 64, width, generator=generator) * 2 - 1, hole))
    with exact_arithmetic():
        singles = [network.fill(image, hole, [0]) for image, hole in tasks]
    shared = SharedNetwork(network)
    views = [shared.view() for _ in tasks]
    with ThreadPoolExecutor(32) as pool:
        futures = [
            pool.submit(view.fill, image, hole, [0]) for view, (image, hole) in zip(views, tasks, strict=True)
        ]
        answers = [future.result(PATIENCE) for future in futures]
    shared.close()
    for index, answer in enumerate(answers):
        assert torch.equal(answer.image, singles[index].image)
        assert torch.equal(answer.structure, singles[index].structure)
        assert torch.equal(answer.texture, singles[index].texture)


def test_calls_are_joined_once_a_trial_has_shown_the_same_bits() -> None:
    network, told = Halves(), []
    shared = SharedNetwork(network, 8, 0, on_batch=told.append, clock=clock(1))
    for round in range(3):
        levels = [1.0, 2.0, 3.0, 4.0]
        assert [future.result() for future in meet(shared, network, levels)] == [0.5, 1.0, 1.5, 2.0], round
    # Alone, and a trial of two; alone, and a trial of four; then four at once. Two before each round.
    assert network.sizes == [*[1] * 6, 2, *[1] * 6, 4, 1, 1, 4]
    assert told == [*[1] * 14, 4]
    shared.close()


def test_a_network_whose_batches_differ_in_a_bit_is_never_joined_again() -> None:
    network = Halves(skew=2**-24)
    shared = SharedNetwork(network, 8, 0, clock=clock(1))
    for _ in range(3):
        assert [future.result() for future in meet(shared, network, [1.0, 0.5])] == [0.5, 0.25]
    assert network.sizes == [1, 1, 1, 1, 2, *[1] * 8]
    shared.close()


def test_batches_that_do_not_pay_are_left_alone() -> None:
    network = Halves()
    shared = SharedNetwork(network, 8, 0, clock=clock(1, 1, 1, 1, 1, 5))
    for _ in range(4):
        meet(shared, network, [1.0, 2.0])
    assert [size for size in network.sizes if size > 1] == [2]
    shared.close()


def test_no_more_are_joined_than_may_be_and_only_of_one_size() -> None:
    network = Halves()
    shared = SharedNetwork(network, 2, 0, clock=clock(1))
    meet(shared, network, [1.0, 2.0])
    meet(shared, network, [1.0, 2.0, 3.0, 4.0, 5.0])
    assert network.sizes[-5:] == [1, 1, 2, 2, 1]
    network.gate.clear()
    network.entered.clear()
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(ask, shared.view(), 1.0)]
        assert network.entered.wait(PATIENCE)
        futures += [pool.submit(ask, shared.view(), 1.0, size) for size in (4, 8)]
        until(lambda: len(shared._calls) == 2)
        network.gate.set()
        assert [future.result(PATIENCE) for future in futures] == [0.5] * 3
    assert network.sizes[-3:] == [1, 1, 1]
    shared.close()


def test_where_crops_are_joined_a_call_waits_a_moment_for_company() -> None:
    network = Halves()
    shared = SharedNetwork(network, 8, PATIENCE, clock=clock(1))
    meet(shared, network, [1.0, 2.0])  # proves pairs
    until(lambda: bool(shared._proven))  # which it does after all have their answers
    network.sizes.clear()
    views = [shared.view(), shared.view()]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, views[0], 1.0)
        time.sleep(0.05)
        assert not first.done()
        second = pool.submit(ask, views[1], 2.0)
        assert (first.result(PATIENCE), second.result(PATIENCE)) == (0.5, 1.0)
    assert network.sizes == [2]
    del views
    gc.collect()
    alone = shared.view()
    start = time.monotonic()
    assert ask(alone, 1.0) == 0.5
    assert time.monotonic() - start < PATIENCE / 2
    shared.close()


def test_an_error_reaches_exactly_the_call_that_it_belongs_to() -> None:
    network = Halves()
    shared = SharedNetwork(network, 8, 0, clock=clock(1))
    for _ in range(2):  # first one by one; then also joined, which fails and is tried one by one
        good, bad, other = meet(shared, network, [1.0, 13.0, 2.0])
        assert (good.result(), other.result()) == (0.5, 1.0)
        with pytest.raises(ValueError, match="thirteen"):
            bad.result()
        meet(shared, network, [1.0, 2.0, 3.0])
    assert ask(shared.view(), 3.0) == 1.5
    shared.close()


def test_a_joined_call_that_fails_is_answered_one_by_one() -> None:
    network = Halves()
    shared = SharedNetwork(network, 8, 0, clock=clock(1))
    meet(shared, network, [1.0, 2.0])
    meet(shared, network, [1.0, 2.0])
    good, bad = meet(shared, network, [1.0, 13.0])
    assert network.sizes[-3:] == [2, 1, 1]
    assert good.result() == 0.5
    with pytest.raises(ValueError, match="thirteen"):
        bad.result()
    shared.close()


def test_a_waiting_call_that_is_cancelled_leaves_at_once() -> None:
    network = Halves()
    shared = SharedNetwork(network, 8, 0)
    network.gate.clear()
    left = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(ask, shared.view(cancelled=left.is_set), 1.0)
        assert network.entered.wait(PATIENCE)
        waiting = pool.submit(ask, shared.view(cancelled=left.is_set), 2.0)
        time.sleep(0.05)
        assert not running.done()
        assert not waiting.done()
        left.set()
        for future in (running, waiting):
            with pytest.raises(CallCancelled):
                future.result(PATIENCE)
        assert network.sizes == []  # both have left while the network is still held up
        network.gate.set()
    assert ask(shared.view(), 3.0) == 1.5
    assert network.sizes == [1, 1]  # the call that waited was never computed
    shared.close()


def test_a_network_that_tells_its_steps_is_left_at_the_next_one() -> None:
    network, left, steps = Palette(), threading.Event(), []
    shared = SharedNetwork(network)

    def progress(done: int, total: int) -> None:
        steps.append(done)
        left.set()
        time.sleep(0.2)  # long enough for the caller to look

    view = shared.view(cancelled=left.is_set)
    with pytest.raises(CallCancelled):
        view.fill(*picture(0.0, 32), [1], progress=progress)
    assert len(shared.view().fill(*picture(0.0, 32), [1, 2]).image) == 2
    assert steps == [1]
    shared.close()


def test_what_progress_raises_ends_its_own_call_only() -> None:
    shared = SharedNetwork(Palette())

    def progress(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shared.view().fill(*picture(0.0, 32), [1], progress=progress)
    assert len(shared.view().fill(*picture(0.0, 32), [1]).image) == 1
    shared.close()


def test_each_view_samples_by_options_of_its_own() -> None:
    network = Palette()
    shared = SharedNetwork(network, name="palette")
    own, other = shared.view(), shared.view({"temperature": 0.5})
    assert (own.options, other.options) == (PaletteOptions(), PaletteOptions(temperature=0.5))
    assert network.options == PaletteOptions()
    with pytest.raises(InputError, match="palette takes no option 'beam'"):
        shared.view({"beam": 3})
    with pytest.raises(InputError, match="temperature is -1"):
        shared.view({"temperature": -1})
    plain = SharedNetwork(Halves(), name="halves")
    with pytest.raises(InputError, match="halves gives one best answer"):
        plain.view({"temperature": 0.5})
    shared.close()
    plain.close()


def test_diversity_follows_the_options_of_the_view() -> None:
    shared = SharedNetwork(build_dsi(tiny_dsi()))
    assert shared.view().diverse
    assert not shared.view({"temperature": 0.0}).diverse
    assert shared.view().diverse
    shared.close()


def test_a_view_is_what_its_network_is() -> None:
    diverse, plain = SharedNetwork(Palette()), SharedNetwork(Halves())
    assert isinstance(diverse.view(), DiverseNetwork)
    assert isinstance(plain.view(), FillingNetwork)
    assert not isinstance(plain.view(), DiverseNetwork)
    view = plain.view()
    assert (view.weight_count, diverse.view().weight_count) == (0, 1)
    assert (view.size_multiple, view.native_size, view.largest_size, view.diverse) == (4, 4, 4, False)
    diverse.close()
    plain.close()


@pytest.mark.parametrize("make", [lambda: Palette(PaletteConfig(5)), lambda: build_dsi(tiny_dsi())])
def test_inpainters_around_views_answer_like_one_around_the_network(make: Callable[[], Any]) -> None:
    torch.manual_seed(0)
    network = make()
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    hole = np.zeros((40, 50), np.bool_)
    hole[30:35, 30:45] = True
    expected = [
        TorchInpainter(network, "small", device="cpu").fill(image, hole, samples, seed)
        for samples, seed in ((1, 0), (1, 5))
    ]
    shared = SharedNetwork(network)

    def fill(samples: int, seed: int) -> Any:
        painter = TorchInpainter(shared.view(), "small", device="cpu")
        return painter.fill(image, hole, samples, seed)

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(fill, (1, 1), (0, 5)))
    for one, other in zip(results, expected, strict=True):
        assert one.options == other.options
        for ours, theirs in zip(one.samples, other.samples, strict=True):
            np.testing.assert_array_equal(ours.image, theirs.image)
            assert (ours.score, ours.log_likelihood) == (theirs.score, theirs.log_likelihood)
    shared.close()


def test_a_closed_network_answers_nobody_and_leaves_nobody_waiting() -> None:
    network = Halves()
    shared = SharedNetwork(network, 1)
    network.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(ask, shared.view(), 1.0)
        assert network.entered.wait(PATIENCE)
        waiting = pool.submit(ask, shared.view(), 2.0)
        until(lambda: len(shared._calls) == 1)
        closing = threading.Thread(target=shared.close)
        closing.start()
        until(lambda: shared._closed)
        network.gate.set()
        assert running.result(PATIENCE) == 0.5
        with pytest.raises(RuntimeError, match="closed"):
            waiting.result(PATIENCE)
        closing.join(PATIENCE)
    with pytest.raises(RuntimeError, match="closed"):
        ask(shared.view(), 1.0)
    assert not shared._thread.is_alive()


@settings(max_examples=15)
@given(st.lists(st.tuples(st.sampled_from([4, 8]), st.integers(-1000, 1000)), min_size=1, max_size=12))
def test_whatever_meets_each_gets_its_own_answer(tasks: list[tuple[int, int]]) -> None:
    network = Halves()
    shared = SharedNetwork(network, 3, 0.001, clock=clock(1))
    views = [shared.view() for _ in tasks]
    with ThreadPoolExecutor(len(tasks)) as pool:
        for _ in range(3):
            futures = [
                pool.submit(ask, view, level, size)
                for view, (size, level) in zip(views, tasks, strict=True)
                if level != 13
            ]
            assert [future.result(PATIENCE) for future in futures] == [
                level / 2 for _, level in tasks if level != 13
            ]
    shared.close()
