"""The methods without learning that networks are compared with, behind the contract of all inpainters.

Each needs a package of the extra ``compare``, imported when the method is built.
"""

import threading
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from twofold.engine.external.whole_image import WholePicture
from twofold.errors import MissingExtraError, require

_OPENCV_RADIUS = 3
_PATCH_RADIUS = 5
# pypatchmatch keeps its seed in one variable of the process.
_patchmatch_lock = threading.Lock()


class Classical(WholePicture):
    """What the classical methods share: a name in ``CLASSICAL``, and the library that does the work."""

    package: ClassVar[str]
    """The distribution that holds the method."""
    module: ClassVar[str]
    """What that distribution is imported as."""

    def __init__(self, *, name: str | None = None) -> None:
        """Import the library.

        Args:
            name: for reports; None: the method's.

        Raises:
            MissingExtraError: if it is not installed.
        """
        method = type(self).name
        self._library = require(self.module, method, "compare", package=self.package)
        if not getattr(self._library, "patchmatch_available", True):
            raise MissingExtraError(
                f"{method} needs {self.package}, whose compiled part does not load; "
                "pip install 'twofold[compare]'"
            )
        self.name = name or method

    @property
    def version(self) -> str:
        """The distribution and its version: with the method's name, all that the answer depends on."""
        try:
            return f"{self.package} {version(self.package)}"
        except PackageNotFoundError:  # the same module from another distribution
            return f"{self.package} {getattr(self._library, '__version__', 'unknown')}"

    @property
    def fingerprint(self) -> str:
        """Method, distribution and version: all that the answers depend on."""
        return f"{type(self).name} {self.version}"


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
    # Chance is in it, but no variety that is worth asking for: it is not called diverse.
    _seeded = True

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
