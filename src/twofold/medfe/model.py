"""MEDFE: encode, fill structure and texture, equalize, decode [MEDFE Sec. 3]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twofold.diffusion import diffuse
from twofold.errors import InputError
from twofold.inpainter import Progress
from twofold.medfe.config import MedfeConfig
from twofold.medfe.convs import ConvNormAct, leaky
from twofold.medfe.decoder import Decoder, SkipConnections
from twofold.medfe.encoder import Encoder
from twofold.medfe.equalize import FeatureEqualization
from twofold.medfe.fill import FilledFeatures, MutualFilling
from twofold.medfe.official import OfficialEqualization, OfficialFilling
from twofold.medfe.prefill import MEAN_COLOUR, OFFICIAL_COLOUR, mean_prefill
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


class Medfe(nn.Module):
    """The generator of the paper, in either of its two modes [MEDFE Sec. 3].

    Args:
        config: sizes, mode and switches.
    """

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__()
        self.config = config
        official = config.mode == "official"
        branches = config.structure_branch + config.texture_branch
        channels = config.fill_channels
        self.encoder = Encoder(config)
        self.filling: nn.Module = OfficialFilling(config) if official else MutualFilling(config)
        self.fuse = ConvNormAct(branches * channels, 2 * channels, 1, config.norm)
        self.equalization = OfficialEqualization(config) if official else FeatureEqualization(config)
        self.skips = SkipConnections(config)
        self.decoder = Decoder(config)
        # The official code reads both branches by one layer, the paper gives each its own.
        self.structure_to_rgb = nn.Conv2d(channels, 3, kernel_size=1) if config.structure_branch else None
        separate = config.texture_branch and not official
        self.texture_to_rgb = nn.Conv2d(channels, 3, kernel_size=1) if separate else None

    def forward(self, image: Image, hole: Hole) -> MedfeOutput:
        """Fill the hole.

        Args:
            image: [b 3 h w] in [-1, 1]; what it holds inside the hole has no influence.
            hole: [b 1 h w], 1 = missing, 0 = known.

        Raises:
            ValueError: if height or width is not a multiple of 64 (official mode: not the native size).
        """
        self._check_size(image, hole)
        return self.complete(self._prefill(image, hole), hole)

    def complete(self, prefilled: Image, hole: Hole) -> MedfeOutput:
        """Fill a hole that has been prefilled: all of ``forward`` but its first step.

        Quirk of official mode: the first five features skip ahead after their LeakyReLU, not before.

        Args:
            prefilled: [b 3 h w] in [-1, 1], with the prefill of the configuration in the hole.
            hole: [b 1 h w], 1 = missing, 0 = known.
        """
        picture = torch.cat([prefilled, (1 - hole).expand(-1, 3, -1, -1)], dim=1)
        pyramid = self.encoder(picture)
        if self.config.mode == "official":
            # The official LeakyReLUs work in place and so change the features that skip ahead as well.
            pyramid = [*(leaky(features) for features in pyramid[:5]), pyramid[5]]
        filled: FilledFeatures = self.filling(pyramid, hole)
        branches = [part for part in (filled.structure, filled.texture) if part is not None]
        equalized = self.equalization(self.fuse(torch.cat(branches, dim=1)))
        decoded = self.decoder(self.skips(equalized, pyramid), picture)
        answer = prefilled + decoded if self.config.residual_output else torch.tanh(decoded)
        structure_to_rgb = self.structure_to_rgb
        texture_to_rgb = structure_to_rgb if self.config.mode == "official" else self.texture_to_rgb
        return MedfeOutput(
            answer,
            _seen_as_rgb(filled.structure, structure_to_rgb),
            _seen_as_rgb(filled.texture, texture_to_rgb),
        )

    @property
    def size_multiple(self) -> int:
        """Height and width must be multiples of this; the official layout works at one size only."""
        return self.config.native_size if self.config.mode == "official" else SIZE_MULTIPLE

    @property
    def native_size(self) -> int:
        """Side in pixels of the pictures that the network is trained for."""
        return self.config.native_size

    @property
    def largest_size(self) -> int:
        """Twice the native size; up to 416 pixels, full scale was measured to beat scaling down."""
        return self.config.native_size * (1 if self.config.mode == "official" else 2)

    default_options = None
    """One best answer, whatever the seed."""

    def check_options(self, options: object) -> None:
        """Refuse options: there is nothing to sample.

        Raises:
            InputError: always.
        """
        raise InputError(f"MEDFE gives one best answer and takes no options, got {options}; leave them out")

    packed: Literal["fp32", "bf16"] | None = None
    """Set by ``packed.pack``: inference only, and the precision of products."""

    def fill(
        self,
        image: Image,
        hole: Hole,
        seeds: Sequence[int],
        options: None = None,
        *,
        progress: Progress | None = None,
    ) -> FilledBatch:
        """Fill a batch of tiles; this network has one answer, so the seeds change nothing.

        Args:
            image: [b 3 h w] in [-1, 1] with b seeds; or [1 3 h w], whose answer is computed once and
                given for each seed.
            hole: [b 1 h w], 1 = missing, 0 = known.
            seeds: only their number matters.
            options: there are none.
            progress: not called.

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

    def _prefill(self, image: Image, hole: Hole) -> Image:
        if self.config.prefill == "diffusion":
            return diffuse(image, hole)
        return mean_prefill(image, hole, OFFICIAL_COLOUR if self.config.mode == "official" else MEAN_COLOUR)

    def _check_size(self, image: Tensor, hole: Tensor) -> None:
        height, width = image.shape[-2:]
        if hole.shape[-2:] != image.shape[-2:] or hole.shape[1] != 1 or len(hole) != len(image):
            raise ValueError(
                f"hole is {tuple(hole.shape)} but image is {tuple(image.shape)}; "
                "give [b 1 h w] and [b 3 h w] of one batch and size"
            )
        if self.config.mode == "official" and (height, width) != (self.native_size, self.native_size):
            raise ValueError(
                f"official mode works at {self.native_size}x{self.native_size} only (its bilateral "
                f"propagation mixes channels with positions), got {width}x{height}; "
                "resize, or use mode='paper'"
            )
        if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
            raise ValueError(
                f"height and width must be multiples of {SIZE_MULTIPLE}, got {width}x{height}; pad the image"
            )


def _seen_as_rgb(features: Tensor | None, to_rgb: nn.Module | None) -> Float[Tensor, "b 3 h w"] | None:
    """Read a branch's features as a picture in (-1, 1), for supervision and for people."""
    return None if features is None or to_rgb is None else torch.tanh(to_rgb(features))


def build_medfe(config: MedfeConfig) -> Medfe:
    """Build the network that ``config`` describes, with fresh weights N(0, 0.02) and zero biases.

    The official initialisation; norms start as the identity. Draws from torch's global generator.
    """
    network = Medfe(config)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
