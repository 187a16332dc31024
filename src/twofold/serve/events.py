"""Server-sent events: what a job tells, as the bytes of a ``text/event-stream``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator

from twofold.serve.jobs import Event

MEDIA_TYPE = "text/event-stream"
BEAT = 10.0
"""Seconds of silence after which a comment is sent, so that nobody in between takes the line for dead."""
COMMENT = b": still here\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""What the answer needs so that proxies pass events on at once."""


def encode_event(event: Event) -> bytes:
    """One event as it is sent; its data is JSON on one line."""
    data = json.dumps(event.data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"event: {event.name}\ndata: {data}\n\n".encode("ascii")


async def stream(events: AsyncIterator[Event], beat: float = BEAT) -> AsyncGenerator[bytes, None]:
    """Encode events as they come, with a comment after each ``beat`` seconds of silence.

    Ends with the events. If it is closed or cancelled before, so are the events.
    """
    upcoming: asyncio.Future[Event] | None = None
    try:
        while True:
            upcoming = asyncio.ensure_future(_next(events))
            while not (await asyncio.wait((upcoming,), timeout=beat))[0]:
                yield COMMENT
            try:
                event = upcoming.result()
            except StopAsyncIteration:
                return
            upcoming = None
            yield encode_event(event)
    finally:
        if upcoming is not None and not upcoming.done():
            upcoming.cancel()
            await asyncio.wait((upcoming,))
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


async def _next(events: AsyncIterator[Event]) -> Event:
    return await anext(events)
