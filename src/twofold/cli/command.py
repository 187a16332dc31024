"""What all commands share: options are read, and faults and warnings told, in one line each."""

import io
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from itertools import takewhile
from typing import Any

import tyro

from twofold.errors import InputError

# What tyro draws around its words, on terminals of all kinds: colours, frames, and rules between parts.
_COLOR, _RULE = re.compile(r"\x1b\[[\d;]*m"), re.compile(r"\s*[─-]+\s*")
_FRAME = re.compile(r"^[│ ] |\s*│?$")


def parse(options: type[Any] | dict[str, Any], prog: str, arguments: Sequence[str], **settings: Any) -> Any:
    """Read the options of a command; ``--help`` prints them to standard output.

    Args:
        options: a dataclass with a field for each; or, by its name, one for each sub-command.
        prog: what was typed before, such as ``twofold fill``.
        arguments: what was typed behind it.
        settings: more of what ``tyro.cli`` takes.

    Raises:
        InputError: in one line, if an option is missing or unknown or has a value that it cannot have.
        SystemExit: with status 0, after ``--help``.
    """
    read: Any = tyro.extras.subcommand_cli_from_dict if isinstance(options, dict) else tyro.cli
    box = io.StringIO()
    try:
        with redirect_stderr(box):
            return read(options, prog=prog, args=list(arguments), **settings)
    except SystemExit as leaving:
        if not leaving.code:
            raise
        raise InputError(_in_one_line(box.getvalue(), prog)) from None


def _in_one_line(box: str, prog: str) -> str:
    """What tyro says in a box of several parts, but for the help of single options."""
    parts: list[list[str]] = [[]]
    for line in box.splitlines()[1:-1]:
        text = _FRAME.sub("", _COLOR.sub("", line))
        if _RULE.fullmatch(text):
            parts.append([])
        elif not text.startswith(" " * 8):  # the help of one option
            parts[-1].append(text)
    told, more = [], f"{prog} --help"
    for part in parts:
        lines = takewhile(bool, part)  # behind an empty line, tyro goes into detail
        listed = " ".join(f"{line.strip()}," if line.startswith(" ") else line for line in lines)
        sentence = listed.strip("., ")
        if found := re.match(r"For full helptext, \w+:? (.* --help)", sentence):
            more = found[1]
        elif sentence and not sentence.startswith("Argument helptext"):
            told.append(sentence[0].lower() + sentence[1:])
    return f"{'; '.join(told)}; see {more}"


@contextmanager
def one_line_warnings() -> Iterator[None]:
    """Show warnings as ``twofold: warning: ...`` instead of with a line of our code."""

    def show(message: Warning | str, *rest: object) -> None:
        print(f"twofold: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        yield
