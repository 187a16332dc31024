"""One picture of a job: what a worker needs to know, and filling one task."""

import errno
import hashlib
import os
import posixpath
import time
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from twofold.batch.naming import Task
from twofold.batch.storage import Storage, open_storage
from twofold.engine.load import load
from twofold.errors import TwofoldError
from twofold.pixels import MaskWarning, check_output, read_hole, read_photo, write_photo

NOTHING_TO_FILL = "the mask has no hole, so the picture is copied"


@dataclass(frozen=True)
class Settings:
    """What every answer of a job depends on, besides its files.

    Attributes:
        model: see ``twofold.load``.
        seed: the seed of each picture is drawn from this and from its names.
        samples: answers to each picture.
        options: how a model that samples does so; empty: its own way.
        device: see ``twofold.load``.
        threads: that the libraries of one worker use. Networks round differently with another number, by
            a level in a pixel here and there.
    """

    model: str = "medfe-small"
    seed: int = 0
    samples: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"
    threads: int = 1

    def answer_settings(self) -> dict[str, Any]:
        """What an answer depends on besides the model and the files."""
        names = ("seed", "samples", "threads")
        return {name: getattr(self, name) for name in names} | {"options": dict(self.options)}


@dataclass(frozen=True)
class Work:
    """What a worker is told once: where pictures and masks lie, how they are filled, where answers wait."""

    images: str
    masks: str
    staging: Path
    settings: Settings


@dataclass(frozen=True)
class Answer:
    """How one task went.

    Attributes:
        task: which.
        reason: why it failed, in one sentence; None if it did not.
        note: a remark, or empty.
        seconds: that it took, reading and writing included.
        stamps: of picture and mask when they were read.
        staged: the files that were made, not yet at their place.
        sizes: their bytes.
        full: whether it failed because nothing can be written any more, so that all others would, too.
    """

    task: Task
    reason: str | None = None
    note: str = ""
    seconds: float = 0.0
    stamps: tuple[str | None, str | None] = (None, None)
    staged: tuple[Path, ...] = ()
    sizes: tuple[int, ...] = ()
    full: bool = False


def task_seed(seed: int, task: Task) -> int:
    """The seed of one task, in [0, 2**48): from the job's and the names of picture and mask alone."""
    whole = f"{seed}\0{task.image}\0{task.mask}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(whole).digest()[:6], "big")


class Filler:
    """Fills tasks one by one; whatever is wrong with one is told in its answer."""

    def __init__(self, work: Work) -> None:
        """Load the model.

        Raises:
            TwofoldError: if it cannot be used.
        """
        settings = work.settings
        self.inpainter = load(settings.model, device=settings.device, options=dict(settings.options) or None)
        self._work = work
        self._images: Storage = open_storage(work.images)
        self._masks: Storage = open_storage(work.masks)
        self._numbers = count()

    def fill(self, task: Task) -> Answer:
        """Fill one picture into the staging folder.

        Errors of the user's files, and any other of one picture, become the answer's reason.
        """
        start = time.perf_counter()
        stamps = (self._images.stamp(task.image), self._masks.stamp(task.mask))
        staging = self._work.staging
        shown = {str(staging): "OUT"}
        ending = posixpath.splitext(task.out)[1]
        number = f"{os.getpid()}-{next(self._numbers)}"
        staged = tuple(
            staging / f"{number}-{sample}{ending}" for sample in range(self._work.settings.samples)
        )
        try:
            note = self._fill(task, staged, shown)
            sizes = tuple(path.stat().st_size for path in staged)
        except Exception as error:
            for path in staged:
                path.unlink(missing_ok=True)
            if _ruins_the_device(error):
                os._exit(70)
            seconds = time.perf_counter() - start
            return Answer(task, _sentence(error, shown), "", seconds, stamps, full=nothing_fits(error))
        return Answer(task, None, note, time.perf_counter() - start, stamps, staged, sizes)

    def _fill(self, task: Task, staged: tuple[Path, ...], shown: dict[str, str]) -> str:
        """Read, fill, write; gives a note. ``shown``: our paths -> the user's names, for messages."""
        settings = self._work.settings
        with ExitStack() as stack, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", MaskWarning)
            shown.update({str(path): task.out for path in staged})
            image = stack.enter_context(self._images.reading(task.image))
            shown[str(image)] = task.image
            photo = read_photo(image)
            mask = stack.enter_context(self._masks.reading(task.mask))
            shown[str(mask)] = task.mask
            hole = read_hole(mask, photo.height, photo.width)
            check_output(staged[0], photo.pixels)
            result = self.inpainter.fill(
                photo, hole, samples=settings.samples, seed=task_seed(settings.seed, task)
            )
            for sample, path in zip(result.samples, staged, strict=True):
                write_photo(photo.with_pixels(sample.image), path)
            notes = [str(one.message) for one in caught if issubclass(one.category, MaskWarning)]
        if not hole.any():
            notes.append(NOTHING_TO_FILL)
        return "; ".join(notes)


def nothing_fits(error: BaseException) -> bool:
    """Whether a disk is full or may not be written to: the fault of no single picture."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def _sentence(error: Exception, shown: Mapping[str, str]) -> str:
    """One line, with the user's names instead of our paths, longest first."""
    text = str(error) if isinstance(error, TwofoldError) else f"{type(error).__name__}: {error}"
    for path in sorted(shown, key=len, reverse=True):
        text = text.replace(path, shown[path])
    return " ".join(text.split())


def _ruins_the_device(error: Exception) -> bool:
    """After an error inside a CUDA kernel the process can compute nothing more; it must be replaced."""
    return type(error).__name__ == "AcceleratorError" or "CUDA error" in str(error)
