"""Jobs: what a request becomes while it is worked on, and what its reader is told of it.

Worker threads tell, one reader in an event loop listens. What is told and not yet read is bounded: steps of
progress replace one another, and a worker waits before it makes more samples than the reader takes.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from twofold.serve.errors import ApiError, job_stopped

if TYPE_CHECKING:
    from twofold.serve.jobs.fill import FillTask

State = Literal["queued", "running", "done", "failed", "cancelled"]
StopCode = Literal["cancelled", "deadline"]

SILENCE = "silence"
"""Name of what a reader gets while there is nothing to tell."""
SAMPLES_AHEAD = 2
"""Samples that may wait for the reader."""
UNREAD = 15.0
"""Seconds after which a job that nobody reads is given up."""
STALLED = 120.0
"""Seconds after which a reader that takes nothing of what waits for it counts as gone."""
GRACE = 5.0
"""Seconds beyond the deadline in which a worker may end a job by itself; then its reader is told anyway."""
_TICK = 0.25


@dataclass(frozen=True)
class Event:
    """Something that a job tells its reader.

    Attributes:
        name: ``queued``, ``started``, ``progress``, ``sample``, ``done`` or ``error``; the last two end it.
        data: JSON values, as they go out.
    """

    name: str
    data: dict[str, Any] = field(default_factory=dict)


class Job:
    """One request while it waits, runs and is read; safe to use from all threads.

    Attributes:
        id: nobody can guess it.
        task: what is to be done; None once nobody works on it any more.
        state: how it stands.
        position: how many jobs are worked on before this one; 0 once it runs.
        done: steps done.
        total: steps expected; may grow.
        created: seconds of ``time.monotonic``.
        expires: the same; when the job is given up.
    """

    def __init__(
        self, deadline: float, task: FillTask | None = None, on_end: Callable[[Job], None] | None = None
    ) -> None:
        """Make a job that waits.

        Args:
            deadline: seconds from now.
            task: what is to be done.
            on_end: called once, by whoever ends the job.
        """
        self.id = secrets.token_urlsafe(18)
        self.task, self._on_end = task, on_end
        self.state: State = "queued"
        self.position = self.done = self.total = 0
        self.created = time.monotonic()
        self.expires = self.created + deadline
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self._stop: StopCode | None = None
        self._read_at = self.created
        self._wake: Callable[[], object] | None = None
        self._read = self._read_all = False

    @property
    def finished(self) -> bool:
        """Whether the last event has been told, read or not."""
        return self.state in ("done", "failed", "cancelled")

    # What workers call.

    def tell(self, event: Event) -> None:
        """Let the reader know; waits while too many samples are unread.

        Raises:
            ApiError: if the job is to end.
        """
        with self._changed:
            while event.name == "sample" and self._unread_samples() >= SAMPLES_AHEAD:
                self.check()
                self._changed.wait(_TICK)
            self.check()
            if not self.finished:
                self._put(event)

    def start(self) -> None:
        """Say that the work begins.

        Raises:
            ApiError: if it is to end instead.
        """
        with self._changed:
            self.check()
            self.state, self.position = "running", 0
            self._put(Event("started", {"id": self.id}))

    def check(self) -> None:
        """Leave if the job is to end.

        Raises:
            ApiError: 409 or 504 if it is.
        """
        code = self.stop_code()
        if code is not None:
            raise job_stopped(code)

    def stop_code(self) -> StopCode | None:
        """Why the job is to end (cancelled, too late, or read by nobody); None if it is not."""
        now = time.monotonic()
        if self._stop is None and now >= self.expires:
            self._stop = "deadline"
        if self._stop is None and self._is_abandoned(now):
            self._stop = "cancelled"
        return self._stop

    def finish(self, answer: dict[str, Any]) -> None:
        """End well, with the data of the event ``done``; nothing happens if it has ended already."""
        self._end("done", Event("done", answer))

    def fail(self, error: ApiError) -> None:
        """End with the event ``error``; nothing happens if it has ended already."""
        state: State = "cancelled" if error.code == "cancelled" else "failed"
        self._end(state, Event("error", {"status": error.status, **error.body}))

    # What anybody calls.

    def cancel(self, code: StopCode = "cancelled") -> None:
        """End the job: at once if it waits, at its next step if it runs."""
        with self._changed:
            if self.finished:
                return
            self._stop = self._stop or code
            waits = self.state == "queued"
            self._changed.notify_all()
        if waits:
            self.fail(job_stopped(self._stop))

    def announce(self, position: int) -> None:
        """Tell the reader first of all that the job waits, behind so many others."""
        with self._changed:
            self.position = position
            self._put(Event("queued", {"id": self.id, "position": position}))

    def is_unread(self) -> bool:
        """Whether it has ended and something of it waits for a reader; if none comes, that is dropped."""
        with self._changed:
            if self.finished and self._is_abandoned(time.monotonic()):
                self._events.clear()
                self._read_all = True
                self._notify()
            return self.finished and bool(self._events)

    # What the one reader calls.

    async def events(self, beat: float = math.inf) -> AsyncGenerator[Event, None]:
        """All events from the first on; ends after ``done`` or ``error``.

        Closing it before its end, or cancelling who waits for it, cancels the job.

        Args:
            beat: after this many seconds without an event comes one of the name ``SILENCE``.

        Raises:
            RuntimeError: if there is a reader already.
        """
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        with self._changed:
            if self._read:
                raise RuntimeError(f"job {self.id} has a reader already; a job has one")
            self._read, self._read_at = True, time.monotonic()
            self._wake = lambda: loop.call_soon_threadsafe(told.set)
        try:
            while (event := await self._next(told, beat)) is not None:
                yield event
                if event.name in ("done", "error"):
                    return
        finally:
            with self._changed:
                self._forget_reader()
                self._changed.notify_all()
            self.cancel()

    async def _next(self, told: asyncio.Event, beat: float) -> Event | None:
        """The next event, as soon as there is one; None if what was left has been dropped."""
        silent = time.monotonic() + beat
        while True:
            told.clear()
            with self._changed:
                now = self._read_at = time.monotonic()
                if self._events:
                    self._changed.notify_all()
                    return self._events.popleft()
                if self._read_all:
                    return None
            if now >= silent:
                return Event(SILENCE)
            self._enforce_deadline(now)
            # Once the deadline is over, a worker that does not notice is looked after now and then.
            patience = self.expires - now + 0.01 if now < self.expires else _TICK
            with suppress(TimeoutError):
                async with asyncio.timeout(min(patience, silent - now)):
                    await told.wait()

    def _enforce_deadline(self, now: float) -> None:
        """End a job whose time is over, though its worker has not noticed yet."""
        if now >= self.expires:
            self.cancel("deadline")
        if now >= self.expires + GRACE:
            self.fail(job_stopped("deadline"))

    def _unread_samples(self) -> int:
        return sum(event.name == "sample" for event in self._events)

    def _is_abandoned(self, now: float) -> bool:
        """Whether nobody takes what has been told."""
        if not self._read:
            return now - self.created > UNREAD
        return self._read_all or (bool(self._events) and now - self._read_at > STALLED)

    def _put(self, event: Event) -> None:
        """Add an event, in place of the last one if both are progress; the lock is held."""
        if self._read_all:
            return
        if event.name == "progress" and self._events and self._events[-1].name == "progress":
            self._events[-1] = event
        else:
            self._events.append(event)
        self._notify()

    def _notify(self) -> None:
        if self._wake is not None:
            try:
                self._wake()
            except RuntimeError:  # the reader's loop is closed
                self._forget_reader()

    def _forget_reader(self) -> None:
        self._wake, self._read_all = None, True
        self._events.clear()

    def _end(self, state: State, last: Event) -> None:
        with self._changed:
            if self.finished:
                return
            self.state, self.position = state, 0
            self._put(last)
            self._changed.notify_all()
        if self._on_end is not None:
            self._on_end(self)
