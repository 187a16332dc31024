"""One picture with one hole, and the list of them that a folder of photographs gives."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.data.folder import PhotoFolder
from twofold.data.pairs import centre_window
from twofold.errors import TrainingError
from twofold.evaluate.holes import Holes
from twofold.masks.buckets import hole_ratio

Crop = Literal["centre", "square", "stretch"]
"""How a photograph becomes a crop.

* ``centre``: a photograph whose shorter side is above 9/8 of the crop is scaled down to that, and its
  middle is cut out; one too small for the crop is enlarged. What training validates on.
* ``square``: the shorter side is scaled to that of the crop, and the middle is cut out.
* ``stretch``: the whole photograph is scaled to the crop, its shape not kept.
"""


@dataclass(frozen=True, eq=False)
class Item:
    """One picture with one hole.

    Attributes:
        photo: path of the photograph within its folder, with forward slashes.
        image: the true picture, uint8 RGB [h w 3].
        hole: [h w], True = missing.
        kind: of the hole.
    """

    photo: str
    image: npt.NDArray[np.uint8]
    hole: npt.NDArray[np.bool_]
    kind: str

    @property
    def ratio(self) -> float:
        """Missing part of the picture, in [0, 1]."""
        return hole_ratio(self.hole)

    @property
    def damaged(self) -> npt.NDArray[np.uint8]:
        """The picture with black in the hole: what an inpainter is given, so nothing can leak."""
        return np.where(self.hole[..., None], np.uint8(0), self.image)

    @property
    def key(self) -> str:
        """SHA-256 of the true pixels and the hole, in hex."""
        return digest(self.image, self.hole)


class Items(Sequence[Item]):
    """The items of one folder, read when they are asked for.

    Attributes:
        paths: of the photographs that can be read, within the folder, with forward slashes.
    """

    def __init__(
        self, folder: Path, holes: Holes, *, size: int = 256, crop: Crop = "centre", limit: int | None = None
    ) -> None:
        """List the photographs and read each once, so that a broken one shows now and not later.

        Raises:
            TrainingError: if the folder does not exist or holds no photograph that can be read.
            InputError: if the holes do not fit the photographs' names.
        """
        self._photos = PhotoFolder(folder)
        self._holes = holes
        self._size = size
        self._crop = crop
        positions = range(len(self._photos))[:limit]
        self._positions = [position for position in positions if self._photos.read(position) is not None]
        if not self._positions:
            raise TrainingError(f"not one photograph in {self._photos.root} can be read; replace them")
        root = self._photos.root
        self.paths = [self._photos.paths[one].relative_to(root).as_posix() for one in self._positions]
        holes.prepare(self.paths)

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        """Read one item, or several.

        Raises:
            TrainingError: if a photograph has become unreadable since the start.
        """
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(f"case {index} of {len(self)}")
        hole, kind = self._holes.draw(index, self.paths[index], self._size)
        return Item(self.paths[index], self._image(self._positions[index]), hole, kind)

    def _image(self, position: int) -> npt.NDArray[np.uint8]:
        """The crop of a photograph."""
        short = {"centre": math.ceil(self._size * 9 / 8), "square": self._size, "stretch": None}[self._crop]
        pixels = self._photos.read(position, short_side=short)
        if pixels is None:
            raise TrainingError(f"{self._photos.paths[position]} has become unreadable; put it back")
        if self._crop != "stretch":
            window = self._size if self._crop == "centre" else min(pixels.shape[:2])
            top, left, side = centre_window(pixels.shape[0], pixels.shape[1], window)
            pixels = np.ascontiguousarray(pixels[top : top + side, left : left + side])
        if pixels.shape[:2] == (self._size, self._size):
            return pixels
        resized = Image.fromarray(pixels).resize((self._size, self._size), Image.Resampling.LANCZOS)
        return np.array(resized)


def digest(image: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_]) -> str:
    """SHA-256 of a picture and a hole, in hex."""
    found = hashlib.sha256(repr(image.shape).encode())
    found.update(np.ascontiguousarray(image).tobytes())
    found.update(np.packbits(hole).tobytes())
    return found.hexdigest()
