"""What the server counts, in Prometheus' form; every application has a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import Scope

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
OTHER = "other"
"""Stands for paths and methods that we do not know, or anyone could fill the memory with names."""
LEFT = "left"
"""Status of requests whose client left before the answer began."""
QUICK = (0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600)
LONG = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


class Metrics:
    """Counters of one application; safe to use from all threads.

    Attributes:
        under_way: requests being answered.
        waiting: jobs that wait.
        running: jobs that are worked on, by model.
        jobs: jobs that have ended, by model and state.
        job_seconds: from a job's arrival to its end, by model.
        pixels: missing pixels filled, those of all answers, by model.
        load: seconds that loading took, by model.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
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
        self.under_way = Gauge("twofold_requests_under_way", "Requests being answered.", registry=registry)
        self.waiting = Gauge("twofold_jobs_waiting", "Jobs in the queue.", registry=registry)
        self.running = Gauge("twofold_jobs_running", "Jobs being worked on.", ("model",), registry=registry)
        self.jobs = Counter("twofold_jobs", "Jobs that have ended.", ("model", "state"), registry=registry)
        self.job_seconds = Histogram(
            "twofold_job_seconds",
            "From a job's arrival to its end.",
            ("model",),
            buckets=LONG,
            registry=registry,
        )
        self.pixels = Counter(
            "twofold_filled_pixels", "Pixels of holes filled.", ("model",), registry=registry
        )
        self.load = Gauge("twofold_model_load_seconds", "Time of loading.", ("model",), registry=registry)

    def count_request(
        self, scope: Scope, status: int | None, *, seconds: float, received: int, sent: int
    ) -> None:
        """Count a request whose answer has ended.

        Args:
            scope: of ASGI, with the route that answered.
            status: of the answer; None: the client left before.
            seconds: since the head came.
            received: bytes of the body.
            sent: bytes of the answer.
        """
        route = getattr(scope.get("route"), "path", None) or OTHER
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self._requests.labels(method, route, str(status or LEFT)).inc()
        self._seconds.labels(route).observe(seconds)
        self._bytes_in.inc(received)
        self._bytes_out.inc(sent)

    def text(self) -> bytes:
        """Everything counted, as Prometheus reads it."""
        return generate_latest(self._registry)
