"""What the network of every family offers to the engine: fill a batch of crops.

The engine crops, scales, pastes and counts; a network only ever sees tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from twofold.tensors import Hole, Image, View


@dataclass(frozen=True, eq=False)
class FilledBatch:
    """What a network answers to a batch of crops.

    Attributes:
        image: [b 3 h w] in [-1, 1], the raw answer for every pixel, not composited.
        structure: the network's own view of the structure, [b 3 h' w'] in [-1, 1], or None.
        texture: its view of the texture, [b 3 h' w'] in [-1, 1], or None.
        log_likelihood: [b], natural logarithm, or None where the network cannot tell.
    """

    image: Image
    structure: View | None = None
    texture: View | None = None
    log_likelihood: Float[Tensor, " b"] | None = None


@runtime_checkable
class FillingNetwork(Protocol):
    """A network that fills holes."""

    @property
    def size_multiple(self) -> int:
        """Height and width must be multiples of this."""
        ...

    @property
    def native_size(self) -> int:
        """Side in pixels of the squares that the network was made for."""
        ...

    @property
    def largest_size(self) -> int:
        """Side in pixels of the largest squares that it fills well; larger crops are scaled down."""
        ...

    def fill(self, image: Image, hole: Hole, seeds: Sequence[int]) -> FilledBatch:
        """Fill a batch of crops.

        Args:
            image: [b 3 h w] in [-1, 1]; what it holds inside the hole must not matter.
            hole: [b 1 h w], 1 = missing, 0 = known.
            seeds: one for each image of the batch; the answer to an image depends on its own seed
                only, whatever else is in the batch.
        """
        ...
