"""What the engine asks of a network, whatever runs it: answers to one tile, numpy in and numpy out."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from twofold.inpainter import Progress, Sample


class TileNetwork(Protocol):
    """A network that fills tiles.

    Attributes:
        size_multiple: height and width of tiles are multiples of this.
        native_size: side in pixels of the tiles that the network was made for.
        largest_size: side in pixels of the largest tiles that it fills well.
        default_options: how it samples unless it is told otherwise, a frozen dataclass with a property
            ``diverse``; None for networks with one best answer.
        weight_count: how many weights it has; 0 where it cannot be told.
    """

    size_multiple: int
    native_size: int
    largest_size: int
    default_options: Any
    weight_count: int

    def check_options(self, options: Any) -> None:
        """Refuse options of its own kind that this network cannot follow.

        Raises:
            InputError: if it cannot.
        """
        ...

    def fill(
        self,
        image: npt.NDArray[np.uint8],
        hole: npt.NDArray[np.bool_],
        seeds: Sequence[int],
        options: Any = None,
        *,
        progress: Progress | None = None,
    ) -> list[Sample]:
        """Fill tiles, or one tile in several ways; an answer depends on tile, seed and options alone.

        Args:
            image: [b h w 3] with b seeds, or [1 h w 3] with any number of seeds; what it holds in the hole
                has no influence.
            hole: [b h w], True = missing.
            seeds: 0 or above, one for each answer.
            options: how to sample; None: by ``default_options``.
            progress: may be called with the steps done and their number, in any unit, or not at all.

        Returns:
            A sample for each seed: its image is the answer for every pixel, uint8 [h w 3], not composited;
            views [h' w' 3] and codes [ch cw] show the whole tile.
        """
        ...
