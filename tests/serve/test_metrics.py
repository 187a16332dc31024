"""What is counted, and that it can be read by Prometheus."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from serve.live import sample_value
from twofold.serve.metrics import Metrics


def figure(metrics: Metrics, name: str, **labels: str) -> float:
    return sample_value(metrics.text().decode(), name, **labels)


def ask(metrics: Metrics, status: int | None, *, method: str = "GET", route: Any = None) -> None:
    scope = {"method": method, "route": route}
    metrics.count_request(scope, status, seconds=0.1, received=3, sent=5)


def test_every_application_counts_for_itself() -> None:
    one, other = Metrics(), Metrics()
    ask(one, 200)
    assert figure(one, "twofold_requests_total") == 1
    assert figure(other, "twofold_requests_total") == 0


def test_requests_are_counted_by_route_and_status() -> None:
    metrics = Metrics()
    route = SimpleNamespace(path="/api/v1/jobs/{id}")
    ask(metrics, 200, route=route)
    ask(metrics, 404, route=route)
    ask(metrics, None, route=route)
    ask(metrics, 405, method="X" * 1000)
    name = "twofold_requests_total"
    assert figure(metrics, name, route="/api/v1/jobs/{id}", status="404") == 1
    assert figure(metrics, name, status="left") == 1
    assert figure(metrics, name, method="other", route="other") == 1
    assert figure(metrics, "twofold_request_seconds_count", route="/api/v1/jobs/{id}") == 3
    assert figure(metrics, "twofold_received_bytes_total") == 12
    assert figure(metrics, "twofold_sent_bytes_total") == 20


def test_threads_count_without_losing_any() -> None:
    metrics = Metrics()
    threads = [
        threading.Thread(target=lambda: [metrics.jobs.labels("a", "done").inc() for _ in range(500)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert figure(metrics, "twofold_jobs_total") == 4000


def test_the_memory_of_the_process_is_told() -> None:
    metrics = Metrics()
    assert figure(metrics, "process_resident_memory_bytes") > 1_000_000
