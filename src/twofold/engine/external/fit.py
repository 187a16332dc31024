"""Bring a whole picture to the size that a model file takes, and its answer back. Only numpy and Pillow."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.engine.crops.resize import touched
from twofold.engine.detail.filters import continued


@dataclass(frozen=True, eq=False)
class Fitted:
    """A picture and its hole at the size that a model takes.

    Attributes:
        image: uint8 [h w 3]; in the hole, the surroundings grown into it.
        hole: [h w], True = missing.
        height: of the picture itself.
        width: of the picture itself.
        scaled: whether the picture was scaled; otherwise it was padded at its right and lower edge.
    """

    image: npt.NDArray[np.uint8]
    hole: npt.NDArray[np.bool_]
    height: int
    width: int
    scaled: bool

    def back(self, answer: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Bring an answer [h w 3] of the fitted size to the picture's size."""
        if self.scaled:
            return _resized(answer, self.height, self.width)
        return answer[: self.height, : self.width]


def fit(
    known: npt.NDArray[np.uint8],
    hole: npt.NDArray[np.bool_],
    *,
    size: tuple[int, int] | None,
    multiple: int,
    least: int,
) -> Fitted:
    """Scale a picture to a fixed size, or mirror it out to sides that a model takes.

    Args:
        known: [h w 3]; what it holds in the hole does not matter.
        hole: [h w], True = missing, not everywhere.
        size: height and width to scale to, whatever the picture's shape; None pads instead.
        multiple: sides are padded to a multiple of this.
        least: and to at least this, itself a multiple.
    """
    height, width = hole.shape
    grown = grow_known(known, hole)
    if size is not None:
        scaled = _resized(grown, *size)
        return Fitted(scaled, touched(hole, *size), height, width, scaled=size != (height, width))
    rows, columns = (max(least, -(-length // multiple) * multiple) - length for length in (height, width))
    around = ((0, rows), (0, columns))
    return Fitted(
        np.pad(grown, (*around, (0, 0)), mode="symmetric"),
        np.pad(hole, around, mode="symmetric"),
        height,
        width,
        scaled=False,
    )


def grow_known(known: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Fill the hole with a blur of what surrounds it, the softer the deeper inside.

    No guess at the content: it keeps black from bleeding into known pixels where a picture is scaled,
    and where a model blends the rim of the hole with what it was given.

    Args:
        known: [h w 3]; what it holds in the hole has no influence.
        hole: [h w], True = missing, not everywhere.
    """
    grown = continued(known.astype(np.float32), ~hole)
    return np.where(hole[..., None], grown.round().clip(0, 255).astype(np.uint8), known)


def _resized(colors: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    if colors.shape[:2] == (height, width):
        return colors
    return np.asarray(Image.fromarray(colors).resize((width, height), Image.Resampling.BICUBIC))
