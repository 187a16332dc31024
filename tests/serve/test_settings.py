"""What a server is told before it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from twofold.engine.model_name import Typed
from twofold.errors import InputError
from twofold.serve.settings import Settings


def test_a_server_serves_the_bundled_models_to_its_own_machine() -> None:
    settings = Settings()
    assert settings.names == ("medfe-small", "dsi-small")
    assert (settings.host, settings.token, settings.origins) == ("127.0.0.1", None, ())
    assert settings.most_pixels == 50_000_000


def test_names_of_models_tell_no_paths(tmp_path: Path) -> None:
    folder = tmp_path / "inpainter-2.5"
    folder.mkdir()
    (folder / "model.safetensors").touch()
    file = tmp_path / "secret" / "lama.v2.onnx"
    file.parent.mkdir()
    file.touch()
    settings = Settings(
        models=(str(folder), str(folder / "model.safetensors") + "x", str(file), f"mine={file}", "patchmatch")
    )
    assert settings.names == ("inpainter-2.5", "model.safetensorsx", "lama.v2", "mine", "patchmatch")
    assert Settings(models=(str(folder / "model.safetensors"),)).names == ("inpainter-2.5",)
    tool = Settings(models=(Typed("cmd: /opt/tools/fill.py --fast {image} {mask} {out}"),))
    assert tool.names == ("fill",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"port": 65536}, "port is 65536; give 0 to 65535"),
        ({"workers": 0}, "workers is 0; give 1 or more"),
        ({"queue": 0}, "queue is 0"),
        ({"max_samples": 17}, "max_samples is 17; give 1 to 16"),
        ({"max_megapixels": float("nan")}, "max_megapixels is nan; give a number above 0"),
        ({"max_megapixels": 200}, "max_megapixels is 200; give up to 178"),
        ({"deadline": 0}, "deadline is 0"),
        ({"deadline": float("inf")}, "deadline is inf"),
        ({"drain_seconds": -1}, "drain_seconds is -1"),
        ({"threads": 0}, "threads is 0"),
        ({"max_memory": 0}, "max_memory is 0"),
        ({"host": ""}, "host is empty"),
        ({"token": "short"}, "token"),
        ({"token": "with a space"}, "token"),
        ({"models": ()}, "no model is given"),
        ({"models": ("medfe-small", "medfe-small=patchmatch")}, "two models would be called 'medfe-small'"),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**change)  # type: ignore[arg-type]


def test_the_parts_of_a_server_are_there_before_torch_is() -> None:
    code = (
        "import twofold.serve.jobs.queue, twofold.serve.api.compose, twofold.serve.api.sse, sys\n"
        "from twofold.serve.jobs.model_pool import ModelPool\n"
        "from twofold.serve.settings import Settings\n"
        "ModelPool(Settings()).describe()\n"
        "raise SystemExit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
