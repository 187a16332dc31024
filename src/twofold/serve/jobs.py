"""Jobs: what a request becomes while it is worked on, and what its reader is told of it.

Worker threads tell, one reader in an event loop listens. What is told and not yet read is bounded: steps of
progress replace one another, and a worker waits before it makes more samples than the reader takes.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Literal

from twofold.serve.refusals import Refusal, stopped

State = Literal["queued", "running", "done", "failed", "cancelled"]
StopCode = Literal["cancelled", "deadline"]

SAMPLES_AHEAD = 2
"""So many samples may wait for the reader."""
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
    data: dict[str, Any]


class Stopped(Exception):  # noqa: N818  # a job was told to end: nobody's error
    """The work of a job shall end now.

    Attributes:
        code: ``cancelled`` or ``deadline``.
    """

    def __init__(self, code: StopCode) -> None:
        super().__init__(code)
        self.code = code


class Job:
    """One request while it waits, runs and is read; safe to use from all threads.

    Attributes:
        id: nobody can guess it.
        state: how it stands.
        position: how many jobs are worked on before this one; 0 once it runs.
        done: steps done.
        total: steps expected; may grow.
        created: seconds of ``time.monotonic``.
        expires: the same; when the job is given up.
    """

    def __init__(self, deadline: float) -> None:
        """Make a job that waits.

        Args:
            deadline: seconds from now.
        """
        self.id = secrets.token_urlsafe(18)
        self.state: State = "queued"
        self.position = self.done = self.total = 0
        self.created = time.monotonic()
        self.expires = self.created + deadline
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self._stop: StopCode | None = None
        self._read_at = self.created
        self._wake: Callable[[], None] | None = None
        self._read = self._read_all = False
        self.on_finish: Callable[[], None] = _nothing

    @property
    def finished(self) -> bool:
        """Whether the last event has been told, read or not."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def released(self) -> bool:
        """Whether it has ended and nothing of it waits for a reader."""
        return self.finished and (self._read_all or not self._events)

    # What workers call.

    def tell(self, event: Event) -> None:
        """Let the reader know; waits while too many samples are unread.

        Raises:
            Stopped: if the job is to end.
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
            Stopped: if it is to end instead.
        """
        with self._changed:
            self.check()
            self.state, self.position = "running", 0
            self._put(Event("started", {"id": self.id}))

    def step(self, done: int, total: int) -> None:
        """Note progress; nobody is told of it by this alone."""
        self.done, self.total = done, total

    def check(self) -> None:
        """Leave if the job is to end.

        Raises:
            Stopped: if it is.
        """
        code = self.stop_code()
        if code is not None:
            raise Stopped(code)

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

    def fail(self, refusal: Refusal) -> None:
        """End with the event ``error``; nothing happens if it has ended already."""
        state: State = "cancelled" if refusal.code == "cancelled" else "failed"
        self._end(state, Event("error", {"status": refusal.status, **refusal.body}))

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
            self.fail(stopped(self._stop))

    def announce(self, position: int) -> None:
        """Tell the reader first of all that the job waits, behind so many others."""
        with self._changed:
            self.position = position
            self._put(Event("queued", {"id": self.id, "position": position}))

    def abandon(self) -> None:
        """Drop what a reader has left unread, once the job has ended and the reader takes nothing more."""
        with self._changed:
            if self.finished and self._is_abandoned(time.monotonic()):
                self._events.clear()
                self._read_all = True
                self._notify()

    # What the one reader calls.

    async def events(self) -> AsyncGenerator[Event, None]:
        """All events from the first on; ends after ``done`` or ``error``.

        Closing it before its end, or cancelling who waits for it, cancels the job.

        Raises:
            RuntimeError: if there is a reader already.
        """
        told = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(told.set)

        with self._changed:
            if self._read:
                raise RuntimeError(f"job {self.id} has a reader already; a job has one")
            self._read, self._read_at = True, time.monotonic()
            self._wake = wake
        try:
            while True:
                event = await self._next(told)
                if event is None:
                    return
                yield event
                if event.name in ("done", "error"):
                    return
        finally:
            with self._changed:
                self._wake, self._read_all = None, True
                self._events.clear()
                self._changed.notify_all()
            self.cancel()

    async def _next(self, told: asyncio.Event) -> Event | None:
        """The next event, as soon as there is one; None if what was left has been dropped."""
        while True:
            told.clear()
            with self._changed:
                self._read_at = time.monotonic()
                if self._events:
                    self._changed.notify_all()
                    return self._events.popleft()
                if self._read_all:
                    return None
            self._enforce_deadline()
            try:
                async with asyncio.timeout(self._patience()):
                    await told.wait()
            except TimeoutError:
                continue

    def _patience(self) -> float:
        """Seconds until the reader looks at the time again."""
        left = self.expires - time.monotonic()
        return left + 0.01 if left > 0 else _TICK

    def _enforce_deadline(self) -> None:
        """End a job whose time is over, though its worker has not noticed yet."""
        late = time.monotonic() - self.expires
        if late >= 0:
            self.cancel("deadline")
        if late >= GRACE:
            self.fail(stopped("deadline"))

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
                self._wake, self._read_all = None, True
                self._events.clear()

    def _end(self, state: State, last: Event) -> None:
        with self._changed:
            if self.finished:
                return
            self.state, self.position = state, 0
            self._put(last)
            self._changed.notify_all()
            follow, self.on_finish = self.on_finish, _nothing  # it may hold pictures
        follow()


def _nothing() -> None:
    pass


class JobBoard:
    """The jobs that live, by their ids; those that have ended leave at once, nothing is stored."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def add(self, job: Job) -> None:
        """Put a job on the board."""
        with self._lock:
            self._jobs[job.id] = job

    def remove(self, job: Job) -> None:
        """Take a job off, if it is there."""
        with self._lock:
            self._jobs.pop(job.id, None)

    def find(self, id: str) -> Job | None:
        """The job with this id, if it lives."""
        with self._lock:
            return self._jobs.get(id)

    def all(self) -> list[Job]:
        """All that live, the oldest first."""
        with self._lock:
            return list(self._jobs.values())
