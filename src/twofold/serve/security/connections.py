"""Connections that cannot wear the server out: few enough, with heads and readers that are fast enough."""

from __future__ import annotations

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
        self._waiting_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and take the time for the first head."""
        super().connection_made(transport)
        self._surplus = len(self.connections) > self._most
        if len(self.connections) > 2 * self._most:  # not even time for an answer
            transport.abort()
            return
        _notice_when_gone(transport)
        self._head = self.loop.call_later(self._head_seconds, self._end_slow_head)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._stop_head()
        self._stop_reader()

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

    def on_response_complete(self) -> None:
        """Go on with the next request; or look after what is still to be read by the client."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_reader()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nobody asks anything more."""
        super().timeout_keep_alive_handler()
        self._watch_reader()

    def shutdown(self) -> None:
        """Close if idle, else after the answer."""
        if self.conn.our_state is h11.ERROR:
            self.transport.close()
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """The client does not read as fast as we write: from now on its speed counts."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """The client has read nearly everything."""
        if not self.transport.is_closing():
            self._stop_reader()
        super().resume_writing()

    def _watch_reader(self) -> None:
        """Look at the client's speed now and then, until it has read or is gone."""
        if self._reader is None and self in self.connections:
            self._waiting_bytes = self.transport.get_write_buffer_size()
            self._reader = self.loop.call_later(READER_SECONDS, self._check_reader)

    def _check_reader(self) -> None:
        """Let go of a client that does not read: its answer would stay in memory."""
        self._reader = None
        taken = self._waiting_bytes - self.transport.get_write_buffer_size()
        if taken < READER_SECONDS * READER_RATE:
            self.transport.abort()
        else:
            self._watch_reader()

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
        self._watch_reader()

    def _stop_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _stop_reader(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None


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
