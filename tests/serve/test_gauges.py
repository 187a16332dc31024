"""What is counted, and that it can be read by Prometheus."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from serve.live import sample_value
from twofold.serve.gauges import Gauges
from twofold.serve.queue import Observer


def figure(gauges: Gauges, name: str, **labels: str) -> float:
    return sample_value(gauges.text().decode(), name, **labels)


def ask(gauges: Gauges, status: int | None, *, method: str = "GET", route: Any = None) -> None:
    scope = {"method": method, "route": route}
    with gauges.request(scope, SimpleNamespace(received=3), SimpleNamespace(status=status, sent=5)):
        assert figure(gauges, "twofold_requests_under_way") == 1


def test_every_application_counts_for_itself() -> None:
    one, other = Gauges(), Gauges()
    ask(one, 200)
    assert figure(one, "twofold_requests_total") == 1
    assert figure(other, "twofold_requests_total") == 0


def test_requests_are_counted_by_route_and_status() -> None:
    gauges = Gauges()
    route = SimpleNamespace(path="/api/v1/jobs/{id}")
    ask(gauges, 200, route=route)
    ask(gauges, 404, route=route)
    ask(gauges, None, route=route)
    ask(gauges, 405, method="X" * 1000)
    name = "twofold_requests_total"
    assert figure(gauges, name, route="/api/v1/jobs/{id}", status="404") == 1
    assert figure(gauges, name, status="left") == 1
    assert figure(gauges, name, method="other", route="other") == 1
    assert figure(gauges, "twofold_request_seconds_count", route="/api/v1/jobs/{id}") == 3
    assert figure(gauges, "twofold_received_bytes_total") == 12
    assert figure(gauges, "twofold_sent_bytes_total") == 20
    assert figure(gauges, "twofold_requests_under_way") == 0


def test_a_request_that_fails_is_counted_too() -> None:
    gauges = Gauges()
    try:
        with gauges.request(
            {"method": "GET"}, SimpleNamespace(received=0), SimpleNamespace(status=None, sent=0)
        ):
            raise RuntimeError
    except RuntimeError:
        pass
    assert figure(gauges, "twofold_requests_total") == 1
    assert figure(gauges, "twofold_requests_under_way") == 0


def test_jobs_are_counted_as_the_queue_tells() -> None:
    gauges = Gauges()
    observer: Observer = gauges
    observer.queued(7)
    observer.started("a")
    observer.started("a")
    observer.ended("a")
    observer.finished("a", "done", 1.5)
    observer.finished("a", "cancelled", 0.5)
    observer.batch(3)
    observer.filled("a", 1000)
    observer.loaded("a", 2.5)
    assert figure(gauges, "twofold_jobs_waiting") == 7
    assert figure(gauges, "twofold_jobs_running", model="a") == 1
    assert figure(gauges, "twofold_jobs_total", model="a", state="cancelled") == 1
    assert figure(gauges, "twofold_job_seconds_sum", model="a") == 2
    assert figure(gauges, "twofold_batch_size_sum") == 3
    assert figure(gauges, "twofold_filled_pixels_total", model="a") == 1000
    assert figure(gauges, "twofold_model_load_seconds", model="a") == 2.5


def test_threads_count_without_losing_any() -> None:
    gauges = Gauges()
    threads = [
        threading.Thread(target=lambda: [gauges.finished("a", "done", 0.1) for _ in range(500)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert figure(gauges, "twofold_jobs_total") == 4000


def test_the_memory_of_the_process_is_told() -> None:
    gauges = Gauges()
    assert figure(gauges, "process_resident_memory_bytes") > 1_000_000
