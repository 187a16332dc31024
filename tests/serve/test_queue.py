"""The queue: who waits, who is turned away, who is given up, and how it all ends."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from serve.small import PATIENCE, Grey, OneModel, order
from twofold.errors import ImageError
from twofold.serve import jobs
from twofold.serve.jobs import Event, Job
from twofold.serve.queue import FillQueue
from twofold.serve.refusals import Busy, Draining
from twofold.serve.settings import Settings


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values: self.told.append((name, *values))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [tuple(rest) for kind, *rest in self.told if kind == name]


@contextmanager
def queue_of(painter: Grey, notes: Notes | None = None, **limits: Any) -> Iterator[FillQueue]:
    queue = FillQueue(Settings(**({"workers": 1} | limits)), OneModel(painter), notes)
    queue.start()
    try:
        yield queue
    finally:
        painter.gate.set()
        asyncio.run(queue.drain(0))


def closed() -> Grey:
    """A painter that waits until its gate is opened."""
    painter = Grey()
    painter.gate.clear()
    return painter


async def read(job: Job) -> list[Event]:
    return [event async for event in job.events()]


def last(job: Job) -> Event:
    return asyncio.run(read(job))[-1]


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_an_order_is_filled_and_its_events_are_read() -> None:
    notes = Notes()
    with queue_of(Grey(), notes) as queue:
        job = queue.submit(order(samples=2))
        assert queue.job(job.id) in (job, None)
        events = asyncio.run(read(job))
        assert [event.name for event in events if event.name != "progress"] == [
            "queued",
            "started",
            "sample",
            "sample",
            "done",
        ]
        assert queue.job(job.id) is None
        until(lambda: notes.of("ended"))
    assert notes.of("started") == [("grey",)]
    assert notes.of("filled") == [("grey", 2 * 15)]
    ((model, state, seconds),) = notes.of("finished")
    assert (model, state) == ("grey", "done")
    assert 0 <= seconds < PATIENCE
    assert notes.of("queued")[-1] == (0,)


def test_jobs_are_worked_on_in_their_order_and_know_their_place() -> None:
    painter = closed()
    with queue_of(painter) as queue:
        first = queue.submit(order(seed=1))
        until(lambda: first.state == "running")
        rest = [queue.submit(order(seed=seed)) for seed in (2, 3, 4)]
        assert [job.position for job in rest] == [0, 1, 2]
        assert queue.waiting == 3
        rest[0].cancel()
        assert [job.position for job in rest[1:]] == [0, 1]
        assert queue.waiting == 2
        painter.gate.set()
        assert [last(job).name for job in (first, *rest[1:])] == ["done"] * 3
    assert painter.filled == [1, 3, 4]


def test_several_workers_work_at_the_same_time() -> None:
    together = threading.Barrier(3)
    painter = Grey()
    painter.before = lambda: together.wait(PATIENCE) and None
    with queue_of(painter, workers=3) as queue:
        work = [queue.submit(order(seed=seed)) for seed in range(3)]
        assert [last(job).name for job in work] == ["done"] * 3


def test_a_full_queue_turns_away_and_says_when_to_come_again() -> None:
    painter = closed()
    with queue_of(painter, queue=2) as queue:
        running = queue.submit(order())
        until(lambda: running.state == "running")
        waiting = [queue.submit(order()) for _ in range(2)]
        with pytest.raises(Busy, match="2 requests wait already") as caught:
            queue.submit(order())
        assert 1 <= caught.value.retry_after <= 600
        waiting[0].cancel()
        asyncio.run(read(waiting[0]))
        again = queue.submit(order())
        painter.gate.set()
        assert [last(job).name for job in (running, waiting[1], again)] == ["done"] * 3


def test_retry_after_follows_how_long_jobs_take() -> None:
    with queue_of(closed(), workers=2) as queue:
        queue._recent.extend([30.0, 50.0])
        assert queue._wait() == 20
        queue._recent.extend([1e6])
        assert queue._wait() == 600


def test_bytes_of_pictures_are_bounded_but_one_order_always_fits() -> None:
    painter, size = closed(), order().nbytes
    with queue_of(painter, queue_bytes=int(2.5 * size)) as queue:
        held = [queue.submit(order()) for _ in range(2)]
        with pytest.raises(Busy, match="memory"):
            queue.submit(order())
        held[1].cancel()
        held[1] = queue.submit(order())
        painter.gate.set()
        assert [last(job).name for job in held] == ["done"] * 2
        until(lambda: not queue._held)
    with queue_of(Grey(), queue_bytes=1) as queue:
        assert last(queue.submit(order())).name == "done"


def test_nothing_is_held_of_jobs_that_have_ended() -> None:
    with queue_of(Grey()) as queue:
        for _ in range(30):
            assert last(queue.submit(order())).name == "done"
        until(lambda: not queue._held)
        queue._sweep()
        assert (len(queue._board.all()), len(queue._unread), queue.waiting) == (0, 0, 0)


def test_answers_that_nobody_has_read_yet_count_until_they_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with queue_of(Grey(), queue=2) as queue:
        unread = [queue.submit(order()) for _ in range(2)]
        until(lambda: all(job.finished for job in unread))
        with pytest.raises(Busy):
            queue.submit(order())
        assert last(unread[0]).name == "done"
        monkeypatch.setattr(jobs, "UNREAD", 0.0)
        unread[1]._read_at = -1e9
        until(lambda: _taken(queue))
        assert unread[1].released


def _taken(queue: FillQueue) -> bool:
    try:
        queue.submit(order())
    except Busy:
        return False
    return True


def test_a_queued_job_whose_time_is_over_never_runs() -> None:
    painter = closed()
    with queue_of(painter) as queue:
        running = queue.submit(order(seed=1))
        until(lambda: running.state == "running")
        late = queue.submit(order(seed=2, deadline=0.05))
        other = queue.submit(order(seed=3, deadline=0.05))
        event = last(late)
        assert (event.name, event.data["status"], event.data["code"]) == ("error", 504, "deadline")
        assert running.state == "running"
        time.sleep(0.05)
        painter.gate.set()
        assert last(other).data["code"] == "deadline"
        assert last(running).name == "done"
    assert painter.filled == [1]


def test_a_running_job_is_stopped_at_its_deadline() -> None:
    painter = closed()
    with queue_of(painter) as queue:
        job = queue.submit(order(deadline=0.1))
        event = last(job)
        assert (event.name, event.data["code"]) == ("error", "deadline")
        painter.gate.set()
        assert last(queue.submit(order())).name == "done"


@pytest.mark.parametrize("how", ["cancel", "leave"])
def test_a_cancelled_job_makes_room_for_the_next(how: str) -> None:
    painter, notes = closed(), Notes()

    async def leave(job: Job) -> None:
        events = job.events()
        await anext(events)
        await events.aclose()

    with queue_of(painter, notes) as queue:
        job = queue.submit(order(seed=1))
        until(lambda: job.state == "running")
        if how == "cancel":
            job.cancel()
            assert last(job).data["code"] == "cancelled"
        else:
            asyncio.run(leave(job))
        until(lambda: job.state == "cancelled")
        painter.gate.set()
        assert last(queue.submit(order(seed=2))).name == "done"
        until(lambda: len(notes.of("ended")) == 2)
    assert painter.filled == [2]
    assert [state for _, state, _ in notes.of("finished")] == ["cancelled", "done"]


def test_errors_reach_their_reader_and_workers_live_on(caplog: pytest.LogCaptureFixture) -> None:
    painter = Grey()
    with queue_of(painter) as queue, caplog.at_level(logging.ERROR, "twofold.serve"):
        for error, status, code in (
            (ImageError("image is odd"), 400, "bad_input"),
            (ZeroDivisionError("/srv/secret"), 500, "internal"),
            (MemoryError(), 503, "unavailable"),
            (SystemExit(3), 500, "internal"),
        ):

            def fail(error: BaseException = error) -> None:
                raise error

            painter.before = fail
            event = last(queue.submit(order()))
            assert (event.data["status"], event.data["code"]) == (status, code)
            assert "secret" not in event.data["detail"]
        painter.before = lambda: None
        assert last(queue.submit(order())).name == "done"
    assert "/srv/secret" in caplog.text  # for who runs the server


def test_draining_lets_jobs_end_and_takes_no_more() -> None:
    painter = closed()
    queue = FillQueue(Settings(workers=1), OneModel(painter))
    queue.start()
    work = [queue.submit(order(seed=seed)) for seed in (1, 2)]

    async def stop() -> list[str]:
        readers = [asyncio.create_task(read(job)) for job in work]
        draining = asyncio.create_task(queue.drain(PATIENCE))
        await asyncio.sleep(0.05)
        with pytest.raises(Draining):
            queue.submit(order())
        assert not draining.done()
        painter.gate.set()
        await draining
        return [(await reader)[-1].name for reader in readers]

    assert asyncio.run(stop()) == ["done", "done"]
    assert painter.filled == [1, 2]
    until(lambda: not any(thread.is_alive() for thread in queue._threads))


def test_draining_cancels_what_takes_too_long() -> None:
    painter = closed()
    queue = FillQueue(Settings(workers=1), OneModel(painter))
    queue.start()
    work = [queue.submit(order()) for _ in range(3)]

    async def stop() -> list[Event]:
        readers = [asyncio.create_task(read(job)) for job in work]
        await queue.drain(0.05)
        return [(await reader)[-1] for reader in readers]

    assert [event.data["code"] for event in asyncio.run(stop())] == ["cancelled"] * 3
    assert painter.filled == []
    until(lambda: not any(thread.is_alive() for thread in queue._threads))


def test_many_clients_at_once_each_get_their_own_answer() -> None:
    with queue_of(Grey(), workers=4, queue=64) as queue:

        async def client(seed: int) -> tuple[int, Any]:
            job = await asyncio.to_thread(queue.submit, order(seed=seed))
            events = await read(job)
            return seed, events[-1].data["seed"]

        async def all_of_them() -> list[tuple[int, Any]]:
            return await asyncio.gather(*(client(seed) for seed in range(50)))

        assert all(asked == answered for asked, answered in asyncio.run(all_of_them()))
