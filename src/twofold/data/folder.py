"""A folder of photographs: finding them, and reading one as upright RGB."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from twofold.errors import ImageError, TrainingError
from twofold.pixels.opening import reason
from twofold.pixels.regular import open_regular

PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif")
"""File endings taken for photographs, in lower case."""

BrokenReport = Callable[[Path, str], None]
"""Called once with the path of a photograph that cannot be read, and the reason."""


def warn_broken(path: Path, reason: str) -> None:
    """Report a photograph that cannot be read as a Python warning."""
    warnings.warn(f"{path.name} is skipped: {reason}", stacklevel=3)


def read_photo(path: Path, *, short_side: int | None = None) -> npt.NDArray[np.uint8]:
    """Read a photograph upright (EXIF orientation honoured) as RGB.

    Transparency is dropped: the colours beneath it are kept. 16-bit grey is scaled to 8 bits.

    Args:
        path: the file.
        short_side: scale the photograph down so that its shorter side has this many pixels; smaller
            photographs stay as they are. None: never scale.

    Returns:
        uint8 RGB [h w 3].

    Raises:
        ImageError: if the file cannot be read; the message names it.
    """
    try:
        with open_regular(path) as opened, Image.open(opened) as file:
            if short_side is not None and file.format == "JPEG":
                # JPEG decodes at 1/2, 1/4 or 1/8 almost for free; twice the need keeps the quality
                # of the final resize.
                scale = min(1.0, 2 * short_side / min(file.size))
                file.draft("RGB", (round(file.width * scale), round(file.height * scale)))
            photo = ImageOps.exif_transpose(file)
            if photo.mode.startswith("I"):
                photo = Image.fromarray((np.asarray(photo).clip(0, 65535) // 257).astype(np.uint8))
            photo = photo.convert("RGB")
            if short_side is not None and min(photo.size) > short_side:
                scale = short_side / min(photo.size)
                size = (
                    max(short_side, round(photo.width * scale)),
                    max(short_side, round(photo.height * scale)),
                )
                photo = photo.resize(size, Image.Resampling.LANCZOS)
            return np.array(photo)
    # Decoders raise what they like on damaged files (SyntaxError, struct.error, ...), and a long run
    # must not end on any of it.
    except Exception as error:
        raise ImageError(
            f"{path} cannot be read as a photograph ({reason(error)}); replace or remove it"
        ) from error


class PhotoFolder:
    """The photographs under a folder, at any depth, sorted by path.

    Files are opened when they are read, not before; those found broken are listed in ``broken``.

    Attributes:
        root: the folder.
        paths: all files with a known ending, sorted by their path within the folder.
        broken: path -> reason for the photographs that could not be read so far.
    """

    def __init__(self, root: str | os.PathLike[str], *, on_broken: BrokenReport = warn_broken) -> None:
        """List the photographs under ``root``; links to folders are followed.

        Args:
            root: the folder.
            on_broken: called once per photograph that cannot be read.

        Raises:
            TrainingError: if the folder does not exist or holds no photograph.
        """
        self.root = Path(root)
        self.on_broken = on_broken
        self.broken: dict[Path, str] = {}
        if not self.root.is_dir():
            raise TrainingError(f"{self.root} is not a folder; give the folder that holds the photographs")
        self.paths: list[Path] = sorted(_photos_under(self.root))
        if not self.paths:
            raise TrainingError(
                f"{self.root} holds no photograph; put files in it that end in {', '.join(PHOTO_ENDINGS)}"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int, *, short_side: int | None = None) -> npt.NDArray[np.uint8] | None:
        """Read one photograph, or report it and return None if it is broken.

        Args:
            index: position in ``paths``.
            short_side: as for ``read_photo``.

        Returns:
            uint8 RGB [h w 3], or None.
        """
        path = self.paths[index]
        if path in self.broken:
            return None
        try:
            return read_photo(path, short_side=short_side)
        except ImageError as error:
            self.broken[path] = str(error)
            self.on_broken(path, str(error))
            return None


def _photos_under(root: Path) -> list[Path]:
    """All files with a known ending; a link that leads back up is entered only once."""
    found: list[Path] = []
    entered: set[str] = set()
    for folder, names, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in entered:
            names.clear()
            continue
        entered.add(real)
        found.extend(Path(folder, name) for name in files if name.lower().endswith(PHOTO_ENDINGS))
    return found
