"""What the structure generator knows of the picture: features at 1/8 of its side."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twofold.dsi.config import StructureConfig
from twofold.dsi.gated_resnet import GatedResnet
from twofold.dsi.weight_norm import WeightNormConv2d
from twofold.tensors import Hole, Image


class ConditionNetwork(nn.Module):
    """Turn a picture with a hole into features for the structure generator [DSI: condition network].

    ``c = C([I_m, 1, m])``, one vector for each structure code.
    """

    def __init__(self, config: StructureConfig) -> None:
        super().__init__()
        full, half, quarter, eighth = config.condition_channels
        self.to_full = WeightNormConv2d(5, full, 5)
        self.block_full = _block(full)
        self.to_half = WeightNormConv2d(full, half, 3, stride=2)
        self.block_half = _block(half)
        self.to_quarter = WeightNormConv2d(half, quarter, 3, stride=2)
        self.block_quarter = _block(quarter)
        self.to_eighth = WeightNormConv2d(quarter, eighth, 3, stride=2)
        self.blocks_eighth = nn.Sequential(*(_block(eighth, rate) for rate in config.condition_dilations))

    def forward(self, image: Image, hole: Hole) -> Float[Tensor, "b c h8 w8"]:
        """Describe [b 3 h w] in [-1, 1] with its hole [b 1 h w]; what is missing is not looked at.

        A constant channel of ones, as in the official code, lets zero padding be told from grey.
        """
        features = torch.cat([image * (1 - hole), torch.ones_like(hole), hole], dim=1)
        features = self.block_full(self.to_full(features))
        features = self.block_half(self.to_half(features))
        features = self.block_quarter(self.to_quarter(features))
        return self.blocks_eighth(self.to_eighth(features))


def _block(channels: int, dilation: int = 1) -> GatedResnet:
    conv = partial(WeightNormConv2d, kernel=3)
    return GatedResnet(channels, partial(conv, dilation=dilation), conv)
