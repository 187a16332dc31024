"""What the server counts, in Prometheus' form; every application has a registry of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import Scope

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
OTHER = "other"
"""Stands for paths and methods that we do not know, or anyone could fill the memory with names."""
LEFT = "left"
"""Status of requests whose client left before the answer began."""
QUICK = (0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600)
LONG = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)
SIZES = (1, 2, 3, 4, 6, 8, 12, 16)


class Received(Protocol):
    """Whoever knows how many bytes of a body have come."""

    received: int


class Sent(Protocol):
    """Whoever knows what was answered."""

    status: int | None
    sent: int


class Gauges:
    """Counters of one application; safe to use from all threads. It is the queue's ``Observer``."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "twofold_requests", "Requests.", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "twofold_request_seconds",
            "From a request's head to the end of its answer.",
            ("route",),
            buckets=QUICK,
            registry=registry,
        )
        self._bytes_in = Counter("twofold_received_bytes", "Bytes of bodies received.", registry=registry)
        self._bytes_out = Counter("twofold_sent_bytes", "Bytes of answers given out.", registry=registry)
        self._under_way = Gauge("twofold_requests_under_way", "Requests being answered.", registry=registry)
        self._waiting = Gauge("twofold_jobs_waiting", "Jobs in the queue.", registry=registry)
        self._running = Gauge("twofold_jobs_running", "Jobs being worked on.", ("model",), registry=registry)
        self._jobs = Counter("twofold_jobs", "Jobs that have ended.", ("model", "state"), registry=registry)
        self._job_seconds = Histogram(
            "twofold_job_seconds",
            "From a job's arrival to its end.",
            ("model",),
            buckets=LONG,
            registry=registry,
        )
        self._batches = Histogram(
            "twofold_batch_size",
            "Crops given to a network at once.",
            buckets=SIZES,
            registry=registry,
        )
        self._pixels = Counter(
            "twofold_filled_pixels", "Pixels of holes filled.", ("model",), registry=registry
        )
        self._load = Gauge("twofold_model_load_seconds", "Time of loading.", ("model",), registry=registry)

    def queued(self, waiting: int) -> None:
        """So many jobs wait now."""
        self._waiting.set(waiting)

    def started(self, model: str) -> None:
        """Work on a job begins."""
        self._running.labels(model).inc()

    def ended(self, model: str) -> None:
        """Nobody works any more on a job that ``started`` was told of."""
        self._running.labels(model).dec()

    def finished(self, model: str, state: str, seconds: float) -> None:
        """A job has ended, so many seconds after it came."""
        self._jobs.labels(model, state).inc()
        self._job_seconds.labels(model).observe(seconds)

    def batch(self, size: int) -> None:
        """A network was given so many crops at once."""
        self._batches.observe(size)

    def filled(self, model: str, pixels: int) -> None:
        """A job was done, and so many missing pixels filled, those of all answers."""
        self._pixels.labels(model).inc(pixels)

    def loaded(self, model: str, seconds: float) -> None:
        """A model was loaded in so many seconds."""
        self._load.labels(model).set(seconds)

    @contextmanager
    def request(self, scope: Scope, body: Received, answer: Sent) -> Iterator[None]:
        """Count one request from here to the end of its answer."""
        start = time.perf_counter()
        self._under_way.inc()
        try:
            yield
        finally:
            self._under_way.dec()
            route = getattr(scope.get("route"), "path", None) or OTHER
            method = scope["method"] if scope["method"] in METHODS else OTHER
            self._requests.labels(method, route, str(answer.status or LEFT)).inc()
            self._seconds.labels(route).observe(time.perf_counter() - start)
            self._bytes_in.inc(body.received)
            self._bytes_out.inc(answer.sent)

    def text(self) -> bytes:
        """Everything counted, as Prometheus reads it."""
        return generate_latest(self.registry)
