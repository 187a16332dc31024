"""The queue of jobs: bounded in number and in bytes, worked off by a few threads."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from twofold.serve.errors import ApiError, api_error_of, busy, job_stopped, stopping
from twofold.serve.jobs.fill import FillTask, run_task
from twofold.serve.jobs.job import Job
from twofold.serve.metrics import Metrics

if TYPE_CHECKING:
    from twofold.serve.jobs.model_pool import ModelPool
    from twofold.serve.settings import Settings

_log = logging.getLogger("twofold.serve")

RECENT = 20
"""The last this many jobs say how long the next one will take."""
FIRST_GUESS = 5.0
"""Seconds that a job is thought to take before any has ended."""
LONGEST_WAIT = 600
_LAST_CALL = 5.0  # seconds that cancelled jobs get to leave when the server stops
_TICK = 0.02


class FillQueue:
    """Takes tasks, has them filled by worker threads, and never takes more than it can hold."""

    def __init__(self, settings: Settings, pool: ModelPool, metrics: Metrics | None = None) -> None:
        """Make a queue that nobody works on yet; see ``start``.

        Args:
            settings: number of workers and waiting jobs, and their bytes.
            pool: where workers get models.
            metrics: count what happens.
        """
        self._settings, self._pool, self._metrics = settings, pool, metrics or Metrics()
        self._waiting: deque[Job] = deque()
        self._jobs: dict[str, Job] = {}  # also those that have ended, while workers or readers are at them
        self._changed = threading.Condition()
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._threads: list[threading.Thread] = []
        self._draining = self._stopping = False

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

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures that wait or are worked on."""
        return sum(task.nbytes for job in list(self._jobs.values()) if (task := job.task) is not None)

    def submit(self, task: FillTask) -> Job:
        """Take a task; never waits.

        Raises:
            ApiError: 429 if too many jobs, or too many bytes of pictures, wait already; 503 if the server is
                about to stop.
        """
        unread = self._sweep()
        with self._changed:
            if self._draining:
                raise stopping()
            if len(self._waiting) + unread >= self._settings.queue:
                raise busy(
                    f"{len(self._waiting)} requests wait already, as many as may; come again later",
                    self.seconds_until_free(),
                )
            held = self.nbytes
            if held and held + task.nbytes > self._settings.queue_bytes:
                raise busy(
                    "the pictures that wait fill the server's memory; come again later",
                    self.seconds_until_free(),
                )
            job = Job(task.deadline, task, self._on_end)
            self._jobs[job.id] = job
            self._waiting.append(job)
            job.announce(len(self._waiting) - 1)
            self._changed.notify()
            self._metrics.waiting.set(len(self._waiting))
        return job

    def job(self, id: str) -> Job | None:
        """The job with this id, as long as it lives."""
        job = self._jobs.get(id)
        return None if job is None or job.finished else job

    def seconds_until_free(self) -> int:
        """Seconds until a place is likely to be free."""
        mean = sum(self._recent) / len(self._recent) if self._recent else FIRST_GUESS
        return max(1, min(LONGEST_WAIT, math.ceil(mean / self._settings.workers)))

    async def drain(self, seconds: float) -> None:
        """Stop: refuse new tasks, let the others end, and cancel what has not ended after these seconds.

        Once this returns, no worker takes another job.
        """
        with self._changed:
            self._draining = True
        await self._emptied(seconds)
        for job in list(self._jobs.values()):
            job.cancel()
        await self._emptied(_LAST_CALL)
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    async def _emptied(self, seconds: float) -> None:
        """Wait until all jobs have ended, but not longer than these seconds."""
        end = time.monotonic() + seconds
        while not all(job.finished for job in list(self._jobs.values())) and time.monotonic() < end:
            await asyncio.sleep(_TICK)

    def _sweep(self) -> int:
        """Give up what is too late or read by nobody, forget what is over; how many jobs are unread."""
        unread = 0
        for job in list(self._jobs.values()):
            code = job.stop_code()
            if code is not None:
                job.cancel(code)
            if job.is_unread():
                unread += 1
            elif job.finished and job.task is None:
                self._jobs.pop(job.id, None)
        return unread

    def _on_end(self, job: Job) -> None:
        """A job has ended, by whomever."""
        task = job.task
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                job.task = None
                self._renumber()
        if task is not None:
            self._metrics.jobs.labels(task.model, job.state).inc()
            self._metrics.job_seconds.labels(task.model).observe(time.monotonic() - job.created)

    def _renumber(self) -> None:
        """Tell those that wait their place; the lock is held."""
        for position, job in enumerate(self._waiting):
            job.position = position
        self._metrics.waiting.set(len(self._waiting))

    def _work(self) -> None:
        """What a worker thread does until the server stops."""
        while (job := self._take()) is not None:
            start = time.monotonic()
            self._run(job)
            job.task = None
            if job.state == "done":
                with self._changed:
                    self._recent.append(time.monotonic() - start)
            del job  # or it stays until the next one comes

    def _take(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            if self._stopping:
                return None
            job = self._waiting.popleft()
            self._renumber()
            return job

    def _run(self, job: Job) -> None:
        """Work on one job; whatever goes wrong is told to its reader."""
        task = job.task
        if task is None:
            return  # it was cancelled just now
        try:
            job.start()
            with self._metrics.running.labels(task.model).track_inprogress():
                run_task(task, self._pool, job)
            pixels = task.request.samples * int(np.count_nonzero(task.hole))
            self._metrics.pixels.labels(task.model).inc(pixels)
        except BaseException as error:
            code = job.stop_code()
            told = api_error_of(error) if code is None else job_stopped(code)
            if told.status >= 500 and code is None and not isinstance(error, ApiError):
                _log.error("job %s failed", job.id, exc_info=error)
            job.fail(told)
