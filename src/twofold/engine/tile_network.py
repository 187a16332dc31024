"""What the engine asks of a network, whatever runs it: answers to one tile, numpy in and numpy out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from twofold.inpainter import Progress


@dataclass(frozen=True, eq=False)
class TileAnswers:
    """A network's answers to one tile, one for each seed.

    Attributes:
        image: uint8 [n h w 3], the raw answers for every pixel, not composited.
        structure: the network's own view of the structure, uint8 [n h' w' 3], or None.
        texture: its view of the texture, uint8 [n h' w' 3], or None.
        log_likelihood: float64 [n], natural logarithm, or None where the network cannot tell.
        codes: [n ch cw], the discrete structure that was chosen, or None where there is none.
        score: float64 [n], a discriminator's judgement, higher = more like a photograph; or None.
    """

    image: npt.NDArray[np.uint8]
    structure: npt.NDArray[np.uint8] | None = None
    texture: npt.NDArray[np.uint8] | None = None
    log_likelihood: npt.NDArray[np.float64] | None = None
    codes: npt.NDArray[np.int64] | None = None
    score: npt.NDArray[np.float64] | None = None


class TileNetwork(Protocol):
    """A network that fills tiles; the properties are those of ``twofold.network.FillingNetwork``."""

    @property
    def options(self) -> Any:
        """How the network samples, a frozen dataclass; None for networks that take no options."""
        ...

    @property
    def size_multiple(self) -> int:
        """Height and width of tiles are multiples of this."""
        ...

    @property
    def native_size(self) -> int:
        """Side in pixels of the tiles that the network was made for."""
        ...

    @property
    def largest_size(self) -> int:
        """Side in pixels of the largest tiles that it fills well."""
        ...

    @property
    def diverse(self) -> bool:
        """Whether another seed gives another answer."""
        ...

    def fill(
        self,
        image: npt.NDArray[np.uint8],
        hole: npt.NDArray[np.bool_],
        seeds: Sequence[int],
        *,
        progress: Progress | None = None,
    ) -> TileAnswers:
        """Fill one tile, once for each seed; an answer depends on the tile and its own seed alone.

        Args:
            image: [h w 3]; what it holds in the hole has no influence.
            hole: [h w], True = missing.
            seeds: 0 or above.
            progress: may be called with the steps done and their number, in any unit, or not at all.
        """
        ...
