"""What the network of every family offers to the engine: fill a batch of tiles.

The engine cuts, scales, pastes and counts; a network only ever sees tensors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from twofold.inpainter import Progress
from twofold.tensors import Hole, Image, View


@dataclass(frozen=True, eq=False)
class FilledBatch:
    """What a network answers to a batch of tiles, or to one tile by several seeds.

    Attributes:
        image: [b 3 h w] in [-1, 1], the raw answer for every pixel, not composited.
        structure: the network's own view of the structure, [b 3 h' w'] in [-1, 1], or None.
        texture: its view of the texture, [b 3 h' w'] in [-1, 1], or None.
        log_likelihood: [b], natural logarithm, or None where the network cannot tell.
        codes: [b ch cw], the discrete structure that was chosen, or None where there is none.
        score: [b], a discriminator's judgement of the composited picture, higher = more like a
            photograph; or None.
    """

    image: Image
    structure: View | None = None
    texture: View | None = None
    log_likelihood: Float[Tensor, " b"] | None = None
    codes: Int[Tensor, "b ch cw"] | None = None
    score: Float[Tensor, " b"] | None = None


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
        """Side in pixels of the largest squares that it fills well; larger windows are scaled down."""
        ...

    @property
    def default_options(self) -> Any | None:
        """How the network samples unless it is told otherwise; None: one best answer, whatever the seed.

        A frozen dataclass of its family, whose property ``diverse`` says whether another seed gives another
        answer.
        """
        ...

    def check_options(self, options: Any) -> None:
        """Refuse options of its own kind that this network cannot follow.

        Raises:
            InputError: if it cannot.
        """
        ...

    def fill(
        self,
        image: Image,
        hole: Hole,
        seeds: Sequence[int],
        options: Any = None,
        *,
        progress: Progress | None = None,
    ) -> FilledBatch:
        """Fill a batch of tiles, or one tile in several ways.

        Args:
            image: [b 3 h w] in [-1, 1] with b seeds, or [1 3 h w] with any number of seeds, for so
                many answers to one picture; what it holds inside the hole must not matter.
            hole: [b 1 h w], 1 = missing, 0 = known.
            seeds: one for each answer. An answer depends on its own picture and seed only, bit for
                bit, whatever else is asked for at once.
            options: how to sample; None: by ``default_options``.
            progress: may be called with the steps done and their number, in any unit, or not at all.
        """
        ...
