"""Jobs: what their readers are told, in which order, how much waits, and how they end early."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.small import PATIENCE
from twofold.serve.errors import ApiError, bad_input
from twofold.serve.jobs import job as module
from twofold.serve.jobs.job import SAMPLES_AHEAD, SILENCE, Event, Job


def sample(index: int) -> Event:
    return Event("sample", {"index": index})


async def read(job: Job) -> list[Event]:
    return [event async for event in job.events()]


def beside(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def test_a_reader_is_told_everything_from_the_first_event_to_the_last() -> None:
    job = Job(PATIENCE)
    job.announce(3)
    assert (job.state, job.position) == ("queued", 3)

    def work() -> None:
        job.start()
        for index in range(5):
            job.tell(sample(index))
        job.finish({"ranking": [0]})

    thread = beside(work)
    events = asyncio.run(read(job))
    thread.join(PATIENCE)
    assert names(events) == ["queued", "started", *["sample"] * 5, "done"]
    assert events[0].data == {"id": job.id, "position": 3}
    assert [event.data["index"] for event in events[2:7]] == [0, 1, 2, 3, 4]
    assert events[-1].data == {"ranking": [0]}
    assert (job.state, job.position, job.is_unread()) == ("done", 0, False)


def test_steps_of_progress_replace_one_another_until_they_are_read() -> None:
    job = Job(PATIENCE)
    job.start()
    for step in range(1000):
        job.tell(Event("progress", {"done": step}))
        if step == 500:
            job.tell(sample(0))
    job.finish({})
    events = asyncio.run(read(job))
    assert names(events) == ["started", "progress", "sample", "progress", "done"]
    assert [event.data["done"] for event in events if event.name == "progress"] == [500, 999]


@settings(max_examples=20)
@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 5))
def test_what_waits_for_a_reader_is_bounded(steps: list[int], pause: int) -> None:
    job, told, most = Job(PATIENCE), 0, 0

    def work() -> None:
        nonlocal told
        job.start()
        for index, count in enumerate(steps):
            for step in range(count):
                job.tell(Event("progress", {"done": step}))
            job.tell(sample(index))
            told += 1
        job.finish({})

    async def slowly() -> list[Event]:
        nonlocal most
        events: list[Event] = []
        async for event in job.events():
            events.append(event)
            most = max(most, told - names(events).count("sample"))
            if len(events) % pause == 0:
                await asyncio.sleep(0.0005)
        return events

    job.announce(0)
    thread = beside(work)
    events = asyncio.run(slowly())
    thread.join(PATIENCE)
    assert [event.data["index"] for event in events if event.name == "sample"] == list(range(len(steps)))
    assert most <= SAMPLES_AHEAD


def test_a_worker_waits_with_samples_until_the_reader_takes_some() -> None:
    job, told = Job(PATIENCE), []

    def work() -> None:
        for index in range(SAMPLES_AHEAD + 1):
            job.tell(sample(index))
            told.append(index)
        job.finish({})

    async def late() -> list[Event]:
        events = job.events()
        thread = beside(work)
        await asyncio.sleep(0.1)
        assert told == list(range(SAMPLES_AHEAD))
        rest = [event async for event in events]
        thread.join(PATIENCE)
        return rest

    assert names(asyncio.run(late())) == [*["sample"] * (SAMPLES_AHEAD + 1), "done"]


def test_a_waiting_worker_gives_up_at_the_deadline() -> None:
    job = Job(0.3)
    start = time.monotonic()
    for index in range(SAMPLES_AHEAD):
        job.tell(sample(index))
    with pytest.raises(ApiError) as caught:
        job.tell(sample(SAMPLES_AHEAD))
    assert caught.value.code == "deadline"
    assert 0.2 < time.monotonic() - start < PATIENCE


def test_a_queued_job_is_cancelled_at_once() -> None:
    ended: list[str] = []
    job = Job(PATIENCE, on_end=lambda job: ended.append(job.state))
    job.announce(1)
    job.cancel()
    job.cancel()
    assert (job.state, ended) == ("cancelled", ["cancelled"])
    events = asyncio.run(read(job))
    assert names(events) == ["queued", "error"]
    assert (events[1].data["status"], events[1].data["code"]) == (409, "cancelled")
    with pytest.raises(ApiError):
        job.start()


def test_a_running_job_is_cancelled_at_its_next_step() -> None:
    job = Job(PATIENCE)
    job.start()
    job.cancel()
    assert job.state == "running"
    for step in (job.check, lambda: job.tell(sample(0)), lambda: job.tell(Event("progress", {}))):
        with pytest.raises(ApiError) as caught:
            step()
        assert caught.value.code == "cancelled"


def test_an_ended_job_stays_as_it_ended() -> None:
    job = Job(PATIENCE)
    job.start()
    job.finish({})
    job.cancel()
    job.fail(bad_input("too late"))
    job.finish({"other": 1})
    assert job.state == "done"
    events = asyncio.run(read(job))
    assert names(events) == ["started", "done"]
    assert events[-1].data == {}


def test_errors_are_told_with_their_status() -> None:
    job = Job(PATIENCE)
    job.fail(bad_input("mask has no hole"))
    (event,) = asyncio.run(read(job))
    assert event == Event("error", {"status": 400, "code": "bad_input", "detail": "mask has no hole"})
    assert job.state == "failed"


@pytest.mark.parametrize("how", ["closed", "cancelled"])
def test_a_reader_that_leaves_cancels_the_job(how: str) -> None:
    job = Job(PATIENCE)

    async def leave() -> None:
        events = job.events()
        if how == "closed":
            await anext(events)
            await events.aclose()
            return
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])

    job.start()
    asyncio.run(leave())
    assert job.stop_code() == "cancelled"
    with pytest.raises(ApiError):
        job.tell(sample(0))
    job.finish({})
    assert not job.is_unread()  # nothing of it is kept


def test_a_queued_job_ends_at_once_when_its_reader_leaves() -> None:
    job = Job(PATIENCE)
    job.announce(0)

    async def leave() -> None:
        events = job.events()
        await anext(events)
        await events.aclose()

    asyncio.run(leave())
    assert (job.state, job.is_unread()) == ("cancelled", False)


def test_a_job_that_nobody_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNREAD", 0.05)
    job = Job(PATIENCE)
    job.start()
    assert job.stop_code() is None
    time.sleep(0.06)
    assert job.stop_code() == "cancelled"


def test_a_reader_that_stalls_counts_as_gone_but_one_that_waits_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STALLED", 0.05)
    job = Job(PATIENCE)

    async def stall() -> None:
        events = job.events()
        job.start()
        await anext(events)
        job.tell(sample(0))
        await asyncio.sleep(0.1)
        assert job.stop_code() == "cancelled"
        await events.aclose()

    asyncio.run(stall())
    patient = Job(PATIENCE)

    async def wait() -> None:
        events = patient.events()
        patient.start()
        await anext(events)
        upcoming = asyncio.ensure_future(anext(events))  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        assert patient.stop_code() is None
        patient.tell(sample(0))
        assert (await upcoming).name == "sample"
        await events.aclose()

    asyncio.run(wait())


def test_what_nobody_reads_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(PATIENCE)
    job.tell(sample(0))
    job.fail(bad_input("no"))
    assert job.is_unread()
    monkeypatch.setattr(module, "UNREAD", 0.0)
    time.sleep(0.001)
    assert not job.is_unread()
    assert asyncio.run(read(job)) == []


def test_a_reader_is_told_at_the_deadline_even_if_nobody_works() -> None:
    job = Job(0.05)
    job.announce(5)
    events = asyncio.run(read(job))
    assert names(events) == ["queued", "error"]
    assert (events[1].data["status"], events[1].data["code"]) == (504, "deadline")
    assert job.state == "failed"


def test_a_worker_that_does_not_look_up_cannot_hold_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.05)
    job = Job(0.05)
    job.start()
    events = asyncio.run(read(job))
    assert names(events) == ["started", "error"]
    assert events[1].data["code"] == "deadline"
    job.finish({})  # much later
    assert job.state == "failed"


def test_a_job_has_one_reader() -> None:
    job = Job(PATIENCE)
    job.start()

    async def twice() -> None:
        first = job.events()
        await anext(first)
        with pytest.raises(RuntimeError, match="reader already"):
            await anext(job.events())
        await first.aclose()

    asyncio.run(twice())


def test_telling_after_the_readers_loop_has_gone_ends_the_job() -> None:
    job = Job(PATIENCE)
    job.start()
    loop = asyncio.new_event_loop()
    events = job.events()
    loop.run_until_complete(anext(events))
    waiting = loop.create_task(anext(events))  # type: ignore[arg-type]
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    job.tell(sample(0))
    with pytest.raises(ApiError):
        job.tell(sample(1))
    del waiting


def test_ids_cannot_be_guessed() -> None:
    ids = {Job(PATIENCE).id for _ in range(100)}
    assert len(ids) == 100
    assert min(map(len, ids)) >= 24


def test_a_reader_hears_of_silence_if_it_wants_to() -> None:
    job = Job(PATIENCE)
    job.announce(0)

    async def listen() -> list[Event]:
        loop = asyncio.get_running_loop()
        loop.call_later(0.1, job.finish, {"ranking": [0]})
        return [event async for event in job.events(beat=0.02)]

    first, *silence, last = asyncio.run(listen())
    assert (first.name, last.name) == ("queued", "done")
    assert 1 <= len(silence) <= 5
    assert set(names(silence)) == {SILENCE}


def test_many_threads_may_tell_one_reader() -> None:
    job = Job(PATIENCE)

    def work(number: int) -> None:
        for step in range(50):
            job.tell(Event("progress", {"done": step, "by": number}))

    async def all_of_them() -> list[Any]:
        threads = [beside(lambda number=number: work(number)) for number in range(8)]  # type: ignore[misc]
        beside(lambda: [thread.join() for thread in threads] and job.finish({}))  # type: ignore[func-returns-value, arg-type, return-value]
        return await read(job)

    assert names(asyncio.run(all_of_them()))[-1] == "done"
