"""Health, readiness, metrics."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve.live import Gate, Live, sample_value, serving
from twofold.serve.app import create_app
from twofold.serve.jobs.model_pool import ModelPool
from twofold.serve.settings import Settings

SETTINGS = Settings(models=("opencv-telea",), drain_seconds=0.0)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(create_app(SETTINGS, Gate(SETTINGS))) as server:
        yield server


def test_health_tells_the_version(live: Live) -> None:
    import twofold

    with live.client() as client:
        assert client.get("/health").json() == {"status": "ok", "version": twofold.__version__}


class Slow(ModelPool):
    """A model that is loaded when it is told to be."""

    def __init__(self) -> None:
        super().__init__(SETTINGS)
        self.go, self.done = threading.Event(), False

    @property
    def ready(self) -> bool:
        return self.done

    def warm_up(self) -> None:
        self.go.wait(20)
        self.done = True
        self.on_load(self.default, 1.5)


def test_ready_waits_for_the_model_and_health_does_not() -> None:
    pool = Slow()
    with serving(create_app(SETTINGS, pool)) as live, live.client() as client:
        assert client.get("/health").status_code == 200
        answer = client.get("/ready")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        pool.go.set()
        for _ in range(1000):
            if (answer := client.get("/ready")).status_code == 200:
                break
        assert answer.json() == {"status": "ready"}
        metrics = client.get("/metrics").text
        assert sample_value(metrics, "twofold_model_load_seconds", model="opencv-telea") == 1.5


def test_a_model_that_cannot_be_loaded_leaves_the_server_alive(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    settings = Settings(models=(f"lama:{tmp_path / 'broken.onnx'}",), drain_seconds=0.0)
    with serving(create_app(settings)) as live, live.client() as client:
        for _ in range(5000):
            (model,) = client.get("/api/v1/models").json()
            if model["state"] == "failed":
                break
        assert model["state"] == "failed"
        assert client.get("/ready").status_code == 503
        assert client.get("/health").status_code == 200
        assert str(tmp_path) not in client.get("/api/v1/models").text
