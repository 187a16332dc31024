"""The application on a real Ray cluster on this machine, in two replicas."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

import twofold
from serve.live import order, pixels_of, sample_value, scene
from twofold.errors import InputError
from twofold.serve.settings import Settings

ray = pytest.importorskip("ray", reason="needs the extra ray")
serve = pytest.importorskip("ray.serve", reason="needs the extra ray")
from twofold.serve.ray_app import NAME, application, build  # noqa: E402

SETTINGS = Settings(models=("opencv-telea", "opencv-ns"), drain_seconds=2.0)
PICTURES = 30


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the application answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"] = "60"  # 5 are too few where others want the cores
    ray.init(
        address="local",
        num_cpus=4,  # of two small replicas and what Ray itself runs
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 1024**2,
    )
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(application(SETTINGS, replicas=2), name=NAME)
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()
    ray.shutdown()


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        yield client


def metrics_of_both(client: httpx.Client) -> list[str]:
    """The metrics of each replica, told apart by how long it took to load its model, to the nanosecond."""
    found: dict[float, str] = {}
    end = time.monotonic() + 60
    while len(found) < 2 and time.monotonic() < end:
        # Without keep-alive, so that the proxy chooses again.
        text = client.get("/metrics", headers={"connection": "close"}).text
        found[sample_value(text, "twofold_model_load_seconds", model="opencv-telea")] = text
    return list(found.values())


def test_both_replicas_run_and_every_client_gets_its_own_picture(client: httpx.Client) -> None:
    deployments = serve.status().applications[NAME].deployments
    assert deployments[NAME].replica_states == {"RUNNING": 2}

    def ask(seed: int) -> httpx.Response:
        return client.post("/api/v1/fill", json=order(seed))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(PICTURES)))
    inpainter = twofold.load("opencv-telea")
    for seed, answer in enumerate(answers):
        assert answer.status_code == 200, answer.text
        photo, mask = scene(seed)
        ours = pixels_of(answer.json()["samples"][0]["image"])
        assert np.array_equal(ours, inpainter.fill(photo, mask).image)

    texts = metrics_of_both(client)
    assert len(texts) == 2
    done = [sample_value(text, "twofold_jobs_total", state="done") for text in texts]
    assert all(done)
    assert sum(done) == PICTURES


def test_streams_refusals_and_the_page_pass_the_proxy(client: httpx.Client) -> None:
    with client.stream("POST", "/api/v1/fill", json=order(3, stream=True, model="opencv-ns")) as answer:
        events = [line.partition(": ")[2] for line in answer.iter_lines() if line.startswith("event: ")]
    assert events[0] == "queued"
    assert "sample" in events
    assert events[-1] == "done"
    assert client.get("/").headers["content-type"].startswith("text/html")
    stranger = client.get("/api/v1/models", headers={"host": "elsewhere.example"})
    assert (stranger.status_code, stranger.json()["code"]) == (403, "forbidden")
    page = client.post("/api/v1/fill", json=order(3), headers={"origin": "https://elsewhere.example"})
    assert page.status_code == 403
    broken = client.post("/api/v1/fill", json=order(3) | {"mask": "!"})
    assert (broken.status_code, broken.json()["code"]) == (400, "bad_input")


def test_arguments_of_the_command_line_are_read_and_refused_in_one_sentence() -> None:
    build({"replicas": "2", "cpus": "0.5", "model": "opencv-telea,opencv-ns", "queue": "3", "page": "false"})
    for arguments, words in (
        ({"modle": "x"}, "no argument 'modle'"),
        ({"models": "x"}, "no argument 'models'"),
        ({"queue": "many"}, "queue is 'many': .*integer"),
        ({"page": "maybe"}, "page is 'maybe': .*boolean"),
        ({"threads": "0"}, "threads is 0"),
        ({"cpus": "many"}, "no number"),
        ({"replicas": "0"}, "replicas is 0"),
        ({"host": "0.0.0.0"}, "no token"),
        ({"host": "photos.example"}, "no token"),
    ):
        with pytest.raises(InputError, match=words):
            build(arguments)
    build({"host": "0.0.0.0", "token": "long-enough", "allow_host": "photos.example"})
