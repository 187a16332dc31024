"""``twofold serve``: from options to settings, and its errors in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from twofold.cli.main import main
from twofold.cli.serve import TOKEN_VARIABLE, ServeOptions, settings_of
from twofold.serve import run as module
from twofold.serve.settings import Settings


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, Callable[[str, bool], None]]]:
    """The settings that would be served; nothing is."""
    calls: list[tuple[Settings, Any]] = []

    def run(settings: Settings, listening: Any) -> int:
        calls.append((settings, listening))
        return 0

    monkeypatch.setattr(module, "run", run)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    return calls


def test_without_options_everything_is_as_the_server_has_it(served: list[Any]) -> None:
    assert main(["serve"]) == 0
    assert served[0][0] == Settings()


def test_every_option_reaches_the_settings(served: list[Any]) -> None:
    words = (
        "serve --host localhost --port 0 --model opencv-telea --model b=opencv-ns --token abcdefgh --queue 3 "
        "--origin https://a.example --origin https://b.example --allow-host paint.example --workers 5 "
        "--max-megapixels 2.5 --max-samples 4 --deadline 30 --threads 1 --max-memory 1GB --no-page "
        "--device cpu"
    )
    assert main(words.split()) == 0
    assert served[0][0] == Settings(
        host="localhost",
        port=0,
        models=("opencv-telea", "b=opencv-ns"),
        token="abcdefgh",
        origins=("https://a.example", "https://b.example"),
        allow_hosts=("paint.example",),
        queue=3,
        workers=5,
        max_megapixels=2.5,
        max_samples=4,
        deadline=30.0,
        threads=1,
        max_memory=10**9,
        page=False,
        device="cpu",
    )


def test_the_token_can_be_given_where_others_do_not_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "from-the-environment")
    assert settings_of(ServeOptions()).token == "from-the-environment"
    assert settings_of(ServeOptions(token="from-the-option")).token == "from-the-option"
    monkeypatch.setenv(TOKEN_VARIABLE, "")
    assert settings_of(ServeOptions()).token is None


def test_the_browser_is_opened_only_when_asked_for(
    served: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    for words in (["serve"], ["serve", "--open"]):
        main(words)
        served[-1][1]("http://127.0.0.1:1/?token=abcdefgh", False)
    assert opened == ["http://127.0.0.1:1/?token=abcdefgh"]
    assert "abcdefgh" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        "--port 70000",
        "--port -1",
        "--queue 0",
        "--max-megapixels 0",
        "--max-samples 99",
        "--deadline nan",
        "--token short",
        "--max-memory much",
        "--model a=opencv-ns --model a=opencv-telea",
        "--model no-such-model",
        "--host no.such.name.invalid",
    ],
)
def test_what_cannot_be_served_is_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", *words.split()]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("twofold: ")
    assert shown.err.count("\n") == 1


def test_without_its_libraries_the_way_out_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("twofold.serve", "fastapi", "uvicorn"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert main(["serve"]) == 2
    assert capsys.readouterr().err.strip().endswith("pip install 'twofold[serve]'")
