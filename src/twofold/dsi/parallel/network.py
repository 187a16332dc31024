"""A structure generator that sees all known codes, on every side, and guesses all missing ones at once.

Not in the paper, whose authors wish for faster decoding. The network is the paper's in all but order: the
same condition network, residual blocks and heads of attention, without their causal masks. ``parallel.py``
draws from it in a few passes.
"""

from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.dsi.causal_attention import CausalAttention
from twofold.dsi.condition import ConditionNetwork
from twofold.dsi.config import StructureConfig
from twofold.dsi.gated_resnet import GatedResnet, OutResnet, concat_elu
from twofold.dsi.weight_norm import WeightNormConv2d, WeightNormLinear
from twofold.tensors import Hole, Image


class FullAttention(CausalAttention):
    """Heads that look at all positions, later ones and their own too."""

    def look(
        self, query: Float[Tensor, "b n l k"], key: Float[Tensor, "b n l k"], value: Float[Tensor, "b n l v"]
    ) -> Float[Tensor, "b n l v"]:
        """Attention of every position to every other."""
        return F.scaled_dot_product_attention(query, key, value)


class MaskedNetwork(nn.Module):
    """Logits of every hidden position's code, given the code vectors of all others."""

    def __init__(self, config: StructureConfig, code_size: int, codes: int) -> None:
        super().__init__()
        channels, condition = config.channels, config.condition_channels[-1]
        conv = partial(WeightNormConv2d, kernel=3)
        # Beside the vectors: which positions are hidden, and ones, which tell padding from a zero vector.
        self.vectors_in = WeightNormConv2d(code_size + 2, channels, 3)
        self.blocks = nn.ModuleList(
            GatedResnet(
                channels,
                conv,
                conv,
                condition_channels=condition,
                attention=FullAttention.of(config) if number % config.layers == 0 else None,
                dropout=config.dropout,
            )
            for number in range(1, config.groups * config.layers + 1)
        )
        self.out_layers = nn.Sequential(*(OutResnet(channels) for _ in range(config.out_layers)))
        self.to_logits = WeightNormLinear(channels, codes)

    def forward(
        self,
        vectors: Float[Tensor, "b d h w"],
        hidden: Bool[Tensor, "b h w"],
        condition: Float[Tensor, "b c h w"],
    ) -> Float[Tensor, "b k h w"]:
        """Logits of every position's code.

        Args:
            vectors: code vectors; what they hold at hidden positions has no influence.
            hidden: True where the code is to be guessed.
            condition: features of ``ConditionNetwork`` on the same grid.
        """
        mask = hidden[:, None].to(vectors.dtype)
        features = self.vectors_in(torch.cat([vectors * (1 - mask), mask, torch.ones_like(mask)], dim=1))
        condition_elu = concat_elu(condition)
        for block in self.blocks:
            features = block(features, None, condition_elu)
        return self.to_logits(F.elu(self.out_layers(features)))


class MaskedStructureGenerator(nn.Module):
    """Condition network and masked network."""

    def __init__(self, config: StructureConfig, code_size: int, codes: int) -> None:
        super().__init__()
        self.condition = ConditionNetwork(config)
        self.network = MaskedNetwork(config, code_size, codes)

    def forward(
        self, vectors: Float[Tensor, "b d h8 w8"], hidden: Bool[Tensor, "b h8 w8"], image: Image, hole: Hole
    ) -> Float[Tensor, "b k h8 w8"]:
        """Logits of every position's code, given the picture and the codes that are not hidden.

        Args:
            vectors: code vectors of a structure.
            hidden: True where they are not to be looked at.
            image: [b 3 h w] in [-1, 1]; what the hole covers is not looked at.
            hole: 1 where the image is missing.
        """
        return self.network(vectors, hidden, self.condition(image, hole))
