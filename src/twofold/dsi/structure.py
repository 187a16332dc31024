"""The structure generator: which structure codes fit a picture, and how likely they are."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twofold.dsi.causal_attention import CausalAttention
from twofold.dsi.causal_conv import DownRightShiftedConv2d, DownShiftedConv2d, down_shift, right_shift
from twofold.dsi.condition import ConditionNetwork
from twofold.dsi.config import StructureConfig
from twofold.dsi.gated_resnet import GatedResnet, OutResnet, concat_elu
from twofold.dsi.weight_norm import WeightNormLinear
from twofold.tensors import Hole, Image


class PixelCnn(nn.Module):
    """Logits of each position's code, given those before it in raster order [DSI: autoregressive network].

    ``p(s | c) = prod_i p(s_i | s_1 ... s_{i-1}, c)`` with the condition c.

    Two stacks of features: the vertical one (``up``) sees the rows above, the horizontal one (``left``) sees
    those and what is left in the row.
    """

    def __init__(self, config: StructureConfig, code_size: int, codes: int) -> None:
        super().__init__()
        channels, condition = config.channels, config.condition_channels[-1]
        # One more channel, constantly 1, tells zero padding from a zero vector.
        self.up_in = DownShiftedConv2d(code_size + 1, channels, (2, 3))
        self.left_in_above = DownShiftedConv2d(code_size + 1, channels, (1, 3))
        self.left_in_beside = DownRightShiftedConv2d(code_size + 1, channels, (2, 1))
        up, left = [], []
        for number in range(1, config.groups * config.layers + 1):
            attention = CausalAttention.of(config) if number % config.layers == 0 else None
            above = GatedResnet(
                channels,
                DownShiftedConv2d,
                DownShiftedConv2d,
                condition_channels=condition,
                dropout=config.dropout,
            )
            beside = GatedResnet(
                channels,
                DownRightShiftedConv2d,
                DownRightShiftedConv2d,
                extra_channels=channels,
                condition_channels=condition,
                attention=attention,
                dropout=config.dropout,
            )
            up.append(above)
            left.append(beside)
        self.up_layers, self.left_layers = nn.ModuleList(up), nn.ModuleList(left)
        self.out_layers = nn.Sequential(*(OutResnet(channels) for _ in range(config.out_layers)))
        self.to_logits = WeightNormLinear(channels, codes)

    def forward(
        self, vectors: Float[Tensor, "b d h w"], condition: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b k h w"]:
        """Logits of every position's code.

        Args:
            vectors: code vectors; positions not known yet may hold anything.
            condition: features of ``ConditionNetwork`` on the same grid.
        """
        features = torch.cat([vectors, torch.ones_like(vectors[:, :1])], dim=1)
        up = down_shift(self.up_in(features))
        left = down_shift(self.left_in_above(features)) + right_shift(self.left_in_beside(features))
        condition_elu = concat_elu(condition)
        for up_layer, left_layer in self.layers():
            up = up_layer(up, None, condition_elu)
            left = left_layer(left, up, condition_elu)
        return self.to_logits(nn.functional.elu(self.out_layers(left)))

    def layers(self) -> list[tuple[GatedResnet, GatedResnet]]:
        """Each layer's block of the vertical and of the horizontal stack."""
        pairs = zip(self.up_layers, self.left_layers, strict=True)
        return [(cast(GatedResnet, up), cast(GatedResnet, left)) for up, left in pairs]


class StructureGenerator(nn.Module):
    """Condition network and autoregressive network [DSI: structure generator].

    ``p(s | I_m, m) = G_s(s, c(I_m, m))`` for structure codes s, damaged picture I_m and hole m.
    """

    def __init__(self, config: StructureConfig, code_size: int, codes: int) -> None:
        super().__init__()
        self.condition = ConditionNetwork(config)
        self.pixelcnn = PixelCnn(config, code_size, codes)

    def forward(
        self, vectors: Float[Tensor, "b d h8 w8"], image: Image, hole: Hole
    ) -> Float[Tensor, "b k h8 w8"]:
        """Logits of every position's code, given the picture and the codes before it.

        Args:
            vectors: code vectors of a structure.
            image: [b 3 h w] in [-1, 1]; what the hole covers is not looked at.
            hole: 1 where the image is missing.
        """
        return self.pixelcnn(vectors, self.condition(image, hole))
