"""The residual blocks of the structure generator."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.dsi.causal_attention import CausalAttention
from twofold.dsi.weight_norm import WeightNormConv2d, WeightNormLinear

ConvFactory = Callable[[int, int], WeightNormConv2d]
"""Makes a convolution that keeps the size, from numbers of channels in and out."""


def concat_elu(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h w"]:
    """ELU of the features and of their negatives, side by side: twice the channels."""
    return F.elu(torch.cat([features, -features], dim=1))


class GatedResnet(nn.Module):
    """A residual block whose second convolution gates itself [DSI: gated residual block].

    ``y = x + A(p sigmoid(q)), (p, q) = W_2 * r(W_1 * r(x) + U r(a)) + V r(c), r(x) = elu([x, -x])``.

    Args:
        channels: of the features, and inside.
        first: makes the first convolution.
        second: makes the second one.
        extra_channels: channels of a second input that joins after the first convolution; 0: none.
        condition_channels: channels of a condition that joins after the second one; 0: none.
        attention: works on the block's result before it is added; None: none.
        dropout: share of the result dropped in training, after the attention (official code).
    """

    def __init__(
        self,
        channels: int,
        first: ConvFactory,
        second: ConvFactory,
        *,
        extra_channels: int = 0,
        condition_channels: int = 0,
        attention: CausalAttention | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.first = first(2 * channels, channels)
        self.from_extra = WeightNormLinear(2 * extra_channels, channels) if extra_channels else None
        self.second = second(2 * channels, 2 * channels)
        self.from_condition = (
            WeightNormLinear(2 * condition_channels, 2 * channels) if condition_channels else None
        )
        self.attention = attention
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        extra: Float[Tensor, "b e h w"] | None = None,
        condition_elu: Float[Tensor, "b d h w"] | None = None,
    ) -> Float[Tensor, "b c h w"]:
        """Add what the block makes of the features.

        Args:
            features: input and shortcut.
            extra: the second input; given exactly if the block has one.
            condition_elu: ``concat_elu`` of the condition, which all blocks share; given exactly if the
                block has one.
        """
        hidden = self.first(concat_elu(features))
        if self.from_extra is not None and extra is not None:
            hidden = hidden + self.from_extra(concat_elu(extra))
        hidden = self.second(concat_elu(hidden))
        if self.from_condition is not None and condition_elu is not None:
            hidden = hidden + self.from_condition(condition_elu)
        hidden = F.glu(hidden, dim=1)
        if self.attention is not None:
            hidden = self.attention(hidden)
        return features + self.dropout(hidden)


class OutResnet(nn.Module):
    """A residual block that works on every position by itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = WeightNormLinear(channels, channels)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Add a linear map of the features' ELU."""
        return features + self.mix(F.elu(features))
