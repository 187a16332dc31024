"""A folder of mask files, sorted into buckets by hole ratio."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.errors import ImageError, InputError, MaskError
from twofold.masks.buckets import hole_ratio
from twofold.masks.canvas import Hole
from twofold.pixels import hole_of, read_photo
from twofold.pixels.opening import READABLE


def read_mask(path: Path, *, size: tuple[int, int] | None = None) -> Hole:
    """Read a mask file: white (128 of 255 or more) is the hole.

    It is turned upright by its EXIF orientation, as photographs are. What is transparent is no hole.

    Args:
        path: an image file that ``read_photo`` takes; colours count by their luma.
        size: height and width to resize to, by nearest neighbour, so that nothing is half a hole.

    Raises:
        MaskError: if the file cannot be read; the message names it.
    """
    try:
        pixels = read_photo(path).pixels
    except ImageError as error:
        raise MaskError(f"{path} cannot be read as a mask ({error}); replace or remove it") from error
    hole = hole_of(pixels)
    if size is None or hole.shape == size:
        return hole
    resized = Image.fromarray(hole).resize((size[1], size[0]), Image.Resampling.NEAREST)
    return np.asarray(resized)


class MaskFolder:
    """Mask files indexed by hole ratio. Every file is read once, when the folder is opened.

    Attributes:
        paths: the readable masks, sorted.
        ratios: their hole ratios, float64 [n], in the same order.
        broken: path and reason of each file that could not be read; they are left out.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Read all masks under ``root``, at any depth.

        Raises:
            MaskError: if the folder does not exist or holds no readable mask.
        """
        self.root = Path(root)
        if not self.root.is_dir():
            raise MaskError(f"{self.root} is not a folder; give the folder that holds the mask files")
        self.paths: list[Path] = []
        self.broken: list[tuple[Path, str]] = []
        ratios = []
        for path in sorted(self.root.rglob("*")):
            if path.suffix.lower() not in READABLE or not path.is_file():
                continue
            try:
                ratios.append(hole_ratio(read_mask(path)))
            except MaskError as error:
                self.broken.append((path, str(error)))
            else:
                self.paths.append(path)
        self.ratios: npt.NDArray[np.float64] = np.array(ratios, dtype=np.float64)
        if not self.paths:
            raise MaskError(
                f"{self.root} holds no readable mask ({len(self.broken)} broken); "
                f"put white-on-black images in it, ending in {', '.join(READABLE)}"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def in_bucket(self, bucket: tuple[float, float]) -> list[Path]:
        """The masks whose hole ratio, at the file's own size, lies in ``[low, high)``."""
        inside = np.flatnonzero((self.ratios >= bucket[0]) & (self.ratios < bucket[1]))
        return [self.paths[index] for index in inside]

    def draw(
        self,
        height: int,
        width: int,
        rng: np.random.Generator,
        *,
        bucket: tuple[float, float] = (0.0, 1.0),
    ) -> Hole:
        """Draw one mask, each file equally likely, resized to the image by nearest neighbour.

        Resizing may move a ratio that lies on the border of the bucket by a fraction of a percent.

        Args:
            height: rows of the image, in pixels.
            width: columns of the image, in pixels.
            rng: the only source of randomness.
            bucket: hole ratios to draw from, ``[low, high)``. All-white masks are never drawn by
                default: they leave nothing to start from.

        Raises:
            InputError: if no mask lies in the bucket.
            MaskError: if the file has become unreadable since the folder was opened.
        """
        candidates = self.in_bucket(bucket)
        if not candidates:
            raise InputError(
                f"{self.root} holds no mask with a hole ratio in [{bucket[0]:g}, {bucket[1]:g}); its "
                f"{len(self)} masks lie between {self.ratios.min():.3f} and {self.ratios.max():.3f}"
            )
        return read_mask(candidates[int(rng.integers(len(candidates)))], size=(height, width))
