"""The body of a request: how large, how slow, and how much of all clients together may be in memory."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.types import Message, Receive

from twofold.serve.errors import ApiError, busy, too_large

GRACE = 10.0
"""Seconds in which the rate does not count yet; a connection that was lost for a moment recovers in them."""
LEAST_RATE = 16_000
"""Bytes a second that a body must keep up, counted from its start: a slow mobile line."""
LINGER = 2.0
"""Seconds for which the rest of a refused body is thrown away, so that the client reads the answer."""
LINGER_BYTES = 16 * 1024 * 1024
"""The most that is thrown away."""


class BodyLimit:
    """Bytes of all bodies that were received and are not yet decoded; bounded."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def take(self, size: int) -> None:
        """Count bytes in.

        Raises:
            ApiError: 429 if more would be held than the limit; nothing is counted then.
        """
        if self.held + size > self.limit:
            raise busy("other requests fill the memory that the server keeps for bodies; try again soon", 1)
        self.held += size

    def give(self, size: int) -> None:
        """Count bytes out."""
        self.held -= size


class Body:
    """The body of one request: ASGI's ``receive`` with limits of size and time."""

    def __init__(
        self,
        receive: Receive,
        headers: Mapping[str, str],
        body_limit: BodyLimit,
        *,
        limit: int,
        seconds: float,
    ) -> None:
        """Begin with nothing read.

        Args:
            receive: of the server below.
            headers: of the request, names in lower case.
            body_limit: what all requests share.
            limit: bytes of the largest body.
            seconds: in which the whole of it must come.
        """
        self._receive, self._body_limit, self._limit, self._seconds = receive, body_limit, limit, seconds
        self._started: float | None = None
        self._held = 0
        self.received = 0
        self.finished = "transfer-encoding" not in headers and headers.get("content-length", "0") == "0"

    async def receive(self) -> Message:
        """The next message.

        Raises:
            ApiError: 413 if the body is larger than the limit, 408 if it comes too slowly, 429 if the
                bodies of all clients together are too large.
        """
        if self.finished:
            return await self._receive()
        clock = asyncio.get_running_loop()
        if self._started is None:
            self._started = clock.time()
        try:
            patience = min(GRACE + self.received / LEAST_RATE, self._seconds)
            async with asyncio.timeout_at(self._started + patience):
                message = await self._receive()
        except TimeoutError:
            seconds = clock.time() - self._started
            raise ApiError(
                408,
                "slow",
                f"{self.received} bytes of the body came in {seconds:.0f} seconds; send all of it within "
                f"{self._seconds:.0f}, and at least {LEAST_RATE} bytes a second",
            ) from None
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self.received += size
            if self.received > self._limit:
                raise body_too_large(self.received, self._limit)
            self._body_limit.take(size)
            self._held += size
            self.finished = not message.get("more_body", False)
        return message

    def release(self) -> None:
        """Say that the bytes are no longer held: they are decoded, or the request is over."""
        self._body_limit.give(self._held)
        self._held = 0

    async def linger(self) -> None:
        """Throw away a little more of a body that nobody wants.

        A connection that is closed while the client still sends would be reset, and the client might
        never read why.
        """
        thrown = 0
        try:
            async with asyncio.timeout(LINGER):
                while not self.finished and thrown < LINGER_BYTES:
                    message: dict[str, Any] = dict(await self._receive())
                    thrown += len(message.get("body", b""))
                    self.finished = message["type"] == "http.disconnect" or not message.get("more_body")
        except TimeoutError:
            return


def body_too_large(size: int, limit: int) -> ApiError:
    """The answer to a body of so many bytes, or more."""
    return too_large(f"the body has {size} bytes or more, and {limit} may be; send a smaller picture")
