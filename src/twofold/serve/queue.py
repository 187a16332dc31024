"""The queue of jobs: bounded in number and in bytes, worked off by a few threads."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np

from twofold.serve.filling import Order, run_order
from twofold.serve.jobs import Job, JobBoard, State
from twofold.serve.refusals import Busy, Draining, Refusal, refusal_of, stopped

if TYPE_CHECKING:
    from twofold.serve.cupboard import Cupboard
    from twofold.serve.settings import Settings

_log = logging.getLogger("twofold.serve")

RECENT = 20
"""So many jobs say how long the next one will take."""
FIRST_GUESS = 5.0
"""Seconds that a job is thought to take before any has ended."""
LONGEST_WAIT = 600
_LAST_CALL = 5.0  # seconds that cancelled jobs get to leave when the server stops
_TICK = 0.02


class Observer(Protocol):
    """Whoever counts what happens; called from several threads, must be quick."""

    def queued(self, waiting: int) -> None:
        """So many jobs wait now."""

    def started(self, model: str) -> None:
        """Work on a job begins."""

    def ended(self, model: str) -> None:
        """Nobody works any more on a job that ``started`` was told of."""

    def finished(self, model: str, state: State, seconds: float) -> None:
        """A job has ended, so many seconds after it came; also one that never ran."""

    def filled(self, model: str, pixels: int) -> None:
        """A job was done, and so many missing pixels filled, those of all answers."""

    def loaded(self, model: str, seconds: float) -> None:
        """A model was loaded in so many seconds."""

    def batch(self, size: int) -> None:
        """A network was given so many crops at once."""


class _Entry:
    """A job and what it is about."""

    def __init__(self, job: Job, order: Order) -> None:
        self.job, self.order, self.bytes = job, order, order.nbytes


class FillQueue:
    """Takes orders, has them filled by worker threads, and never takes more than it can hold."""

    def __init__(self, settings: Settings, cupboard: Cupboard, gauges: Observer | None = None) -> None:
        """Make a queue that nobody works on yet; see ``start``.

        Args:
            settings: number of workers and waiting jobs, and their bytes.
            cupboard: where workers get models.
            gauges: is told what happens.
        """
        self._settings, self._cupboard, self._gauges = settings, cupboard, gauges
        self._waiting: deque[_Entry] = deque()
        self._held: dict[str, _Entry] = {}
        self._unread: dict[str, Job] = {}
        self._changed = threading.Condition()
        self._board = JobBoard()
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._threads: list[threading.Thread] = []
        self._draining = self._stopping = False
        if gauges is not None:
            cupboard.on_batch, cupboard.on_load = gauges.batch, gauges.loaded

    def start(self) -> None:
        """Start the worker threads."""
        for number in range(self._settings.workers - len(self._threads)):
            thread = threading.Thread(target=self._work, name=f"twofold-fill-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    @property
    def waiting(self) -> int:
        """Jobs that nobody works on yet."""
        return len(self._waiting)

    def submit(self, order: Order) -> Job:
        """Take an order; never waits.

        Raises:
            Busy: if too many jobs, or too many bytes of pictures, wait already.
            Draining: if the server is about to stop.
        """
        self._sweep()
        with self._changed:
            if self._draining:
                raise Draining
            self._check_room(order)
            job = Job(order.deadline)
            entry = _Entry(job, order)
            job.on_finish = lambda: self._on_finish(entry)
            self._waiting.append(entry)
            self._held[job.id] = entry
            self._board.add(job)
            job.announce(len(self._waiting) - 1)
            self._changed.notify()
        self._report()
        return job

    def job(self, id: str) -> Job | None:
        """The job with this id, as long as it lives."""
        return self._board.find(id)

    async def drain(self, seconds: float) -> None:
        """Stop: refuse new orders, let the others end, and cancel what has not after so many seconds.

        Once this returns, no worker takes another job.
        """
        with self._changed:
            self._draining = True
        await self._emptied(seconds)
        for job in self._board.all():
            job.cancel()
        await self._emptied(_LAST_CALL)
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    async def _emptied(self, seconds: float) -> None:
        """Wait until no job lives, but not longer than so many seconds."""
        end = time.monotonic() + seconds
        while self._board.all() and time.monotonic() < end:
            await asyncio.sleep(_TICK)

    def _check_room(self, order: Order) -> None:
        """Refuse an order that there is no room for; the lock is held."""
        limit = self._settings.queue
        unread = len(self._unread)
        if len(self._waiting) + unread >= limit:
            raise Busy(
                f"{len(self._waiting)} requests wait already, as many as may; come again later", self._wait()
            )
        held = sum(entry.bytes for entry in self._held.values())
        if self._held and held + order.nbytes > self._settings.queue_bytes:
            raise Busy("the pictures that wait fill the server's memory; come again later", self._wait())

    def _wait(self) -> int:
        """Seconds until a place is likely to be free."""
        mean = sum(self._recent) / len(self._recent) if self._recent else FIRST_GUESS
        return max(1, min(LONGEST_WAIT, math.ceil(mean / self._settings.workers)))

    def _sweep(self) -> None:
        """Give up what is too late or read by nobody."""
        for job in self._board.all():
            code = job.stop_code()
            if code is not None:
                job.cancel(code)
        with self._changed:
            for id, job in list(self._unread.items()):
                job.abandon()
                if job.released:
                    del self._unread[id]

    def _on_finish(self, entry: _Entry) -> None:
        """A job has ended, by whomever."""
        job = entry.job
        self._board.remove(job)
        with self._changed:
            if entry in self._waiting:
                self._waiting.remove(entry)
                del self._held[job.id]
                self._renumber()
            if not job.released:
                self._unread[job.id] = job
        if self._gauges is not None:
            self._gauges.finished(entry.order.model, job.state, time.monotonic() - job.created)
        self._report()

    def _renumber(self) -> None:
        for position, entry in enumerate(self._waiting):
            entry.job.position = position

    def _report(self) -> None:
        if self._gauges is not None:
            self._gauges.queued(len(self._waiting))

    def _work(self) -> None:
        """What a worker thread does until the server stops."""
        while (entry := self._take()) is not None:
            self._report()
            start = time.monotonic()
            try:
                self._run(entry)
            finally:
                with self._changed:
                    self._held.pop(entry.job.id, None)
                    if entry.job.state == "done":
                        self._recent.append(time.monotonic() - start)
            del entry  # or the picture stays until the next one comes

    def _take(self) -> _Entry | None:
        with self._changed:
            while not self._waiting and not self._stopping:
                self._changed.wait()
            if self._stopping:
                return None
            entry = self._waiting.popleft()
            self._renumber()
            return entry

    def _run(self, entry: _Entry) -> None:
        """Fill one order; whatever goes wrong is told to its reader."""
        job, order = entry.job, entry.order
        try:
            job.start()
            with self._counted(order):
                painter = self._cupboard.get(
                    order.model,
                    order.options,
                    cancelled=lambda: job.stop_code() is not None,
                    detail=order.detail,
                )
                run_order(order, painter, job)
        except BaseException as error:
            code = job.stop_code()
            if code is not None:
                job.fail(stopped(code))
                return
            refusal = refusal_of(error)
            if refusal.status >= 500 and not isinstance(error, Refusal):
                _log.error("job %s failed", job.id, exc_info=error)
            job.fail(refusal)

    @contextmanager
    def _counted(self, order: Order) -> Iterator[None]:
        """Tell the observer of work on an order."""
        if self._gauges is None:
            yield
            return
        self._gauges.started(order.model)
        try:
            yield
            self._gauges.filled(order.model, order.samples * int(np.count_nonzero(order.hole)))
        finally:
            self._gauges.ended(order.model)
