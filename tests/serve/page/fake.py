"""A stand-in for the server behind the page: the same contract, flat colours for fills, errors on demand."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

import twofold

PAGE = Path(twofold.__file__).parent / "serve" / "page"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# What answer i of seed s is filled with: COLOURS[(s + i) % 6].
COLORS = [(200, 40, 40), (40, 160, 60), (50, 80, 220), (230, 190, 30), (150, 60, 180), (30, 190, 190)]

Fill = Callable[[np.ndarray, np.ndarray, int, int], np.ndarray]


def flat(photo: np.ndarray, hole: np.ndarray, seed: int, index: int) -> np.ndarray:
    """One colour for the whole hole."""
    filled = photo.copy()
    filled[hole] = COLORS[(seed + index) % len(COLORS)]
    return filled


@dataclass
class Behaviour:
    """How the fake server answers; tests change it while it runs."""

    fill: Fill = flat
    pace: float = 0.0  # seconds before each answer
    steps: int = 4  # progress events of each answer
    refusals: list[tuple[int, dict[str, str], dict[str, str]]] = field(
        default_factory=list
    )  # used up in order
    fail_after: int | None = None  # answers before `failure` ends the stream
    failure: dict[str, Any] | None = None  # data of the error event; None drops the connection
    token: str | None = None
    duplicate: bool = False  # the last answer repeats the first
    diverse_only: bool = False
    max_body: int = 64_000_000
    max_megapixels: float = 50
    requests: list[tuple[str, str, Any]] = field(default_factory=list)  # method, path, parsed body
    cancelled: list[str] = field(default_factory=list)
    gate: threading.Semaphore | None = None  # each answer takes one from it


class Fake(ThreadingHTTPServer):
    """The server; `behaviour` steers it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = Behaviour()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def bodies(self, path: str) -> list[Any]:
        """What was posted to a path, oldest first."""
        return [body for method, seen, body in self.behaviour.requests if method == "POST" and seen == path]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Fake

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        behaviour = self.server.behaviour
        path = self.path.split("?")[0]
        if path == "/" or path.startswith("/page/"):
            file = PAGE / (path.removeprefix("/page/") if path != "/" else "index.html")
            if not file.is_file():
                return self.answer(404, {"code": "not_found", "detail": path})
            kept = {"Cache-Control": "max-age=600"}  # one browser asks for them again and again
            return self.send(200, KINDS[file.suffix], file.read_bytes(), kept)
        if not self.may():
            return None
        if path == "/api/v1/limits":
            limits = {
                "max_megapixels": behaviour.max_megapixels,
                "max_body": behaviour.max_body,
                "max_samples": 8,
            }
            return self.answer(200, limits | {"formats": ["same", "png", "webp", "jpeg"], "version": "0"})
        if path == "/api/v1/models":
            return self.answer(200, models()[behaviour.diverse_only :])
        return self.answer(404, {"code": "not_found", "detail": path})

    def do_DELETE(self) -> None:
        self.server.behaviour.cancelled.append(self.path.rsplit("/", 1)[1])
        self.answer(202, {"id": "job", "state": "cancelled"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        behaviour = self.server.behaviour
        path = self.path.removeprefix("/api/v1/")
        behaviour.requests.append(("POST", path, body))
        if not self.may():
            return
        if behaviour.refusals:
            status, said, headers = behaviour.refusals.pop(0)
            self.answer(status, said, headers)
        elif path == "fill":
            self.fill(body, behaviour)
        elif path == "compose":
            self.compose(body)

    def may(self) -> bool:
        """Whether the token is right; else the request is answered."""
        token = self.server.behaviour.token
        if token is None or self.headers.get("Authorization") == f"Bearer {token}":
            return True
        self.answer(
            401, {"code": "token", "detail": "No token was given; add the one that the server printed."}
        )
        return False

    def fill(self, body: dict[str, Any], behaviour: Behaviour) -> None:
        photo, hole = picture(body["image"]), mask(body["mask"])
        assert photo.shape[:2] == hole.shape, (photo.shape, hole.shape)
        assert hole.any()
        self.send(200, "text/event-stream", None)
        self.close_connection = True
        try:
            self.stream(body, behaviour, photo, hole)
        except OSError:  # the page has left
            behaviour.cancelled.append("left")

    def stream(self, body: dict[str, Any], behaviour: Behaviour, photo: np.ndarray, hole: np.ndarray) -> None:
        samples, seed = body["samples"], body["seed"]
        self.event("queued", {"id": "job-1", "position": 0})
        self.event("started", {"id": "job-1"})
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
        for index in range(samples):
            if behaviour.fail_after == index:
                if behaviour.failure:
                    self.event("error", behaviour.failure)
                return
            for step in range(behaviour.steps):
                time.sleep(behaviour.pace / behaviour.steps)
                done = index * behaviour.steps + step + 1
                self.event("progress", {"done": done, "total": samples * behaviour.steps})
                self.wfile.write(b": still here\n\n")
            if behaviour.gate:
                behaviour.gate.acquire(timeout=20)
            filled = behaviour.fill(photo, hole, seed, index)[top:bottom, left:right]
            repeats = behaviour.duplicate and samples > 1 and index == samples - 1
            sample = {"index": index, "image": png(filled), "media_type": "image/png"}
            sample |= {
                "left": int(left),
                "top": int(top),
                "width": int(right - left),
                "height": int(bottom - top),
            }
            seen = np.full((8, 8, 3), COLORS[(seed + index) % len(COLORS)], np.uint8)
            sample |= {
                "structure": png(seen),
                "texture": png(255 - seen),
                "score": 0.5,
                "log_likelihood": -3.0,
            }
            self.event("sample", sample | {"duplicate_of": 0 if repeats else None, "attempt": 0})
        ranking = [*range(1, samples), 0]  # the second is the best
        height, width = hole.shape
        done = {"id": "job-1", "model": body["model"], "seed": seed, "ranking": ranking, "seconds": 1.0}
        self.event("done", done | {"width": width, "height": height})

    def event(self, name: str, data: dict[str, Any]) -> None:
        self.wfile.write(f"event: {name}\r\ndata: {json.dumps(data)}\r\n\r\n".encode())
        self.wfile.flush()

    def compose(self, body: dict[str, Any]) -> None:
        kind = Image.open(io.BytesIO(decoded(body["image"]))).format or "PNG"
        composed = picture(body["image"]).astype(np.float64)
        hole = mask(body["mask"])
        for layer in body["layers"]:
            patch = picture(layer["image"]).astype(np.float64)
            height, width = patch.shape[:2]
            place = np.s_[layer["top"] : layer["top"] + height, layer["left"] : layer["left"] + width]
            levels = np.ones((height, width)) if layer["mask"] is None else levels_of(layer["mask"]) / 255
            share = (levels * hole[place])[..., None]
            composed[place] += share * (patch - composed[place])
        pixels = composed.round().astype(np.uint8)
        wanted = kind if body["format"] == "same" else body["format"].upper()
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, wanted, quality=95)
        self.send(200, f"image/{wanted.lower()}", file.getvalue())

    def answer(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
        self.send(status, "application/json", json.dumps(said).encode(), headers)

    def send(self, status: int, kind: str, body: bytes | None, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
        self.send_header("Content-Security-Policy", POLICY)
        for name, value in ({"Cache-Control": "no-store"} | (headers or {})).items():
            self.send_header(name, value)
        if body is None:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body is not None:
            self.wfile.write(body)


def models() -> list[dict[str, Any]]:
    one = {"name": "medfe-small", "diverse": False, "default": True, "state": "ready", "options": {}}
    temperature = {"temperature": {"default": 1.0, "minimum": 0, "maximum": 2}}
    many = {"name": "dsi-small", "diverse": True, "default": False, "state": "idle", "options": temperature}
    return [
        one | {"native_size": 256, "note": "One best answer, by structure and texture together."},
        many | {"native_size": 256, "note": "Many answers, each from its own structure."},
    ]


def decoded(text: str) -> bytes:
    return base64.b64decode(text[text.index(",") + 1 :] if text.startswith("data:") else text)


def picture(text: str) -> np.ndarray:
    """RGB [h w 3] of a base64 file, upright."""
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(decoded(text)))).convert("RGB"))


def levels_of(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(decoded(text))).convert("L")).astype(np.float64)


def mask(text: str) -> np.ndarray:
    """Hole [h w] of a base64 mask."""
    return levels_of(text) >= 128


def png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
