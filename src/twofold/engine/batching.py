"""One network for many jobs at once: their calls meet in one thread, which may join them.

The rule above all: an answer does not depend, in any bit, on what else is asked for at the same time.

So crops are only joined where that was seen to change nothing. The first time that calls of equal shapes
meet, each is answered alone; then, after the answers are out, the same batch is tried, and only if every bit
is the same and it took no longer are batches of that many such crops computed as one from then on: in what
order a kernel sums depends on shapes, not on values. At the first difference the network is never joined
again. Measured with PyTorch 2.13 on a CPU (AVX-512, 1 and 2 threads, 256 to 512 pixels, 2 to 8 crops):
``medfe-small`` differs in a batch by up to 3e-7 of a range of 2, in every crop, and two values of 46 million
moved by one level of 255; with one thread a batch took 1.0 to 1.9 times the time of its crops alone.
So there crops stay single, and what is shared is the network, its memory and its place in the queue.

Networks that sample compute one picture after the other anyway, so that their calls are never joined: a job
then hears of each of its own steps and can leave at any of them.
"""

from __future__ import annotations

import copy
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from twofold.devices import exact_arithmetic
from twofold.engine.calls import Call, CallCancelled, Cancelled, DiverseNetworkView, NetworkView
from twofold.engine.load import set_options
from twofold.network import DiverseNetwork, FilledBatch, FillingNetwork

_TICK = 0.02  # seconds between looks at whether a waiting call was cancelled


class SharedNetwork:
    """A network that many threads ask at once, each through a view of its own; see the module."""

    def __init__(
        self,
        network: FillingNetwork,
        largest_batch: int = 8,
        wait: float = 0.004,
        *,
        name: str = "network",
        on_batch: Callable[[int], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Take a network over and start its thread; a torch module is set to evaluation.

        Args:
            network: on the device of the images that it will be given, see ``load_network``; nobody else may
                use it.
            largest_batch: most crops that are given to it at once; 1: they are never joined.
            wait: seconds to wait for company, where crops are joined and other views are about.
            name: for messages and the thread.
            on_batch: is told of how many crops were computed at once, each time.
            clock: seconds, to see whether batches pay.
        """
        if isinstance(network, nn.Module):
            network.eval().requires_grad_(False)
        self._network, self._name = network, name
        self._largest, self._wait, self._clock = largest_batch, wait, clock
        self._on_batch = on_batch
        self._joins = largest_batch > 1 and not isinstance(network, DiverseNetwork)
        self._proven: dict[tuple[Hashable, int], bool] = {}
        self._calls: deque[Call] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._views: weakref.WeakSet[NetworkView] = weakref.WeakSet()
        started = threading.Event()
        self._thread = threading.Thread(
            target=self._work, args=(started,), name=f"twofold-{name}", daemon=True
        )
        self._thread.start()
        started.wait()

    @property
    def network(self) -> FillingNetwork:
        """The network itself, for its properties; it is asked through views only."""
        return self._network

    def view(
        self, options: Mapping[str, Any] | None = None, cancelled: Cancelled | None = None
    ) -> NetworkView:
        """The network as one job sees it: a ``FillingNetwork``, and a ``DiverseNetwork`` if it is one.

        Args:
            options: what to change of how it samples, by name; None: nothing.
            cancelled: asked now and then while a call waits; once it is true, the call leaves.

        Raises:
            InputError: if the network does not take the options.
        """
        network = self._network
        if options:
            # A shallow copy: the same weights, with options of its own.
            network = copy.copy(network)
            set_options(network, options, self._name)
        kind = DiverseNetworkView if isinstance(network, DiverseNetwork) else NetworkView
        view = kind(network, self._ask, cancelled)
        with self._changed:
            self._views.add(view)
        return view

    def close(self) -> None:
        """End the thread; calls that wait, and all later ones, fail."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def _ask(self, call: Call, cancelled: Cancelled | None) -> FilledBatch:
        """Have a call answered."""
        with self._changed:
            if self._closed:
                raise RuntimeError(f"{self._name} is closed and answers nothing more")
            self._calls.append(call)
            self._changed.notify_all()
        try:
            while not call.ready.wait(None if cancelled is None else _TICK):
                if cancelled is not None and cancelled():
                    raise CallCancelled
        finally:
            call.left = True  # also if ``cancelled`` itself raises
        if call.answer is None:
            raise call.error or CallCancelled
        return call.answer

    def _work(self, started: threading.Event) -> None:
        """What the thread does until it is closed."""
        # Entered once and before any caller: the flags of cudnn are the process's, and callers that come
        # and go would otherwise switch them while others compute.
        with exact_arithmetic():
            started.set()
            while group := self._next_group():
                self._answer(group)
                del group  # or the pictures stay until the next call comes
        with self._changed:
            for call in self._calls:
                call.fail(RuntimeError(f"{self._name} was closed before it answered"))
            self._calls.clear()

    def _next_group(self) -> list[Call]:
        """The call that waits longest, and others of its kind; nothing once closed."""
        with self._changed:
            self._changed.wait_for(self._is_due)
            if self._closed:
                return []
            kind = self._calls[0].kind
            if not self._joins or kind is None:
                return [self._calls.popleft()]
            if self._is_worth_waiting(kind):
                self._changed.wait_for(lambda: len(self._alike(kind)) >= self._most(), self._wait)
            group = self._alike(kind)[: self._largest]
            for call in group:
                self._calls.remove(call)
            return group

    def _is_due(self) -> bool:
        """Whether there is something to do; calls that were left are forgotten."""
        while self._calls and self._calls[0].left:
            self._calls.popleft()
        return self._closed or bool(self._calls)

    def _is_worth_waiting(self, kind: Hashable) -> bool:
        return len(self._views) > 1 and any(self._proven[key] for key in self._proven if key[0] == kind)

    def _most(self) -> int:
        """How many calls can come together."""
        return min(self._largest, len(self._views))

    def _alike(self, kind: Hashable) -> list[Call]:
        return [call for call in self._calls if call.kind == kind and not call.left]

    def _answer(self, group: list[Call]) -> None:
        """Answer calls of one kind: together where that is proven to change nothing, else one by one."""
        key = (group[0].kind, len(group))
        if self._proven.get(key) and self._together(group):
            return
        start = self._clock()
        for call in group:
            self._tell(1)
            call.alone()
        if len(group) > 1 and key not in self._proven:
            self._prove(group, self._clock() - start)

    def _together(self, group: list[Call]) -> bool:
        """Answer calls as one batch; False if that failed, so that each must find out for itself."""
        try:
            answers = _split(self._joined(group))
        except Exception:
            self._joins = False
            return False
        self._tell(len(group))
        for call, answer in zip(group, answers, strict=True):
            call.succeed(answer)
        return True

    def _prove(self, group: list[Call], seconds: float) -> None:
        """See whether a batch gives the very answers that its calls got alone, and takes no longer.

        Two crops are tried before more are: where they differ, the price is small.
        """
        kind = group[0].kind
        if len(group) > 2 and (kind, 2) not in self._proven:
            group, seconds = group[:2], seconds * 2 / len(group)
        expected = [call.answer for call in group]
        start = self._clock()
        try:
            answers = _split(self._joined(group))
        except Exception:  # for example more memory than there is
            self._joins = False
            return
        took = self._clock() - start
        if all(
            one is not None and _is_same(one, other) for one, other in zip(expected, answers, strict=True)
        ):
            self._proven[kind, len(group)] = took <= seconds
        else:
            self._joins = False
            self._proven.clear()

    def _joined(self, group: list[Call]) -> FilledBatch:
        image = torch.cat([call.image for call in group])
        hole = torch.cat([call.hole for call in group])
        return self._network.fill(image, hole, [call.seeds[0] for call in group])

    def _tell(self, size: int) -> None:
        if self._on_batch is not None:
            self._on_batch(size)


def _split(batch: FilledBatch) -> list[FilledBatch]:
    """The answers of a batch, each a batch of one."""

    def part(position: int) -> FilledBatch:
        rows = slice(position, position + 1)
        values = {field.name: getattr(batch, field.name) for field in fields(batch) if field.name != "image"}
        parts = {name: None if value is None else value[rows] for name, value in values.items()}
        return FilledBatch(batch.image[rows], **parts)

    return [part(position) for position in range(len(batch.image))]


def _is_same(one: FilledBatch, other: FilledBatch) -> bool:
    """Whether two answers are the same in every bit."""
    return all(_are_equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))


def _are_equal(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.equal(one, other)
