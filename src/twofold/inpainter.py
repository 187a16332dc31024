"""The contract every face of twofold speaks: numpy in, numpy out, n samples, one seed.

The command line, the Python functions, the server and the yardsticks all hold an ``Inpainter`` and
know nothing else of the model behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    # A file, a Pillow image, or an array [h w], [h w 1], [h w 3] or [h w 4] of uint8 or uint16.
    ImageLike = str | PathLike[str] | PillowImage | npt.NDArray[np.generic]
    # The same, read as one grey channel: white (128 of 255 or more) = hole. A bool array: True = hole.
    MaskLike = ImageLike


@dataclass(frozen=True, eq=False)
class Sample:
    """One answer to one hole, and what the model knows of it.

    Attributes:
        image: the filled image; shape and dtype (uint8 or uint16) of the input. Every pixel outside
            the hole is bit-identical to the input.
        structure: the model's own view of the structure of the filled crop, uint8 [h w 3], usually
            at feature resolution; None if the model has none.
        texture: the same for its texture, or None.
        log_likelihood: natural logarithm of the probability that the model gave this answer; None
            for models that cannot tell.
    """

    image: npt.NDArray[np.generic]
    structure: npt.NDArray[np.uint8] | None = None
    texture: npt.NDArray[np.uint8] | None = None
    log_likelihood: float | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """The answers to one request, best first.

    Attributes:
        samples: at least one ``Sample``.
        model: name of the model that answered.
        seed: the seed that was asked for.
    """

    samples: list[Sample]
    model: str
    seed: int

    @property
    def image(self) -> npt.NDArray[np.generic]:
        """The first sample's image."""
        return self.samples[0].image


@runtime_checkable
class Inpainter(Protocol):
    """Anything that fills holes: a network, a classical method, a remote service."""

    @property
    def name(self) -> str:
        """Short name for reports, for example ``medfe-small``."""
        ...

    def fill(self, image: ImageLike, mask: MaskLike, samples: int = 1, seed: int = 0) -> Result:
        """Fill the white part of ``mask`` in ``image``.

        The same seed gives the same pictures. An empty mask gives the image back.

        Args:
            image: a path, a Pillow image, or an array [h w], [h w 3] or [h w 4], uint8 or uint16.
            mask: the same kinds, of the image's height and width; white = hole, binarised at half.
            samples: how many answers; at least 1. Models with one best answer give it each time.
            seed: 0 or above.

        Raises:
            InputError: if image or mask cannot be used; the message says what to do.
        """
        ...
