"""What the paper's network and the official one share: sizes, prefill, and answers to a batch of tiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twofold.diffusion import diffuse
from twofold.errors import InputError
from twofold.inpainter import Progress
from twofold.medfe.config import MedfeConfig, Mode
from twofold.medfe.prefill import MEAN_COLOR, mean_prefill
from twofold.network import FilledBatch
from twofold.tensors import Hole, Image, View

SIZE_MULTIPLE = 64


@dataclass(frozen=True, eq=False)
class MedfeOutput:
    """What one pass through the network gives.

    Attributes:
        image: [b 3 h w], the whole picture; within [-1, 1] unless ``residual_output`` is set, then
            unbounded during training and clamped by ``fill``.
        structure: [b 3 h/8 w/8] in (-1, 1), the structure branch seen as a picture; None if off.
        texture: the same of the texture branch.
    """

    image: Image
    structure: View | None
    texture: View | None


class MedfeNetwork(nn.Module):
    """A network of either mode; what it computes is its ``complete``."""

    mode: Mode
    mean_color = MEAN_COLOR
    """What a prefill of one color puts into the hole, RGB in [0, 255]."""
    default_options = None
    """One best answer, whatever the seed."""
    prepacked: Literal["fp32", "bf16"] | None = None
    """Set by ``fast.pack.prepack``: inference only, and the precision of products."""

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__()
        if config.mode != self.mode:
            raise ValueError(
                f"{type(self).__name__} is of mode {self.mode!r}, got {config.mode!r}: build_medfe"
            )
        self.config = config

    @property
    def size_multiple(self) -> int:
        """Height and width must be multiples of this."""
        return SIZE_MULTIPLE

    @property
    def native_size(self) -> int:
        """Side in pixels of the pictures that the network is trained for."""
        return self.config.native_size

    @property
    def largest_size(self) -> int:
        """Side in pixels of the largest pictures that the network fills well."""
        return self.native_size

    def forward(self, image: Image, hole: Hole) -> MedfeOutput:
        """Fill the hole.

        Args:
            image: [b 3 h w] in [-1, 1]; what it holds inside the hole has no influence.
            hole: [b 1 h w], 1 = missing, 0 = known.

        Raises:
            ValueError: as ``check_size``.
        """
        self.check_size(image, hole)
        prefilled = (
            diffuse(image, hole)
            if self.config.prefill == "diffusion"
            else mean_prefill(image, hole, self.mean_color)
        )
        return self.complete(prefilled, hole)

    def complete(self, prefilled: Image, hole: Hole) -> MedfeOutput:
        """Fill a hole that has been prefilled: all of ``forward`` but its first step.

        Args:
            prefilled: [b 3 h w] in [-1, 1], with the prefill of the configuration in the hole.
            hole: [b 1 h w], 1 = missing, 0 = known.
        """
        raise NotImplementedError

    def answer(self, decoded: Image, prefilled: Image) -> Image:
        """The picture that the decoder's output stands for."""
        return prefilled + decoded if self.config.residual_output else torch.tanh(decoded)

    def check_size(self, image: Tensor, hole: Tensor) -> None:
        """Refuse what does not fit the network.

        Raises:
            ValueError: if hole and image do not fit each other, or the network does not work at their size.
        """
        height, width = image.shape[-2:]
        if hole.shape[-2:] != image.shape[-2:] or hole.shape[1] != 1 or len(hole) != len(image):
            raise ValueError(
                f"hole is {tuple(hole.shape)} but image is {tuple(image.shape)}; "
                "give [b 1 h w] and [b 3 h w] of one batch and size"
            )
        if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
            raise ValueError(
                f"height and width must be multiples of {SIZE_MULTIPLE}, got {width}x{height}; pad the image"
            )

    def check_options(self, options: object) -> None:
        """Refuse options: there is nothing to sample.

        Raises:
            InputError: always.
        """
        raise InputError(f"MEDFE gives one best answer and takes no options, got {options}; leave them out")

    def fill(
        self,
        image: Image,
        hole: Hole,
        seeds: Sequence[int],
        options: None = None,
        *,
        progress: Progress | None = None,
    ) -> FilledBatch:
        """Fill a batch of tiles, see ``FillingNetwork.fill``; of seeds only the number matters.

        The one answer to a single picture is computed once and given for each seed.

        Raises:
            ValueError: as ``forward``, or if there are several pictures and another number of seeds.
        """
        if len(image) not in (1, len(seeds)):
            raise ValueError(f"{len(image)} pictures need as many seeds, got {len(seeds)}")
        output = self(image, hole)

        def each(view: Tensor | None) -> Tensor | None:
            return None if view is None else view.expand(len(seeds), -1, -1, -1)

        answer = output.image.clamp(-1, 1).expand(len(seeds), -1, -1, -1)
        return FilledBatch(answer, each(output.structure), each(output.texture))


def encoder_input(prefilled: Image, hole: Hole) -> Float[Tensor, "b 6 h w"]:
    """The prefilled picture, and "1 = known" three times."""
    return torch.cat([prefilled, (1 - hole).expand(-1, 3, -1, -1)], dim=1)


def seen_as_rgb(features: Tensor | None, to_rgb: nn.Module | None) -> Float[Tensor, "b 3 h w"] | None:
    """Read a branch's features as a picture in (-1, 1), for supervision and for people; None if it is off."""
    return None if features is None or to_rgb is None else torch.tanh(to_rgb(features))
