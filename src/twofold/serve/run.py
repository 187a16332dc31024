"""Listen, serve, and leave in good order."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from twofold.errors import InputError, MissingExtraError
from twofold.serve.settings import Settings

try:
    import uvicorn

    from twofold.serve.app import create_app
    from twofold.serve.security.connections import CONNECTIONS, BoundedProtocol
    from twofold.serve.security.policy import WILDCARDS, is_loopback
except ImportError as error:
    if (error.name or "").startswith("twofold"):
        raise
    raise MissingExtraError(
        f"the server needs fastapi, uvicorn and prometheus-client ({error}); pip install 'twofold[serve]'"
    ) from error

if TYPE_CHECKING:
    from fastapi import FastAPI

BACKLOG = 512
"""Connections that the system may hold before we take them."""
KEEP_ALIVE_SECONDS = 15
"""How long a connection may wait for its next request."""
FAREWELL_SECONDS = 5
"""After the last job has ended, its answer has so long to leave."""

Listening = Callable[[str, bool], None]
"""Called once with the address when the server listens, and whether it holds a token that we made up."""


def run(settings: Settings, listening: Listening | None = None) -> int:
    """Serve until SIGTERM or SIGINT; then let what runs finish, and return 0.

    A second signal ends the process at once. Port 0 takes a free one. A server that other machines
    can reach gets a token if it has none.

    Args:
        settings: how to serve.
        listening: called with the address when the server listens; None: it is printed.

    Raises:
        InputError: if the host or the port cannot be used.
        CheckpointError: if there is no such model.
    """
    listener = listen(settings.host, settings.port)
    with listener:
        made_up = settings.token is None and not is_loopback(listener.getsockname()[0].partition("%")[0])
        settings = replace(
            settings,
            port=listener.getsockname()[1],
            token=secrets.token_urlsafe(24) if made_up else settings.token,
        )
        app = create_app(settings)
        address = address_of(settings)
        server = server_of(app, settings, lambda: (listening or announce)(address, made_up))
        server.run(sockets=[listener])
    if any(thread.daemon for thread in threading.enumerate()):
        # A thread that still computes (a model is loaded, a job does not notice its end) would abort the
        # interpreter while that ends.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def server_of(app: FastAPI, settings: Settings, started: Callable[[], None]) -> GracefulServer:
    """A server for the application, with our limits; ``run(sockets=[...])`` runs it."""
    config = uvicorn.Config(
        app,
        http=partial(BoundedProtocol, most=CONNECTIONS, head_seconds=settings.head_seconds),  # type: ignore[arg-type]
        lifespan="on",
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,  # it would show tokens of addresses
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FAREWELL_SECONDS,
    )
    return GracefulServer(config, app.state.services.leave, started)


class GracefulServer(uvicorn.Server):
    """uvicorn, which lets jobs finish before it closes connections."""

    def __init__(
        self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]], started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._drain, self._say_started = drain, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._say_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let the jobs finish, send their answers."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._drain()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave; when asked again, leave at once, whatever still computes."""
        if self.should_exit:
            os._exit(128 + sig)
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A listening socket's first half: bound, so that the port is ours and known.

    Raises:
        InputError: if the host or the port cannot be used.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"host {host!r} cannot be found ({error}); give an address of this machine, such as 127.0.0.1"
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would take the port away from its owner
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)  # bound twice is noticed only here
    except OSError as error:
        listener.close()
        raise InputError(
            f"port {port} of {host} cannot be used ({error.strerror}); give another one, or --port 0 for a "
            "free one"
        ) from error
    listener.setblocking(False)
    return listener


def address_of(settings: Settings) -> str:
    """The address to open, with the token if there is one."""
    host = settings.host
    if host in WILDCARDS:
        host = _own_address()
    if ":" in host:
        host = f"[{host}]"
    query = f"/?token={settings.token}" if settings.token is not None else ""
    return f"http://{host}:{settings.port}{query}"


def announce(address: str, made_up: bool) -> None:
    """Print where the server is; a token that the user gave is not shown."""
    shown = address if made_up else address.partition("/?")[0]
    print(f"twofold serves {shown}  (Ctrl-C stops)", flush=True)
    if made_up:
        print("twofold: other machines can reach it, so it asks for this token", file=sys.stderr)


def _own_address() -> str:
    """The address by which other machines reach this one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that is reserved for documentation
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
