"""The command without a command: help, version, errors, and how light it is."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from twofold.cli import main as module
from twofold.cli.main import COMMANDS, main
from twofold.errors import MaskError


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, (text, _) in COMMANDS.items():
        assert f"{name} " in shown
        assert text in shown


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"twofold {version('twofold')}\n"


def test_nothing_and_nonsense_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
    assert main(["fil"]) == 2
    assert capsys.readouterr().err.startswith("twofold: there is no command 'fil'")


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    raised: list[BaseException] = []

    def command(arguments: Sequence[str]) -> int:
        raise raised[0]

    monkeypatch.setattr(module, "import_module", lambda name: SimpleNamespace(main=command))
    return raised


def test_our_errors_are_one_line_and_status_2(
    raising: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    raising.append(MaskError("mask is\n too small"))
    assert main(["fill"]) == 2
    assert capsys.readouterr().err == "twofold: mask is too small\n"
    assert main(["fill", "--debug"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("twofold: mask is too small\n")


def test_interrupt_is_status_130(raising: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    raising.append(KeyboardInterrupt())
    assert main(["fill"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_what_the_disk_refuses_is_one_line(
    raising: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    raising.append(OSError(28, "No space left on device", "out.png"))
    assert main(["fill"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "twofold: [Errno 28] No space left on device: 'out.png'"


def test_names_that_are_too_long_are_one_line(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["fill", "examples/coffee.png", "examples/mask.png", "-o", str(tmp_path / ("a" * 300 + ".png"))])
        == 2
    )
    assert "Traceback" not in capsys.readouterr().err


def test_bugs_are_not_hidden(raising: list[BaseException]) -> None:
    raising.append(RuntimeError("ours"))
    with pytest.raises(RuntimeError, match="ours"):
        main(["fill"])


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (2, 2), (None, 0), ("text", 1)])
def test_exits_become_statuses(raising: list[BaseException], status: object, expected: int) -> None:
    raising.append(SystemExit(status))
    assert main(["fill"]) == expected


@pytest.mark.parametrize(
    "code",
    [
        "import twofold",
        "import twofold.cli.main as m; m.main(['--help'])",
        "import twofold.cli.main as m; m.main(['--version'])",
        "import twofold.cli.main as m; m.main(['fill', '--help'])",
        "import twofold, twofold.pixels, twofold.masks; twofold.MaskWarning, twofold.Result",
        "import twofold.pixels as p; p.read_hole([], 1, 1)",
    ],
)
def test_light_parts_never_import_torch(code: str) -> None:
    guarded = f"import sys\ntry:\n    {code}\nexcept ValueError:\n    pass\n"
    shown = run(guarded + "print('loaded:', sorted({'torch', 'numpy', 'tyro', 'rich'} & set(sys.modules)))")
    loaded = shown.rsplit("loaded:", 1)[1]
    assert "torch" not in loaded
    if code in ("import twofold", "import twofold.cli.main as m; m.main(['--help'])"):
        assert loaded.strip() == "[]"


def test_public_names_are_there_and_errors_are_ours() -> None:
    import twofold

    for name in twofold.__all__:
        assert getattr(twofold, name) is not None
        assert name in dir(twofold)
    assert issubclass(twofold.MaskError, twofold.InputError)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = twofold.nonsense


def seconds(code: str) -> float:
    def once() -> float:
        start = time.perf_counter()
        run(code)
        return time.perf_counter() - start

    return min(once() for _ in range(2))


def test_help_takes_less_than_half_of_importing_torch() -> None:
    assert seconds("import twofold.cli.main as m; m.main(['--help'])") < 0.5 * seconds("import torch")


def test_module_runs_as_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "twofold", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: twofold")
