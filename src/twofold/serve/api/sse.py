"""Server-sent events: what a job tells, as the bytes of a ``text/event-stream``."""

import json

from twofold.serve.jobs.job import SILENCE, Event

MEDIA_TYPE = "text/event-stream"
BEAT = 10.0
"""Seconds of silence after which a comment is sent, so that nobody in between takes the line for dead."""
COMMENT = b": still here\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""What the answer needs so that proxies pass events on at once."""


def encode_event(event: Event) -> bytes:
    """One event as it is sent, its data as JSON on one line; of silence a comment."""
    if event.name == SILENCE:
        return COMMENT
    data = json.dumps(event.data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"event: {event.name}\ndata: {data}\n\n".encode("ascii")
