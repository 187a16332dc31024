"""What jobs hold of a network that they share: a view each, and the calls that it makes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from twofold.engine.wrapped import WrappedNetwork
from twofold.inpainter import Progress
from twofold.network import DiverseNetwork, FilledBatch, FillingNetwork
from twofold.tensors import Hole, Image

Cancelled = Callable[[], bool]


class CallCancelled(Exception):  # noqa: N818  # a caller has left: nobody's error
    """A call was given up because its caller said so."""


class Call:
    """What one caller waits for; the answer or the error is there once ``ready`` is set."""

    def __init__(
        self,
        network: FillingNetwork,
        image: Image,
        hole: Hole,
        seeds: Sequence[int],
        progress: Progress | None,
    ) -> None:
        """Take what ``FillingNetwork.fill`` is given.

        Args:
            network: that is to answer.
            image: [b 3 h w].
            hole: [b 1 h w].
            seeds: one for each answer.
            progress: called from the network's thread.
        """
        self.network, self.image, self.hole, self.seeds = network, image, hole, list(seeds)
        self._progress = progress
        self.ready = threading.Event()
        self.left = False
        self.answer: FilledBatch | None = None
        self.error: BaseException | None = None

    @property
    def kind(self) -> Hashable:
        """Calls of one kind may be joined; None: this one is never."""
        if isinstance(self.network, DiverseNetwork) or len(self.image) != 1 or len(self.seeds) != 1:
            return None
        return (tuple(self.image.shape), tuple(self.hole.shape), self.image.dtype, self.image.device)

    def step(self, done: int, total: int) -> None:
        """Pass progress on; leave if the caller has left."""
        if self.left:
            raise CallCancelled
        if self._progress is not None:
            self._progress(done, total)

    def alone(self) -> None:
        """Compute the answer by itself, or keep what went wrong."""
        if self.left:
            return
        try:
            self.succeed(self.network.fill(self.image, self.hole, self.seeds, progress=self.step))
        except BaseException as error:  # it belongs to the caller, and this thread must live on
            self.fail(error)

    def succeed(self, answer: FilledBatch) -> None:
        """Hand the answer to the caller."""
        self.answer = answer
        self.ready.set()

    def fail(self, error: BaseException) -> None:
        """Hand an error to the caller."""
        self.error = error
        self.ready.set()


class NetworkView(WrappedNetwork):
    """A shared network as one job sees it; a ``FillingNetwork`` that any thread may ask."""

    def __init__(
        self,
        network: FillingNetwork,
        ask: Callable[[Call, Cancelled | None], FilledBatch],
        cancelled: Cancelled | None,
    ) -> None:
        """Take what to ask.

        Args:
            network: with this job's options.
            ask: has a call answered, and leaves once ``cancelled`` says so.
            cancelled: whether the job wants no answer any more.
        """
        super().__init__(network)
        self._ask, self._cancelled = ask, cancelled

    def fill(
        self, image: Image, hole: Hole, seeds: Sequence[int], *, progress: Progress | None = None
    ) -> FilledBatch:
        """Have a batch of crops filled; see ``FillingNetwork.fill``.

        What the network raises is raised here, and nowhere else.

        Args:
            image: [b 3 h w] on the network's device.
            hole: [b 1 h w].
            seeds: one for each answer.
            progress: called from the network's thread; must be quick.

        Raises:
            CallCancelled: if the job was cancelled before the answer came.
        """
        call = Call(self._network, image, hole, seeds, progress)
        return self._ask(call, self._cancelled)


class DiverseNetworkView(NetworkView):
    """The same of a network that samples."""

    @property
    def options(self) -> Any:
        """How it samples for this job; the view is made with them."""
        network = self._network
        return network.options if isinstance(network, DiverseNetwork) else None
