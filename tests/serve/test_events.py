"""Server-sent events on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.serve.events import COMMENT, encode_event, stream
from twofold.serve.jobs import Event

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_is_sent_is_one_event_on_two_lines(data: dict[str, object]) -> None:
    name, content, *rest = encode_event(Event("sample", data)).split(b"\n")
    assert rest == [b"", b""]
    assert name == b"event: sample"
    assert json.loads(content.removeprefix(b"data: ")) == data


def test_numbers_that_json_does_not_have_are_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_event(Event("sample", {"score": float("nan")}))


def test_silence_is_filled_with_comments() -> None:
    async def events() -> AsyncIterator[Event]:
        yield Event("queued", {})
        await asyncio.sleep(0.1)
        yield Event("done", {})

    async def read() -> list[bytes]:
        return [part async for part in stream(events(), beat=0.02)]

    parts = asyncio.run(read())
    assert parts[0] == b"event: queued\ndata: {}\n\n"
    assert parts[-1] == b"event: done\ndata: {}\n\n"
    assert 1 <= len(parts[1:-1]) <= 5
    assert set(parts[1:-1]) == {COMMENT}
    assert COMMENT.startswith(b":")
    assert COMMENT.endswith(b"\n\n")


@pytest.mark.parametrize("after", [0, 1])
def test_a_reader_that_leaves_closes_the_events(after: int) -> None:
    closed: list[bool] = []

    async def events() -> AsyncIterator[Event]:
        try:
            yield Event("queued", {})
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    async def leave() -> None:
        parts = stream(events(), beat=0.01)
        for _ in range(1 + after):
            await anext(parts)
        await parts.aclose()

    asyncio.run(leave())
    assert closed == [True]


def test_an_error_of_the_events_reaches_the_reader() -> None:
    async def events() -> AsyncIterator[Event]:
        yield Event("queued", {})
        raise RuntimeError("broken")

    async def read() -> None:
        async for _ in stream(events()):
            pass

    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(read())
