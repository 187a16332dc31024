"""The methods without learning that networks are compared with, behind the contract of all inpainters.

Each needs a package of the extra ``compare``, imported when the method is built.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError, MaskError, MissingExtraError
from twofold.inpainter import Progress, Result, Sample
from twofold.pixels import composite, read_hole, read_photo, rgb8

if TYPE_CHECKING:
    from twofold.inpainter import ImageLike, MaskLike

_OPENCV_RADIUS = 3
_PATCH_RADIUS = 5
# pypatchmatch keeps its seed in one variable of the process.
_patchmatch_lock = threading.Lock()


class Classical:
    """What the classical methods share: reading, hiding the hole's content, compositing.

    They work on 8-bit RGB; grey and 16-bit images get fills of that precision.
    """

    name: ClassVar[str]
    """Name of the method in reports and in ``CLASSICAL``."""
    package: ClassVar[str]
    """The distribution that holds the method."""
    module: ClassVar[str]
    """What that distribution is imported as."""

    def __init__(self) -> None:
        self._library = _import(self.module, self.package, self.name)

    @property
    def version(self) -> str:
        """The distribution and its version: with the method's name, all that the answer depends on."""
        try:
            return f"{self.package} {version(self.package)}"
        except PackageNotFoundError:  # the same module from another distribution
            return f"{self.package} {getattr(self._library, '__version__', 'unknown')}"

    def fill(
        self,
        image: ImageLike,
        mask: MaskLike,
        samples: int = 1,
        seed: int = 0,
        *,
        progress: Progress | None = None,
        on_sample: Callable[[Sample], None] | None = None,
    ) -> Result:
        """Fill the white part of ``mask`` in ``image``; see ``Inpainter.fill``.

        Raises:
            ImageError: if the image cannot be read.
            MaskError: if the mask cannot be used, or leaves nothing of the image.
            InputError: if ``samples`` or ``seed`` is out of range.
        """
        if samples < 1 or seed < 0:
            raise InputError(
                f"samples is {samples} and seed is {seed}; give at least 1 sample and a seed of at least 0"
            )
        pixels = read_photo(image).pixels
        hole = read_hole(mask, *pixels.shape[:2])
        if hole.all():
            raise MaskError("mask covers the whole image; leave a part of it black, to fill from")
        # Black in the hole: nothing of what was there can reach the method.
        known = np.where(hole[..., None], np.uint8(0), rgb8(pixels))
        answers = []
        for index in range(samples):
            sample_seed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
            fill = self._fill(known, hole, sample_seed) if hole.any() else known
            answers.append(Sample(composite(pixels, fill, hole), index=index))
            if progress is not None:
                progress(index + 1, samples)
            if on_sample is not None:
                on_sample(answers[-1])
        return Result(answers, model=self.name, seed=seed)

    def _fill(
        self, known: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_], seed: int
    ) -> npt.NDArray[np.uint8]:
        """Answer one hole.

        Args:
            known: [h w 3], 0 in the hole.
            hole: [h w], neither empty nor full.
            seed: 0 to 2^32 - 1.

        Returns:
            [h w 3]; what it holds outside the hole does not matter.
        """
        raise NotImplementedError


class _OpenCV(Classical):
    package = "opencv-python-headless"
    module = "cv2"
    flag: ClassVar[str]

    def _fill(
        self, known: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_], seed: int
    ) -> npt.NDArray[np.uint8]:
        method = getattr(self._library, self.flag)
        mask = hole.astype(np.uint8) * 255
        return np.asarray(self._library.inpaint(known, mask, _OPENCV_RADIUS, method), np.uint8)


class OpenCVTelea(_OpenCV):
    """Telea's fast marching method (2004), radius 3."""

    name = "opencv-telea"
    flag = "INPAINT_TELEA"


class OpenCVNavierStokes(_OpenCV):
    """Bertalmio, Bertozzi and Sapiro's fluid dynamics (2001), radius 3."""

    name = "opencv-ns"
    flag = "INPAINT_NS"


class SkimageBiharmonic(Classical):
    """Damelin and Hoang's biharmonic equations (2018)."""

    name = "skimage-biharmonic"
    package = "scikit-image"
    module = "skimage.restoration"

    def _fill(
        self, known: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_], seed: int
    ) -> npt.NDArray[np.uint8]:
        filled = self._library.inpaint_biharmonic(known, hole, channel_axis=-1)  # in [0, 1]
        return np.asarray((filled * 255).round().clip(0, 255), np.uint8)


class PatchMatch(Classical):
    """Patches copied from the known part, found by Barnes et al.'s PatchMatch (2009), radius 5."""

    name = "patchmatch"
    package = "pypatchmatch"
    module = "patchmatch"

    def _fill(
        self, known: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_], seed: int
    ) -> npt.NDArray[np.uint8]:
        with _patchmatch_lock:
            self._library.set_random_seed(seed)
            filled = self._library.inpaint(known, hole.astype(np.uint8), patch_size=_PATCH_RADIUS)
        return np.asarray(filled, np.uint8)


CLASSICAL: dict[str, type[Classical]] = {
    "opencv-telea": OpenCVTelea,
    "opencv-ns": OpenCVNavierStokes,
    "skimage-biharmonic": SkimageBiharmonic,
    "patchmatch": PatchMatch,
}
"""The classical methods by name."""


def _import(module: str, package: str, method: str) -> ModuleType:
    """Import an optional dependency, or say how to get it."""
    try:
        library = importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{method} needs {package}, which cannot be imported ({error}); pip install 'twofold[compare]'"
        ) from error
    if not getattr(library, "patchmatch_available", True):
        raise MissingExtraError(
            f"{method} needs {package}, whose compiled part does not load; pip install 'twofold[compare]'"
        )
    return library
