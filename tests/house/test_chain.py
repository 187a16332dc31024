"""How deep a fill goes: few frames of ours stand between what a person asks and the network's ``forward``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import twofold
from serve.live import order, serving
from twofold.checkpoints.format import save_weights
from twofold.cli.main import main
from twofold.dsi.config import tiny as tiny_dsi
from twofold.dsi.model import Dsi, build_dsi
from twofold.medfe.build import build_medfe
from twofold.medfe.config import tiny as tiny_medfe
from twofold.medfe.model import Medfe
from twofold.serve.app import create_app
from twofold.serve.settings import Settings

SOURCE = str(Path(twofold.__file__).parent)
MOST = 7
"""Frames of ours from the command to ``forward``, both included."""
MORE_FOR_A_REQUEST = 4


def frames() -> list[str]:
    """Names of our functions that are being run, the outermost first."""
    found, frame = [], sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(SOURCE):
            found.append(f"{frame.f_code.co_filename.removeprefix(SOURCE)}:{frame.f_code.co_name}")
        frame = frame.f_back  # type: ignore[assignment]
    return found[::-1]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The stack at MEDFE's ``forward`` and at DSI's ``fill``, where its sampler begins."""
    stacks: dict[str, list[str]] = {}

    def spied(family: str, original: Any) -> Any:
        def spy(self: Any, *given: Any, **named: Any) -> Any:
            stacks[family] = [*frames(), f"{family} network"]
            return original(self, *given, **named)

        return spy

    monkeypatch.setattr(Medfe, "forward", spied("medfe", Medfe.forward))
    monkeypatch.setattr(Dsi, "fill", spied("dsi", Dsi.fill))
    return stacks


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    folders = {}
    for family, network in {"medfe": build_medfe(tiny_medfe()), "dsi": build_dsi(tiny_dsi())}.items():
        folders[family] = tmp_path / family
        folders[family].mkdir()
        file, config = folders[family] / "model.safetensors", network.config
        save_weights(file, family=family, config=config, state=network.state_dict(), name=family)
    return folders


@pytest.mark.parametrize("family", ["medfe", "dsi"])
def test_a_command_reaches_the_network_in_seven_frames(
    family: str, models: dict[str, Path], seen: dict[str, list[str]], tmp_path: Path
) -> None:
    hole = np.zeros((70, 80), np.uint8)
    hole[20:40, 30:50] = 255
    Image.fromarray(np.full((70, 80, 3), 90, np.uint8)).save(tmp_path / "photo.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")
    words = ["fill", str(tmp_path / "photo.png"), str(tmp_path / "mask.png"), "-o", str(tmp_path / "out.png")]
    assert main([*words, "--model", str(models[family])]) == 0
    assert 4 < len(seen[family]) <= MOST, "\n".join(seen[family])


def test_a_request_takes_four_frames_more(models: dict[str, Path], seen: dict[str, list[str]]) -> None:
    import httpx

    settings = Settings(models=tuple(f"{name}={folder}" for name, folder in models.items()))
    with serving(create_app(settings), settings) as live:
        for family in models:
            asked = order(0, model=family)
            answer = httpx.post(f"{live.url}/api/v1/fill", json=asked, trust_env=False, timeout=60)
            assert answer.status_code == 200, answer.text
            assert len(seen[family]) <= MOST + MORE_FOR_A_REQUEST, "\n".join(seen[family])
