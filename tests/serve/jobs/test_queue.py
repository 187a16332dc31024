"""The queue: who waits, who is turned away, who is given up, and how it all ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from serve.live import sample_value
from serve.small import PATIENCE, Grey, OneModel, task_of
from twofold.errors import ImageError
from twofold.serve.errors import ApiError
from twofold.serve.jobs import job as job_module
from twofold.serve.jobs import queue as module
from twofold.serve.jobs.job import Event, Job
from twofold.serve.jobs.queue import FillQueue
from twofold.serve.metrics import Metrics
from twofold.serve.settings import Settings


def figure(metrics: Metrics, name: str, **labels: str) -> float:
    return sample_value(metrics.text().decode(), f"twofold_{name}", **labels)


@contextmanager
def queue_of(inpainter: Grey, metrics: Metrics | None = None, **limits: Any) -> Iterator[FillQueue]:
    queue = FillQueue(Settings(**({"workers": 1} | limits)), OneModel(inpainter), metrics)
    queue.start()
    try:
        yield queue
    finally:
        inpainter.gate.set()
        asyncio.run(queue.drain(0))


def closed() -> Grey:
    """A inpainter that waits until its gate is opened."""
    inpainter = Grey()
    inpainter.gate.clear()
    return inpainter


async def read(job: Job) -> list[Event]:
    return [event async for event in job.events()]


def last(job: Job) -> Event:
    return asyncio.run(read(job))[-1]


def workers() -> list[str]:
    """Names of the threads that still work for queues."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("twofold-fill")]


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_task_is_filled_and_its_events_are_read() -> None:
    metrics = Metrics()
    with queue_of(Grey(), metrics) as queue:
        job = queue.submit(task_of(samples=2))
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
        until(lambda: figure(metrics, "filled_pixels_total", model="grey") == 2 * 15)
        until(lambda: figure(metrics, "jobs_running", model="grey") == 0)
    assert figure(metrics, "jobs_total", model="grey", state="done") == 1
    assert 0 <= figure(metrics, "job_seconds_sum", model="grey") < PATIENCE
    assert figure(metrics, "jobs_waiting") == 0


def test_what_waits_and_runs_is_counted() -> None:
    inpainter, metrics = closed(), Metrics()
    with queue_of(inpainter, metrics) as queue:
        work = [queue.submit(task_of()) for _ in range(3)]
        until(lambda: figure(metrics, "jobs_running", model="grey") == 1)
        assert figure(metrics, "jobs_waiting") == 2
        work[2].cancel()
        assert figure(metrics, "jobs_waiting") == 1
        inpainter.gate.set()
        assert [last(job).name for job in work[:2]] == ["done"] * 2


def test_jobs_are_worked_on_in_their_order_and_know_their_place() -> None:
    inpainter = closed()
    with queue_of(inpainter) as queue:
        first = queue.submit(task_of(seed=1))
        until(lambda: first.state == "running")
        rest = [queue.submit(task_of(seed=seed)) for seed in (2, 3, 4)]
        assert [job.position for job in rest] == [0, 1, 2]
        assert queue.waiting == 3
        rest[0].cancel()
        assert [job.position for job in rest[1:]] == [0, 1]
        assert queue.waiting == 2
        inpainter.gate.set()
        assert [last(job).name for job in (first, *rest[1:])] == ["done"] * 3
    assert inpainter.filled == [1, 3, 4]


def test_several_workers_work_at_the_same_time() -> None:
    together = threading.Barrier(3)
    inpainter = Grey()
    inpainter.before = lambda: together.wait(PATIENCE) and None
    with queue_of(inpainter, workers=3) as queue:
        work = [queue.submit(task_of(seed=seed)) for seed in range(3)]
        assert [last(job).name for job in work] == ["done"] * 3


def test_a_full_queue_turns_away_and_says_when_to_come_again() -> None:
    inpainter = closed()
    with queue_of(inpainter, queue=2) as queue:
        running = queue.submit(task_of())
        until(lambda: running.state == "running")
        waiting = [queue.submit(task_of()) for _ in range(2)]
        with pytest.raises(ApiError, match="2 requests wait already") as caught:
            queue.submit(task_of())
        assert caught.value.code == "busy"
        assert 1 <= int(caught.value.headers["Retry-After"]) <= 600
        waiting[0].cancel()
        asyncio.run(read(waiting[0]))
        again = queue.submit(task_of())
        inpainter.gate.set()
        assert [last(job).name for job in (running, waiting[1], again)] == ["done"] * 3


def test_retry_after_follows_how_long_jobs_take(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: seconds[0]))

    def take(length: float) -> None:
        seconds[0] += length

    inpainter = Grey()
    with queue_of(inpainter, workers=1) as queue:
        for lengths, expected in (((), 5), ((30.0, 50.0), 40), ((1e6,), 600)):
            for length in lengths:
                inpainter.before = lambda length=length: take(length)  # type: ignore[misc]
                assert last(queue.submit(task_of())).name == "done"
            until(lambda expected=expected: queue.seconds_until_free() == expected)  # type: ignore[misc]


def test_bytes_of_pictures_are_bounded_but_one_task_always_fits() -> None:
    inpainter, size = closed(), task_of().nbytes
    with queue_of(inpainter, queue_bytes=int(2.5 * size)) as queue:
        held = [queue.submit(task_of()) for _ in range(2)]
        with pytest.raises(ApiError, match="memory"):
            queue.submit(task_of())
        held[1].cancel()
        held[1] = queue.submit(task_of())
        inpainter.gate.set()
        assert [last(job).name for job in held] == ["done"] * 2
        until(lambda: queue.nbytes == 0)
    with queue_of(Grey(), queue_bytes=1) as queue:
        assert last(queue.submit(task_of())).name == "done"


def test_nothing_is_held_of_jobs_that_have_ended() -> None:
    with queue_of(Grey()) as queue:
        tasks, seen = [], []
        for _ in range(30):
            task = task_of()
            seen.append(weakref.ref(task))
            tasks.append(weakref.ref(queue.submit(task)))
            job = tasks[-1]()
            assert job is not None
            del task
            assert last(job).name == "done"
            del job
        until(lambda: queue.nbytes == 0)
        with pytest.raises(ApiError):  # whoever comes next finds nothing of them
            queue.submit(task_of(deadline=0.0)).check()
        until(lambda: (gc.collect(), all(ref() is None for ref in (*seen, *tasks)))[1])


def test_answers_that_nobody_has_read_yet_count_until_they_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with queue_of(Grey(), queue=2) as queue:
        unread = [queue.submit(task_of()) for _ in range(2)]
        until(lambda: all(job.finished for job in unread))
        with pytest.raises(ApiError, match="wait already"):
            queue.submit(task_of())
        assert last(unread[0]).name == "done"
        monkeypatch.setattr(job_module, "UNREAD", 0.0)
        until(lambda: _taken(queue))
        assert not unread[1].is_unread()


def _taken(queue: FillQueue) -> bool:
    try:
        queue.submit(task_of())
    except ApiError:
        return False
    return True


def test_a_queued_job_whose_time_is_over_never_runs() -> None:
    inpainter = closed()
    with queue_of(inpainter) as queue:
        running = queue.submit(task_of(seed=1))
        until(lambda: running.state == "running")
        late = queue.submit(task_of(seed=2, deadline=0.05))
        other = queue.submit(task_of(seed=3, deadline=0.05))
        event = last(late)
        assert (event.name, event.data["status"], event.data["code"]) == ("error", 504, "deadline")
        assert running.state == "running"
        time.sleep(0.05)
        inpainter.gate.set()
        assert last(other).data["code"] == "deadline"
        assert last(running).name == "done"
    assert inpainter.filled == [1]


def test_a_running_job_is_stopped_at_its_deadline() -> None:
    inpainter = closed()
    with queue_of(inpainter) as queue:
        job = queue.submit(task_of(deadline=0.1))
        event = last(job)
        assert (event.name, event.data["code"]) == ("error", "deadline")
        inpainter.gate.set()
        assert last(queue.submit(task_of())).name == "done"


@pytest.mark.parametrize("how", ["cancel", "leave"])
def test_a_cancelled_job_makes_room_for_the_next(how: str) -> None:
    inpainter, metrics = closed(), Metrics()

    async def leave(job: Job) -> None:
        events = job.events()
        await anext(events)
        await events.aclose()

    with queue_of(inpainter, metrics) as queue:
        job = queue.submit(task_of(seed=1))
        until(lambda: job.state == "running")
        if how == "cancel":
            job.cancel()
            assert last(job).data["code"] == "cancelled"
        else:
            asyncio.run(leave(job))
        until(lambda: job.state == "cancelled")
        inpainter.gate.set()
        assert last(queue.submit(task_of(seed=2))).name == "done"
        until(lambda: figure(metrics, "jobs_running", model="grey") == 0)
    assert inpainter.filled == [2]
    for state in ("cancelled", "done"):
        assert figure(metrics, "jobs_total", model="grey", state=state) == 1


def test_errors_reach_their_reader_and_workers_live_on(caplog: pytest.LogCaptureFixture) -> None:
    inpainter = Grey()
    with queue_of(inpainter) as queue, caplog.at_level(logging.ERROR, "twofold.serve"):
        for error, status, code in (
            (ImageError("image is odd"), 400, "bad_input"),
            (ZeroDivisionError("/srv/secret"), 500, "internal"),
            (MemoryError(), 503, "unavailable"),
            (SystemExit(3), 500, "internal"),
        ):

            def fail(error: BaseException = error) -> None:
                raise error

            inpainter.before = fail
            event = last(queue.submit(task_of()))
            assert (event.data["status"], event.data["code"]) == (status, code)
            assert "secret" not in event.data["detail"]
        inpainter.before = lambda: None
        assert last(queue.submit(task_of())).name == "done"
    assert "/srv/secret" in caplog.text  # for who runs the server


def test_draining_lets_jobs_end_and_takes_no_more() -> None:
    inpainter = closed()
    queue = FillQueue(Settings(workers=1), OneModel(inpainter))
    queue.start()
    work = [queue.submit(task_of(seed=seed)) for seed in (1, 2)]

    async def stop() -> list[str]:
        readers = [asyncio.create_task(read(job)) for job in work]
        draining = asyncio.create_task(queue.drain(PATIENCE))
        await asyncio.sleep(0.05)
        with pytest.raises(ApiError, match="stopping"):
            queue.submit(task_of())
        assert not draining.done()
        inpainter.gate.set()
        await draining
        return [(await reader)[-1].name for reader in readers]

    assert asyncio.run(stop()) == ["done", "done"]
    assert inpainter.filled == [1, 2]
    until(lambda: not workers())


def test_draining_cancels_what_takes_too_long() -> None:
    inpainter = closed()
    queue = FillQueue(Settings(workers=1), OneModel(inpainter))
    queue.start()
    work = [queue.submit(task_of()) for _ in range(3)]

    async def stop() -> list[Event]:
        readers = [asyncio.create_task(read(job)) for job in work]
        await queue.drain(0.05)
        return [(await reader)[-1] for reader in readers]

    assert [event.data["code"] for event in asyncio.run(stop())] == ["cancelled"] * 3
    assert inpainter.filled == []
    until(lambda: not workers())


def test_many_clients_at_once_each_get_their_own_answer() -> None:
    with queue_of(Grey(), workers=4, queue=64) as queue:

        async def client(seed: int) -> tuple[int, Any]:
            job = await asyncio.to_thread(queue.submit, task_of(seed=seed))
            events = await read(job)
            return seed, events[-1].data["seed"]

        async def all_of_them() -> list[tuple[int, Any]]:
            return await asyncio.gather(*(client(seed) for seed in range(50)))

        assert all(asked == answered for asked, answered in asyncio.run(all_of_them()))
