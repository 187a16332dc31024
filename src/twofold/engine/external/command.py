"""Any program that fills holes, behind the contract of all inpainters: images go in and out as files."""

import shlex
import shutil
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from twofold.engine.external.child_process import Ending, run_child
from twofold.engine.external.whole_image import WholePicture
from twofold.engine.fingerprints import file_digest, text_digest
from twofold.errors import ImageError, InputError
from twofold.pixels import Photo, read_photo, rgb8, write_photo

TIME_LIMIT = 600.0
"""Seconds that a command may take for one answer."""
_NEEDED = ("{image}", "{mask}", "{out}")
_USAGE = "write it as 'TOOL {image} {mask} {out}'"


class Command(WholePicture):
    """Fills holes by running a command line for each answer: ``Command("tool {image} {mask} {out}")``.

    ``{image}`` becomes a PNG file of the picture, black in the hole; ``{mask}`` one that is white in
    the hole and black elsewhere; ``{out}`` a ``.png`` path where the command must write a picture of
    the same size. With ``{seed}``, a number from 0 to 2^32 - 1, it is asked anew for each sample.
    No shell takes part: words are split and quoted as in one, but there are no pipes or variables. It runs in
    the current folder, without input, and is killed with all that it started when it fails or takes too long.

    Attributes:
        last_memory: the most bytes that the last command, or one process that it started, held at a
            time; None before the first and where the system does not tell.
    """

    def __init__(self, template: str, *, name: str | None = None, limit: float = TIME_LIMIT) -> None:
        """Check a command line; nothing is run yet.

        Args:
            template: the command line with its placeholders.
            name: for reports; None: the program's name.
            limit: seconds that one answer may take.

        Raises:
            InputError: if a placeholder is missing, quotes are open, or there is no such program.

        ``fill`` raises InputError if the command fails, takes too long, or writes no image of the right size.
        """
        try:
            self._words = shlex.split(template)
        except ValueError as error:
            raise InputError(
                f"command {template!r} cannot be split into words ({error}); {_USAGE}"
            ) from error
        missing = [each for each in _NEEDED if not any(each in word for word in self._words)]
        if missing:
            raise InputError(f"command {template!r} has no {' and no '.join(missing)}; {_USAGE}")
        program = shutil.which(self._words[0])
        if program is None:
            raise InputError(
                f"there is no program {self._words[0]!r} to run; install it, or give the path of it"
            )
        self._words[0] = program
        self._template = template.strip()
        self.name = name or Path(program).stem
        self.diverse = self._seeded = "{seed}" in template
        self.last_memory: int | None = None
        self._limit = limit
        self._digest = _digest_of(self._words)

    @property
    def fingerprint(self) -> str:
        """The command line, and a digest of the program and the files among its words.

        What a program loads by itself (packages, weights in a folder) is not seen.
        """
        return f"cmd: {self._template} {self._digest}"

    def _fill(
        self, known: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_], seed: int
    ) -> npt.NDArray[np.uint8]:
        with tempfile.TemporaryDirectory(prefix="twofold-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            out = folder / "out.png"
            write_photo(Photo(known), folder / "image.png")
            write_photo(Photo(np.where(hole, np.uint8(255), np.uint8(0))), folder / "mask.png")
            values = {
                "{image}": str(folder / "image.png"),
                "{mask}": str(folder / "mask.png"),
                "{out}": str(out),
                "{seed}": str(seed),
            }
            self.last_memory = None
            ending = run_child([_filled(word, values) for word in self._words], folder, limit=self._limit)
            self.last_memory = ending.memory
            self._check(ending, folder)
            try:
                answer = read_photo(out).pixels
            except ImageError as error:
                raise InputError(
                    f"command {self.name} wrote no picture that can be read to {{out}}{_said(folder)}; "
                    "let it write a PNG file there"
                ) from error
        if answer.shape[:2] != hole.shape:
            raise InputError(
                f"command {self.name} answered with a picture of {answer.shape[1]}x{answer.shape[0]} to one "
                f"of {hole.shape[1]}x{hole.shape[0]}; let it write the size of {{image}}"
            )
        return rgb8(answer)

    def _check(self, ending: Ending, folder: Path) -> None:
        """Refuse a command that did not end well."""
        if ending.status is None:
            raise InputError(
                f"command {self.name} took more than {self._limit:g} seconds and was ended{_said(folder)}; "
                "give it a smaller picture, or run a faster one"
            )
        if ending.status != 0:
            how = f"exit status {ending.status}" if ending.status > 0 else f"signal {-ending.status}"
            raise InputError(
                f"command {self.name} failed with {how}{_said(folder)}; try it by hand with files of your own"
            )


def _filled(word: str, values: dict[str, str]) -> str:
    for placeholder, value in values.items():
        word = word.replace(placeholder, value)
    return word


def _said(folder: Path) -> str:
    """The last line that a command wrote, for a message: of standard error, else of its output."""
    for name in ("stderr.txt", "stdout.txt"):
        text = (folder / name).read_bytes()[-4000:].decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return f": {lines[-1][:300].rstrip('.')}"
    return ""


def _digest_of(words: list[str]) -> str:
    """One digest of the program and of every file among the words, also behind a ``=``."""
    lines = []
    for word in words:
        for part in dict.fromkeys((word, word.rpartition("=")[2])):
            path = Path(part)
            try:
                if part and path.is_file():
                    lines.append(f"{part} {file_digest(path)}")
            except (OSError, ValueError):  # a word too long for a path, or a file we may not read
                lines.append(part)
    return text_digest(lines)
