"""Models by name: loaded once, shared by all, and nothing else of the machine within reach."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from twofold.engine.calls import CallCancelled

from serve.small import PATIENCE, hole_in, noise
from twofold.checkpoints.format import save_weights
from twofold.dsi.config import tiny as tiny_dsi
from twofold.dsi.model import build_dsi
from twofold.engine.load import load
from twofold.errors import CheckpointError, ImageError, InputError
from twofold.medfe.config import tiny as tiny_medfe
from twofold.medfe.model import build_medfe
from twofold.serve import cupboard as module
from twofold.serve.cupboard import Cupboard
from twofold.serve.jobs import Stopped
from twofold.serve.refusals import Refusal
from twofold.serve.schema import ModelAnswer
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
def cupboard(files: Path) -> Iterator[Cupboard]:
    models = ("grey=opencv-telea", f"plain={files}/medfe.safetensors", f"{files}/dsi.safetensors")
    made = Cupboard(Settings(models=(*models, f"{files}/broken.safetensors"), device="cpu"))
    yield made
    made.close()


def tool(path: Path, body: str) -> str:
    """A model that is a program."""
    path.write_text(
        "import sys, time\nfrom PIL import Image\nimage = Image.open(sys.argv[1])\n"
        f"{body}\nimage.save(sys.argv[3])\n"
    )
    return f"tool=cmd: {sys.executable} {path} {{image}} {{mask}} {{out}}"


def test_models_are_described_before_they_are_loaded_and_alike_after(cupboard: Cupboard) -> None:
    before = cupboard.describe()
    for each in before:
        ModelAnswer.model_validate(each)
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
        cupboard.get(name)
    after = cupboard.describe()
    assert [each["state"] for each in after] == ["idle", "ready", "ready", "idle"]
    assert [{**each, "state": "idle"} for each in after] == before


def test_the_bundled_models_are_known_without_being_loaded() -> None:
    medfe, dsi = Cupboard(Settings()).describe()
    assert (medfe["diverse"], medfe["options"], medfe["default"]) == (False, {}, True)
    assert (dsi["diverse"], dsi["native_size"], sorted(dsi["options"])) == (
        True,
        256,
        ["temperature", "top_k", "top_p"],
    )


def test_only_what_is_served_can_be_named(cupboard: Cupboard, files: Path) -> None:
    for name in ("", "medfe-small", "opencv-ns", f"{files}/dsi.safetensors", "../dsi", "cmd: true {image}"):
        with pytest.raises(Refusal, match="choose from grey, plain, dsi, broken") as caught:
            cupboard.get(name)
        assert (caught.value.status, caught.value.code) == (404, "unknown_model")
        assert not name or name not in caught.value.detail
    assert cupboard.check(None, None) == "grey"


def test_a_model_that_is_not_there_is_missed_at_the_start(files: Path) -> None:
    for name in ("dsi-huge", f"{files}/gone.onnx", str(files)):
        with pytest.raises(CheckpointError, match="there is no model"):
            Cupboard(Settings(models=(name,)))


def test_many_threads_load_a_model_once_and_get_the_same_answers(
    cupboard: Cupboard, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, loads = [], []
    original = module._Shelf._open

    def slowly(shelf: Any) -> None:
        opened.append(shelf.name)
        time.sleep(0.05)
        original(shelf)

    monkeypatch.setattr(module._Shelf, "_open", slowly)
    cupboard.on_load = lambda model, seconds: loads.append((model, seconds > 0.04))
    expected = load(files / "dsi.safetensors", device="cpu", options={"temperature": 0.5})
    result = expected.fill(noise(), hole_in(), seed=3)

    def fill(_: int) -> Any:
        painter = cupboard.get("dsi", {"temperature": 0.5})
        assert painter.name == "dsi"
        return painter.fill(noise(), hole_in(), seed=3)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(fill, range(4)))
    assert (opened, loads) == (["dsi"], [("dsi", True)])
    for answer in answers:
        np.testing.assert_array_equal(answer.image, result.image)
        assert answer.options == result.options


def test_options_and_detail_go_to_the_models_that_know_them(cupboard: Cupboard) -> None:
    assert cupboard.check("dsi", {"temperature": 0.5}, "always") == "dsi"
    assert cupboard.check("plain", {}, "none") == "plain"
    with pytest.raises(InputError, match="plain takes no sampling options"):
        cupboard.check("plain", {"top_k": 3})
    with pytest.raises(InputError, match="grey takes no sampling options"):
        cupboard.get("grey", {"top_k": 3})
    with pytest.raises(InputError, match="grey fills in its own way and takes no detail"):
        cupboard.check("grey", None, "always")
    with pytest.raises(InputError, match="temperature"):
        cupboard.get("dsi", {"temperature": -1.0})


def test_a_model_that_cannot_be_loaded_fails_without_telling_why(
    cupboard: Cupboard, files: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refusal, match="broken cannot be used now") as caught:
        cupboard.get("broken")
    assert (caught.value.status, caught.value.code) == (503, "unavailable")
    assert str(files) not in caught.value.detail
    assert str(files) in caplog.text
    assert cupboard.describe()[3]["state"] == "failed"
    caplog.clear()
    with pytest.raises(Refusal):
        cupboard.get("broken")
    assert caplog.text == ""  # not tried again so soon
    monkeypatch.setattr(module, "TRY_AGAIN", 0.0)
    with pytest.raises(Refusal):
        cupboard.get("broken")
    assert "cannot be loaded" in caplog.text


def test_the_server_is_ready_once_its_default_model_is(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    cupboard = Cupboard(Settings(models=(f"{files}/medfe.safetensors",), device="cpu"))
    assert not cupboard.ready
    cupboard.warm_up()
    assert cupboard.ready
    cupboard.close()
    assert not cupboard.ready
    with pytest.raises(Refusal) as caught:
        cupboard.get()
    assert caught.value.status == 503
    broken = Cupboard(Settings(models=(f"{files}/broken.safetensors",)))
    with caplog.at_level(logging.ERROR):
        broken.warm_up()
    assert not broken.ready


def test_other_methods_answer_one_job_after_the_other(tmp_path: Path) -> None:
    body = (
        "log = open(sys.argv[0] + '.log', 'a')\n"
        "print('<', end='', file=log, flush=True)\n"
        "time.sleep(0.1)\n"
        "print('>', end='', file=log)"
    )
    cupboard = Cupboard(Settings(models=(tool(tmp_path / "tool.py", body),)))
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: cupboard.get().fill(noise(), hole_in()), range(3)))
    assert (tmp_path / "tool.py.log").read_text() == "<><><>"
    assert results[0].image.shape == (12, 16, 3)


def test_waiting_for_ones_turn_ends_when_the_job_is_cancelled(cupboard: Cupboard) -> None:
    left = threading.Event()
    painter = cupboard.get("grey", cancelled=left.is_set)
    with cupboard._shelves["grey"]._lock, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(painter.fill, noise(), hole_in())
        time.sleep(0.02)
        left.set()
        with pytest.raises(Stopped):
            waiting.result(PATIENCE)
    assert painter.fill(noise(), hole_in()).image.shape == (12, 16, 3)
    network = cupboard.get("dsi", cancelled=left.is_set)
    with pytest.raises(CallCancelled):
        network.fill(noise(), hole_in(), samples=4)


def test_what_a_program_says_when_it_fails_is_for_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cupboard = Cupboard(Settings(models=(tool(tmp_path / "tool.py", "raise SystemExit('secret')"),)))
    with pytest.raises(Refusal, match="failed at this picture") as caught:
        cupboard.get().fill(noise(), hole_in())
    assert caught.value.status == 503
    assert "secret" in caplog.text
    with pytest.raises(ImageError):
        cupboard.get().fill(np.zeros((3, 3)), hole_in())


def test_the_number_of_threads_is_set_when_a_model_is_loaded(files: Path) -> None:
    before = torch.get_num_threads()
    try:
        cupboard = Cupboard(Settings(models=(f"{files}/medfe.safetensors",), device="cpu", threads=3))
        cupboard.warm_up()
        assert torch.get_num_threads() == 3
        cupboard.close()
    finally:
        torch.set_num_threads(before)
