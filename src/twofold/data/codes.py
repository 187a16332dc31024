"""Structure codes on disk: encoded once, looked up by every later epoch."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from twofold.errors import TrainingError
from twofold.pixels import replacing

_UNKNOWN = np.uint16(0xFFFF)  # no codebook is that large


class CodeCache:
    """A file of code grids, one for each view of each photograph, filled as training meets them.

    Only crops that come again can be cached: see ``DataConfig.views``. Several processes may share a
    file; each grid is the same whoever writes it.

    Args:
        folder: where the file goes; created if it is not there.
        views: number of grids.
        grid: rows and columns of a grid.
        fingerprint: of everything that the codes depend on (encoder, photographs, crops), in hex; another
            fingerprint is another file.

    Raises:
        TrainingError: if the file cannot be made, or has another size than it should.
    """

    def __init__(self, folder: Path, views: int, grid: tuple[int, int], fingerprint: str) -> None:
        shape = (views, *grid)
        self.path = folder / f"codes-{fingerprint[:16]}-{views}x{grid[0]}x{grid[1]}.npy"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                with replacing(self.path) as part, Path(part).open("wb") as file:
                    np.lib.format.write_array_header_1_0(
                        file, {"descr": "<u2", "fortran_order": False, "shape": shape}
                    )
                    for _ in range(views):
                        file.write(np.full(grid, _UNKNOWN, "<u2").tobytes())
            _check_length(self.path, shape)  # a memory map would silently lengthen a file cut short
            self._codes = np.load(self.path, mmap_mode="r+", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"the code cache {self.path} cannot be used ({error}); delete it or give another folder"
            ) from error
        if self._codes.shape != shape or self._codes.dtype != np.uint16:
            raise TrainingError(f"the code cache {self.path} is damaged; delete it")

    def get(self, views: Sequence[int]) -> npt.NDArray[np.int64] | None:
        """The grids [n h w] of these views, or None if one of them is not known yet."""
        found = self._codes[np.asarray(views)]
        # A killed process may have left a grid half-written.
        return None if (found == _UNKNOWN).any() else found.astype(np.int64)

    def put(self, views: Sequence[int], codes: npt.NDArray[np.int64]) -> None:
        """Keep grids [n h w]."""
        self._codes[np.asarray(views)] = codes.astype(np.uint16)

    def __reduce__(self) -> str | tuple[object, ...]:
        """Not to be sent to another process: a memory map would become a copy."""
        raise TypeError(f"a CodeCache ({os.fspath(self.path)}) stays in its process")


def _check_length(path: Path, shape: tuple[int, ...]) -> None:
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        needed = file.tell() + 2 * int(np.prod(shape))
    if path.stat().st_size != needed:
        raise ValueError(f"it has {path.stat().st_size} bytes, not {needed}")
