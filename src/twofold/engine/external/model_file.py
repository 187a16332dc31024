"""Inpainters around the model files of other projects, whatever runs them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from twofold.engine.external.conventions import Arrays, Convention
from twofold.engine.external.fit import fit
from twofold.engine.external.whole_image import WholePicture
from twofold.errors import CheckpointError, TwofoldError, cause_of

Run = Callable[[Arrays], npt.NDArray[Any]]
"""Runs a model file: its inputs in order -> its first output."""


class ForeignModel(WholePicture):
    """Fills holes with one model file, by the convention that its inputs show.

    A file of a fixed size sees the whole picture scaled to it and its answer scaled back; any other
    sees the picture at full size, mirrored out to sides that it takes. One answer, whatever the seed.
    """

    def __init__(
        self, file: Path, convention: Convention, run: Run, *, name: str | None, fingerprint: str
    ) -> None:
        """Take an opened file.

        Args:
            file: for messages.
            convention: how it is asked.
            run: asks it.
            name: for reports; None: the file's name without its ending.
            fingerprint: see ``twofold.engine.fingerprints``.
        """
        self.name = name or file.stem
        self.convention = convention
        self._file, self._run, self._fingerprint = file, run, fingerprint

    @property
    def fingerprint(self) -> str:
        """Name and digest of the file, and what runs it."""
        return self._fingerprint

    def _fill(
        self, known: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_], seed: int
    ) -> npt.NDArray[np.uint8]:
        convention = self.convention
        fitted = fit(known, hole, size=convention.size, multiple=convention.multiple, least=convention.least)
        arrays = convention.inputs(fitted.image, fitted.hole)
        height, width = fitted.hole.shape
        try:
            answer = self._run(arrays)
        except TwofoldError:
            raise
        except Exception as error:  # whatever a foreign program raises
            raise CheckpointError(
                f"{self._file} failed on a picture of {width}x{height} ({cause_of(error)}); "
                "use another file or a smaller picture"
            ) from error
        if answer.shape != (1, 3, height, width):
            raise CheckpointError(
                f"{self._file} answered {list(answer.shape)} to a picture of {width}x{height}, not "
                f"[1, 3, {height}, {width}]; use a file of a model that fills holes"
            )
        if not np.isfinite(answer).all():
            raise CheckpointError(
                f"{self._file} answered with numbers that are not finite; use another file, of float32"
            )
        return fitted.back(convention.decode(answer[0], fitted.image, fitted.hole))
