"""Models by name: loaded once, shared by all, and nothing else of the machine within reach."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from serve.small import PATIENCE, hole_in, noise
from twofold.checkpoints.format import save_weights
from twofold.dsi.config import tiny as tiny_dsi
from twofold.dsi.model import build_dsi
from twofold.engine.load import load
from twofold.engine.model_name import Typed
from twofold.errors import CheckpointError, ImageError, InputError
from twofold.inpainter import Inpainter, Sample
from twofold.medfe.build import build_medfe
from twofold.medfe.config import tiny as tiny_medfe
from twofold.serve.errors import ApiError
from twofold.serve.jobs import model_pool as module
from twofold.serve.jobs.model_pool import ModelPool
from twofold.serve.settings import Settings


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny network of each family, and one that is damaged."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    medfe, dsi = build_medfe(tiny_medfe()), build_dsi(tiny_dsi())
    for name, config, network in (("medfe", tiny_medfe(), medfe), ("dsi", tiny_dsi(), dsi)):
        path = folder / f"{name}.safetensors"
        save_weights(path, family=name, config=config, state=network.state_dict(), name=f"tiny-{name}")
    (folder / "broken.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{nothing")
    return folder


@pytest.fixture
def pool(files: Path) -> ModelPool:
    models = ("grey=opencv-telea", f"plain={files}/medfe.safetensors", f"{files}/dsi.safetensors")
    return ModelPool(Settings(models=(*models, f"{files}/broken.safetensors"), device="cpu"))


def tool(path: Path, body: str) -> str:
    """A model that is a program."""
    path.write_text(
        "import sys, time\nfrom PIL import Image\nimage = Image.open(sys.argv[1])\n"
        f"{body}\nimage.save(sys.argv[3])\n"
    )
    return Typed(f"tool=cmd: {sys.executable} {path} {{image}} {{mask}} {{out}}")


def go_on() -> None:
    """The check of a job that is not to end."""


@contextmanager
def lent(pool: ModelPool, name: str = "") -> Iterator[Inpainter]:
    with pool.lease(name or pool.default, go_on) as lease:
        yield lease.inpainter


def test_models_are_described_before_they_are_loaded_and_alike_after(pool: ModelPool) -> None:
    before = [each.model_dump() for each in pool.describe()]
    assert [each["name"] for each in before] == ["grey", "plain", "dsi", "broken"]
    assert [each["diverse"] for each in before] == [False, False, True, False]
    assert [each["native_size"] for each in before] == [None, 256, 64, None]
    assert [each["default"] for each in before] == [True, False, False, False]
    assert {each["state"] for each in before} == {"idle"}
    own = tiny_dsi().sampling
    assert before[2]["options"] == {
        "temperature": {"default": own.temperature, "minimum": 0, "maximum": 2},
        "top_k": {"default": own.top_k, "minimum": 0, "maximum": 512},
        "top_p": {"default": own.top_p, "minimum": 0.01, "maximum": 1},
    }
    for name in ("plain", "dsi"):
        with lent(pool, name):
            pass
    after = [each.model_dump() for each in pool.describe()]
    assert [each["state"] for each in after] == ["idle", "ready", "ready", "idle"]
    assert [{**each, "state": "idle"} for each in after] == before


def test_the_bundled_models_are_known_without_being_loaded() -> None:
    medfe, dsi = ModelPool(Settings()).describe()
    assert (medfe.diverse, medfe.options, medfe.default) == (False, {}, True)
    assert (dsi.diverse, dsi.native_size, sorted(dsi.options)) == (
        True,
        256,
        ["temperature", "top_k", "top_p"],
    )


def test_only_what_is_served_can_be_named(pool: ModelPool, files: Path) -> None:
    for name in ("", "medfe-small", "opencv-ns", f"{files}/dsi.safetensors", "../dsi", "cmd: true {image}"):
        for ask in (
            lambda name=name: pool.check(name),
            lambda name=name: pool.lease(name, go_on).__enter__(),
        ):
            with pytest.raises(ApiError, match="choose from grey, plain, dsi, broken") as caught:
                ask()
            assert (caught.value.status, caught.value.code) == (404, "unknown_model")
            assert not name or name not in caught.value.detail
    assert pool.check(None) == "grey"


def test_a_model_that_is_not_there_is_missed_at_the_start(files: Path) -> None:
    for name in ("dsi-huge", f"{files}/gone.onnx", str(files)):
        with pytest.raises(CheckpointError, match="there is no model"):
            ModelPool(Settings(models=(name,)))


def test_many_threads_load_a_model_once_and_get_the_same_answers(
    pool: ModelPool, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[tuple[str, bool]] = []
    opened = []

    def slowly(*arguments: Any, **options: Any) -> Inpainter:
        opened.append(arguments)
        time.sleep(0.05)
        return load(*arguments, **options)

    monkeypatch.setattr("twofold.engine.load.load", slowly)
    pool.on_load = lambda model, seconds: loads.append((model, seconds > 0.04))
    expected = load(files / "dsi.safetensors", device="cpu", options={"temperature": 0.5})
    result = expected.fill(noise(), hole_in(), seed=3)

    def fill(_: int) -> Any:
        with lent(pool, "dsi") as inpainter:
            return inpainter.fill(noise(), hole_in(), seed=3, options={"temperature": 0.5})

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(fill, range(4)))
    assert (len(opened), loads) == (1, [("dsi", True)])
    for answer in answers:
        np.testing.assert_array_equal(answer.image, result.image)
        assert answer.options == result.options


def test_options_and_detail_go_to_the_models_that_know_them(pool: ModelPool) -> None:
    assert pool.check("dsi", {"temperature": 0.5}, "always") == "dsi"
    assert pool.check("plain", {}, "none") == "plain"
    with pytest.raises(InputError, match="plain takes no sampling options"):
        pool.check("plain", {"top_k": 3})
    with pytest.raises(InputError, match="grey takes no sampling options"):
        pool.check("grey", {"top_k": 3})
    with pytest.raises(InputError, match="grey fills in its own way and takes no detail"):
        pool.check("grey", None, "always")


def test_a_model_that_cannot_be_loaded_fails_without_telling_why(
    pool: ModelPool, files: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ApiError, match="broken cannot be used now") as caught, lent(pool, "broken"):
        pass
    assert (caught.value.status, caught.value.code) == (503, "unavailable")
    assert str(files) not in caught.value.detail
    assert str(files) in caplog.text
    assert pool.describe()[3].state == "failed"
    caplog.clear()
    with pytest.raises(ApiError), lent(pool, "broken"):
        pass
    assert caplog.text == ""  # not tried again so soon
    monkeypatch.setattr(module, "TRY_AGAIN", 0.0)
    with pytest.raises(ApiError), lent(pool, "broken"):
        pass
    assert "cannot be loaded" in caplog.text


def test_the_server_is_ready_once_its_default_model_is(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    pool = ModelPool(Settings(models=(f"{files}/medfe.safetensors",), device="cpu"))
    assert not pool.ready
    pool.warm_up()
    assert pool.ready
    broken = ModelPool(Settings(models=(f"{files}/broken.safetensors",)))
    with caplog.at_level(logging.ERROR):
        broken.warm_up()
    assert not broken.ready


def test_jobs_have_a_model_one_after_the_other(tmp_path: Path) -> None:
    body = (
        "log = open(sys.argv[0] + '.log', 'a')\n"
        "print('<', end='', file=log, flush=True)\n"
        "time.sleep(0.1)\n"
        "print('>', end='', file=log)"
    )
    pool = ModelPool(Settings(models=(tool(tmp_path / "tool.py", body),)))

    def fill(_: int) -> Any:
        with lent(pool) as inpainter:
            return inpainter.fill(noise(), hole_in())

    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(fill, range(3)))
    assert (tmp_path / "tool.py.log").read_text() == "<><><>"
    assert results[0].image.shape == (12, 16, 3)


class Left(Exception):  # noqa: N818  # what a job's check raises
    """The job is to end."""


def test_waiting_for_a_model_ends_when_the_job_is_cancelled(pool: ModelPool) -> None:
    left = threading.Event()

    def check() -> None:
        if left.is_set():
            raise Left

    def wait() -> None:
        with pool.lease("grey", check):
            pass

    with lent(pool, "grey") as inpainter, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(wait)
        time.sleep(0.02)
        left.set()
        with pytest.raises(Left):
            waiting.result(PATIENCE)
        assert inpainter.fill(noise(), hole_in()).image.shape == (12, 16, 3)
    with lent(pool, "grey"):  # it was given back
        pass


def test_a_network_is_left_in_the_middle_and_answers_the_next_as_ever(pool: ModelPool) -> None:
    def leave(done: int, total: int) -> None:
        if done:
            raise Left

    with lent(pool, "dsi") as inpainter:
        before = inpainter.fill(noise(), hole_in(), seed=5).image
    with pytest.raises(Left), lent(pool, "dsi") as inpainter:
        inpainter.fill(noise(), hole_in(), samples=4, progress=leave, options={"temperature": 2.0})
    with lent(pool, "dsi") as inpainter:
        np.testing.assert_array_equal(inpainter.fill(noise(), hole_in(), seed=5).image, before)


def test_others_have_the_model_while_a_reader_is_slow(pool: ModelPool) -> None:
    """Two jobs whose samples wait for one another: neither could end if a model were kept meanwhile."""
    meeting = threading.Barrier(2)

    def fill(seed: int) -> list[Any]:
        with pool.lease("dsi", go_on) as lease:

            def on_sample(sample: Sample) -> None:
                with lease.paused():
                    meeting.wait(PATIENCE)

            return lease.inpainter.fill(noise(), hole_in(), 3, seed, on_sample=on_sample).samples

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(fill, (1, 2)))
    with lent(pool, "dsi") as inpainter:
        for seed, samples in zip((1, 2), answers, strict=True):
            alone = inpainter.fill(noise(), hole_in(), 3, seed).samples
            for one, other in zip(samples, alone, strict=True):
                np.testing.assert_array_equal(one.image, other.image)


def test_a_job_that_ends_while_it_is_paused_does_not_hold_the_model(pool: ModelPool) -> None:
    with pytest.raises(Left), pool.lease("grey", go_on) as lease, lease.paused():
        raise Left
    with lent(pool, "grey"):
        pass


def test_what_a_program_says_when_it_fails_is_for_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = ModelPool(Settings(models=(tool(tmp_path / "tool.py", "raise SystemExit('secret')"),)))
    with pytest.raises(ApiError, match="failed at this picture") as caught, lent(pool) as inpainter:
        inpainter.fill(noise(), hole_in())
    assert caught.value.status == 503
    assert "secret" in caplog.text
    with pytest.raises(ImageError), lent(pool) as inpainter:
        inpainter.fill(np.zeros((3, 3)), hole_in())


def test_the_number_of_threads_is_set_when_a_model_is_loaded(files: Path) -> None:
    before = torch.get_num_threads()
    try:
        pool = ModelPool(Settings(models=(f"{files}/medfe.safetensors",), device="cpu", threads=3))
        pool.warm_up()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
