"""Options of all commands: help on standard output, faults in one line and exit status 2."""

from __future__ import annotations

import sys
import warnings

import pytest

from twofold.cli.command import one_line_warnings
from twofold.cli.main import COMMANDS, main

WORDS = {
    "fill": "p.png m.png -o o.png",
    "batch": "images masks out",
    "serve": "",
    "masks": "grow mask.png -o out.png --by 1",
    "train": "medfe --data photos --out run",
    "evaluate": "--images photos",
    "export": "medfe-small out.onnx",
    "convert": "medfe folder out",
}


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that is said."""
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("twofold: ")
    assert shown.err.count("\n") == 1
    return shown.err


def test_every_command_is_tried_here() -> None:
    assert set(WORDS) == set(COMMANDS)


@pytest.mark.parametrize("command", WORDS)
def test_an_unknown_option_is_one_line_that_names_it(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused([command, *WORDS[command].split(), "--no-such-thing"], capsys)
    assert "--no-such-thing" in said
    assert f"see twofold {command}" in said
    assert said.endswith("--help\n")


@pytest.mark.parametrize("command", WORDS)
def test_help_goes_to_standard_output_and_is_status_0(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = [] if command != "train" else ["medfe"]
    assert main([command, *name, "--help"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"usage: twofold {command}")
    assert shown.err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("fill", "missing from twofold fill: PHOTO, MASK, -o OUT, --out OUT; see twofold fill --help"),
        ("fill p.png m.png -o o.png --sed 3", "perhaps you meant: --seed INT; see twofold fill --help"),
        ("fill p.png m.png -o o.png --samples x", "error parsing --samples: invalid literal for int()"),
        ("fill p.png m.png -o", "missing value for argument '-o/--out'"),
        ("masks", "expected one of {make, grow, feather, invert,"),
        ("masks make", "missing from twofold masks make: OUT; see twofold masks make --help"),
        ("masks find a.png -o b.png --kinds dots", "invalid choice 'dots' for argument '--kinds'"),
        ("masks make out --size 3", "error parsing --size: "),
        ("train", "give a network (medfe, dsi-vqvae, dsi-structure, dsi-texture), --data FOLDER and --out"),
        ("train medfe --data", "argument --data: expected one argument; see twofold train medfe --help"),
        ("train lama --data photos --out run", "invalid choice: 'lama'"),
    ],
)
def test_what_is_missing_or_wrong_is_named(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(words.split(), capsys)


@pytest.mark.parametrize(("color", "encoding"), [("1", "utf-8"), ("", "ascii")])
def test_the_line_is_the_same_on_every_terminal(
    color: str, encoding: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = refused(["fill", "p.png", "--foo"], capsys)
    monkeypatch.setenv("FORCE_COLOR", color)
    monkeypatch.setenv("COLUMNS", "47")
    monkeypatch.setattr(type(sys.stdout), "encoding", encoding, raising=False)
    assert refused(["fill", "p.png", "--foo"], capsys) == expected


def test_warnings_are_one_line_while_a_command_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with one_line_warnings():
        warnings.warn("mask is grey", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "twofold: warning: mask is grey\n"
