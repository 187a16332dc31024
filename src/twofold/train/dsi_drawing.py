"""Structures as a structure generator draws them, for one pass each: what a painter will meet, to learn from.

An addition beside the paper, whose texture generator sees true structures alone while it is trained.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from twofold.dsi.choice import choose
from twofold.dsi.config import SIZE_MULTIPLE, DsiConfig
from twofold.dsi.masked import MaskedStructureGenerator
from twofold.dsi.model import AnyStructureGenerator, Dsi
from twofold.dsi.parallel import hidden_share, hide
from twofold.errors import CheckpointError
from twofold.tensors import Hole, Image
from twofold.train.dsi_parts import build_with


class StructureDrawer:
    """A trained structure generator that stays as it is.

    Args:
        config: of the starting weights.
        start: state of ``Dsi`` with VQ-VAE and structure generator.
        device: where to draw.

    Raises:
        CheckpointError: if the starting weights hold no structure generator.
    """

    def __init__(self, config: DsiConfig, start: Mapping[str, Tensor], device: torch.device) -> None:
        if config.structure is None or not any(name.startswith("structure.") for name in start):
            raise CheckpointError(
                "the starting weights hold no structure generator to draw structures; start from joined "
                "weights (`twofold convert dsi-stages`), or set --recipe.drawn 0"
            )
        parts = dataclasses.replace(config, texture=None)
        self._dsi: Dsi = build_with(parts, start, seed=0, trained=()).to(device)
        self._options = config.sampling

    def draw(self, codes: Int[Tensor, "b h8 w8"], image: Image, hole: Hole) -> Int[Tensor, "b h8 w8"]:
        """Replace codes that the hole touches by draws, each given true ones.

        What is given is what the generator's own order allows: for the paper's order the codes before it, for
        parallel decoding a random share of the missing ones. Draws from torch's global generator.

        Args:
            codes: the true ones.
            image: in [-1, 1]; what the hole covers is not looked at.
            hole: 1 = missing.
        """
        generator = self._dsi.structure
        assert generator is not None  # the configuration has one
        drawn = F.max_pool2d(hole, SIZE_MULTIPLE)[:, 0] > 0
        with torch.no_grad():
            vectors = self._dsi.vqvae.structure_codebook.look_up(codes)
            if isinstance(generator, MaskedStructureGenerator):
                share = hidden_share(torch.rand(len(drawn))).to(drawn.device)
                drawn = hide(drawn, share, torch.rand(drawn.shape).to(drawn.device))
            logits = _logits(generator, vectors, drawn, image * (1 - hole), hole).movedim(1, -1)[drawn]
        chance = torch.rand(logits.shape, dtype=torch.float64).clamp(min=1e-300)
        gumbel = -torch.log(-torch.log(chance)).to(logits.device)
        return codes.masked_scatter(drawn, choose(logits.float(), gumbel, self._options).codes)


def _logits(
    generator: AnyStructureGenerator,
    vectors: Float[Tensor, "b d h8 w8"],
    hidden: Bool[Tensor, "b h8 w8"],
    masked: Image,
    hole: Hole,
) -> Float[Tensor, "b k h8 w8"]:
    if isinstance(generator, MaskedStructureGenerator):
        return generator(vectors, hidden, masked, hole)
    return generator(vectors, masked, hole)
