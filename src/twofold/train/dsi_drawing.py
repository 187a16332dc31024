"""Structures as a structure generator samples them: what a texture generator will meet, to learn from.

An addition beside the paper, whose texture generator sees true structures alone while it is trained.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from twofold.dsi.config import DsiConfig
from twofold.dsi.model import Dsi
from twofold.errors import CheckpointError
from twofold.tensors import Hole, Image
from twofold.train.dsi_parts import build_with


class StructureDrawer:
    """A trained structure generator that stays as it is, sampled as filling does.

    Args:
        config: of the starting weights; its sampling options are used.
        start: state of ``Dsi`` with VQ-VAE and structure generator.
        device: where to sample.

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

    def draw(self, image: Image, hole: Hole, seeds: Sequence[int]) -> Int[Tensor, "b h8 w8"]:
        """Sample a structure for the hole of each picture.

        Args:
            image: in [-1, 1]; what the hole covers is not looked at.
            hole: 1 = missing.
            seeds: one for each picture.
        """
        drawn = [
            self._dsi.sample(image[i : i + 1], hole[i : i + 1], [seed]).codes for i, seed in enumerate(seeds)
        ]
        return torch.cat(drawn)
