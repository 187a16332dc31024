"""A real server in a thread, and raw conversations with it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from twofold.inpainter import Result, Sample
from twofold.serve.app import create_app
from twofold.serve.jobs.model_pool import ModelPool
from twofold.serve.metrics import Metrics
from twofold.serve.run import GracefulServer, listen, server_of
from twofold.serve.security.middleware import SecurityMiddleware
from twofold.serve.security.policy import Policy
from twofold.serve.security.request_body import BodyLimit
from twofold.serve.settings import Settings

PATIENCE = 30.0
"""Seconds that a test waits for what should happen at once."""


@dataclass
class Live:
    """A server that listens."""

    port: int
    server: GracefulServer
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False, **options)

    def talk(self, *parts: bytes, wait: float = 0.0) -> bytes:
        """Send parts as they are, and read until the server closes or ``wait`` seconds are silent."""
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part)
            return read_all(connection, wait or PATIENCE)

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


@contextmanager
def serving(app: Any, settings: Settings | None = None) -> Iterator[Live]:
    """Run an application on a free port until the end of the block."""
    settings = settings or Settings(drain_seconds=1.0)
    listening = threading.Event()
    with listen("127.0.0.1", 0) as listener:
        server = server_of(app, settings, listening.set)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        assert listening.wait(PATIENCE)
        live = Live(listener.getsockname()[1], server, thread)
        try:
            yield live
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


def read_all(connection: socket.socket, seconds: float = PATIENCE) -> bytes:
    """What the server sends until it closes, or is silent for so long."""
    connection.settimeout(seconds)
    received = bytearray()
    try:
        while part := connection.recv(65536):
            received += part
    except (TimeoutError, ConnectionResetError):
        pass
    return bytes(received)


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """What the server sends until it has sent ``end``, in however many pieces that arrives."""
    received = bytearray()
    while not received.endswith(end):
        part = connection.recv(65536)
        assert part, f"the server closed after {bytes(received)!r}"
        received += part
    return bytes(received)


def status_of(answer: bytes) -> int:
    """The status of a raw answer; 0 if there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def wait_until(holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if holds():
            return
        pause.wait(0.01)
    raise AssertionError(f"{what} did not come about within {seconds} seconds")


def guarded(policy: Policy, body_limit: BodyLimit | None = None) -> Any:
    """A small application behind the middleware: ``/`` and ``/api`` answer with the size of what they got."""

    async def echo(request: Request) -> Response:
        body = await request.body()
        return Response(json.dumps({"size": len(body), "method": request.method}))

    async def deaf(request: Request) -> Response:
        return Response("did not listen")

    async def broken(request: Request) -> Response:
        raise RuntimeError("the secret of /home/someone")

    async def broken_later(request: Request) -> Response:
        async def content() -> Any:
            yield b"x" * 10
            raise RuntimeError("the secret of /home/someone")

        return StreamingResponse(content())

    async def endless(request: Request) -> Response:
        async def content() -> Any:
            try:
                while True:
                    await asyncio.sleep(0)  # or nothing else gets a turn once nobody listens
                    app.state.sent += 1
                    yield b"x" * 65536
            finally:
                app.state.ended.set()

        return StreamingResponse(content())

    methods = ["GET", "POST", "DELETE", "PUT"]
    paths = {"/": echo, "/api": echo, "/health": echo, "/deaf": deaf, "/broken": broken}
    paths |= {"/broken-later": broken_later, "/endless": endless}
    app = Starlette(routes=[Route(path, endpoint, methods=methods) for path, endpoint in paths.items()])
    app.state.sent, app.state.ended = 0, threading.Event()
    app.state.metrics = Metrics()
    app.state.body_limit = body_limit or BodyLimit(10_000_000)
    app.add_middleware(
        SecurityMiddleware, policy=policy, body_limit=app.state.body_limit, metrics=app.state.metrics
    )

    async def leave() -> None:
        return None

    app.state.services = SimpleNamespace(leave=leave)
    return app


def png(pixels: np.ndarray) -> str:
    """A picture as requests carry it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def pixels_of(text: str | bytes) -> np.ndarray:
    """The picture of an answer, of its base64 or its bytes."""
    data = base64.b64decode(text) if isinstance(text, str) else text
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def scene(seed: int, height: int = 32, width: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A picture of its own for each seed, and a mask with a hole in it."""
    generator = np.random.default_rng(seed)
    photo = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), np.uint8)
    top, left = generator.integers(4, height - 12), generator.integers(4, width - 12)
    mask[top : top + 7, left : left + 8] = 255
    return photo, mask


def picture(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Every client's picture differs, and nine sizes are mixed."""
    return scene(number, 40 + 8 * (number % 3), 40 + 8 * (number // 3 % 3))


def order(number: int, **more: Any) -> dict[str, Any]:
    """A request to fill the scene of this number."""
    photo, mask = scene(number)
    return {"image": png(photo), "mask": png(mask), **more}


def sample_value(metrics: str, name: str, **labels: str) -> float:
    """A figure of ``/metrics``; 0 if it is not there."""
    from prometheus_client.parser import text_string_to_metric_families

    return sum(
        sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


class Gate(ModelPool):
    """One model that works on a picture, step by step, until it is told to be ready."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(replace(settings, models=("opencv-telea",)))
        self.opened = threading.Event()
        self.at_work = threading.Semaphore(0)
        self.left: list[str] = []

    @property
    def ready(self) -> bool:
        return True

    def warm_up(self) -> None:
        return None

    @contextmanager
    def lease(self, *arguments: Any) -> Iterator[Any]:
        yield SimpleNamespace(inpainter=SimpleNamespace(fill=self.fill), paused=nullcontext)

    def fill(
        self, image: Any, hole: Any, samples: int, seed: int, *, progress: Any, on_sample: Any, **more: Any
    ) -> Result:
        self.at_work.release()
        step, reason = 0, "an exception"
        try:
            while not self.opened.wait(0.005):
                step += 1
                progress(step, step + 1)
            reason = "done"
        finally:
            self.left.append(reason)
        answers = []
        for index in range(samples):
            pixels = image.pixels.copy()
            pixels[hole] = 15 * index
            answers.append(Sample(pixels, index=index))
            on_sample(answers[-1])
        return Result(answers, self.default, seed)


@contextmanager
def at_gate(settings: Settings) -> Iterator[tuple[Live, Gate]]:
    """A server whose jobs end when they are told to."""
    gate = Gate(settings)
    with serving(create_app(settings, gate), settings) as live:
        try:
            yield live, gate
        finally:
            gate.opened.set()


def jobs_of(live: Live, state: str) -> float:
    """How many jobs have ended so."""
    with live.client() as client:
        return sample_value(client.get("/metrics").text, "twofold_jobs_total", state=state)
