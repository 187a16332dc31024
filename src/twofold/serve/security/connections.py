"""Connections that cannot wear the server out: few enough, with heads and readers that are fast enough."""

import asyncio
import json
import socket
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 512
"""How many may be open; up to twice as many are told so, more are closed without a word."""
READER_SECONDS = 15.0
"""How often the speed of a client that reads too slowly is looked at."""
READER_RATE = 16_000
"""Bytes a second that a client must take of what waits for it."""
VANISHED_SECONDS = 60
"""After so long without any sign of life a computer counts as gone, and its jobs are cancelled."""


class BoundedProtocol(H11Protocol):
    """One connection.

    uvicorn's own settings do not do: ``limit_concurrency`` looks when a head has arrived, so connections that
    send none would not count; and it has no limit for the time of a head, nor for clients that do not read.
    """

    def __init__(self, *uvicorns: Any, most: int, head_seconds: float, **others: Any) -> None:
        """Begin.

        Args:
            uvicorns: what uvicorn gives each protocol.
            most: how many connections may be open.
            head_seconds: seconds from a connection's start, or from the first byte of a later request,
                in which the head of a request must be here.
            others: as ``uvicorns``.
        """
        super().__init__(*uvicorns, **others)
        self._most, self._head_seconds = most, head_seconds
        self._head: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None
        self._unread = 0  # bytes, when the reader was last looked at

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and take the time for the first head."""
        super().connection_made(transport)
        self._surplus = len(self.connections) > self._most
        if len(self.connections) > 2 * self._most:  # not even time for an answer
            transport.abort()
            return
        _notice_when_gone(transport)
        self._head = self.loop.call_later(self._head_seconds, self._end_slow_head)
        self._reader = self.loop.call_later(READER_SECONDS, self._check_reader)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._stop_head()
        if self._reader is not None:
            self._reader.cancel()

    def data_received(self, data: bytes) -> None:
        """Take bytes, or say that there are too many connections."""
        if self._surplus:
            self._refuse(503, "unavailable", "the server has too many connections; try again in a second")
            return
        super().data_received(data)

    def handle_events(self) -> None:
        """Understand what has arrived, and take the time while a head is unfinished."""
        super().handle_events()
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            self._stop_head()
        elif self._head is None and self.conn.trailing_data[0]:
            self._head = self.loop.call_later(self._head_seconds, self._end_slow_head)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in our own form."""
        self._refuse(400, "bad_request", "the request is not valid HTTP, or its head is too long")

    def shutdown(self) -> None:
        """Close if idle, else after the answer."""
        if self.conn.our_state is h11.ERROR:
            self.transport.close()
        else:
            super().shutdown()

    def resume_writing(self) -> None:
        """The client has read nearly everything."""
        self._unread = 0
        super().resume_writing()

    def _check_reader(self) -> None:
        """Let go of a client that does not read: its answer would stay in memory."""
        # Only while nothing is added can be told what the client took.
        rests = self.flow.write_paused or self.transport.is_closing()
        rests = rests or self.cycle is None or self.cycle.response_complete
        unread = self.transport.get_write_buffer_size() if rests else 0
        if unread and 0 < self._unread < unread + READER_SECONDS * READER_RATE:
            self.transport.abort()
            return
        self._unread = unread
        self._reader = self.loop.call_later(READER_SECONDS, self._check_reader)

    def _end_slow_head(self) -> None:
        """Answer a client that has begun a request and does not go on, or has not begun."""
        self._head = None
        if not self.conn.trailing_data[0]:  # browsers keep such connections in reserve
            self.transport.close()
            return
        self._refuse(
            408,
            "slow",
            f"no whole request head came within {self._head_seconds:.0f} seconds; send it at once",
        )

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer without the application, and close."""
        self._stop_head()
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()  # in the middle of another answer
            return
        content = json.dumps({"code": code, "detail": detail}).encode()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(content)}\r\nconnection: close\r\nretry-after: 1\r\n"
            "cache-control: no-store\r\nx-content-type-options: nosniff\r\n\r\n"
        )
        self.transport.write(head.encode() + content)
        self.transport.close()

    def _stop_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


def _notice_when_gone(transport: asyncio.Transport) -> None:
    """Let the system notice computers that vanish without a word, where it can."""
    connection = transport.get_extra_info("socket")
    options = {
        "TCP_KEEPIDLE": VANISHED_SECONDS // 2,
        "TCP_KEEPINTVL": VANISHED_SECONDS // 4,
        "TCP_KEEPCNT": 2,
        "TCP_USER_TIMEOUT": VANISHED_SECONDS * 1000,
    }
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    except (OSError, AttributeError):  # another kind of socket, or gone already
        return
