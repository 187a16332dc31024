"""Attention of every position to all earlier ones."""

from __future__ import annotations

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.dsi.config import StructureConfig
from twofold.dsi.weight_norm import WeightNormLinear


class CausalAttention(nn.Module):
    """Heads that look at all strictly earlier positions in raster order [DSI: causal attention].

    ``y_i = sum_{j<i} softmax_j(q_i . k_j / sqrt(d)) v_j``.

    The official code makes the linear maps of every head by themselves; here each of ``query``, ``key``
    and ``value`` is one map whose output channels are the heads' one after the other.

    Args:
        channels: of the features.
        heads: number of heads.
        key_channels: channels of a head's queries and keys.
        value_channels: channels of a head's values.
    """

    def __init__(self, channels: int, *, heads: int, key_channels: int, value_channels: int) -> None:
        super().__init__()
        self.heads = heads
        self.key_channels = key_channels
        self.value_channels = value_channels
        self.query = WeightNormLinear(channels, heads * key_channels)
        self.key = WeightNormLinear(channels, heads * key_channels)
        self.value = WeightNormLinear(channels, heads * value_channels)
        self.output = WeightNormLinear(heads * value_channels, channels)

    @classmethod
    def of(cls, config: StructureConfig) -> CausalAttention:
        """The layer that a structure generator's sizes ask for."""
        sizes = {"key_channels": config.key_channels, "value_channels": config.value_channels}
        return cls(config.channels, heads=config.heads, **sizes)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Add what the heads found; the first position finds nothing, that is zeros."""
        height = features.shape[2]
        query, key, value = (
            rearrange(mapped(features), "b (n c) h w -> b n (h w) c", n=self.heads)
            for mapped in (self.query, self.key, self.value)
        )
        found = self.look(query, key, value)
        return features + self.output(rearrange(found, "b n (h w) c -> b (n c) h w", h=height))

    def look(
        self, query: Float[Tensor, "b n l k"], key: Float[Tensor, "b n l k"], value: Float[Tensor, "b n l v"]
    ) -> Float[Tensor, "b n l v"]:
        """Which positions the heads look at: all strictly earlier ones."""
        return _strictly_causal(query, key, value)


def _strictly_causal(
    query: Float[Tensor, "b n l k"], key: Float[Tensor, "b n l k"], value: Float[Tensor, "b n l v"]
) -> Float[Tensor, "b n l v"]:
    """Attention of position i to the positions before i, which is plain causal attention one step on.

    The official code adds 1e-10 to the softmax' denominator; as that is at least 1, float32 does not see
    it, but for the first position: its sum is empty and it finds zeros, as here. The softmax runs in
    float32 whatever the inputs. Queries and keys are padded with zeros to the values' size, because the
    memory-saving kernel wants one size for all three.
    """
    scale = query.shape[-1] ** -0.5
    widest = max(key.shape[-1], value.shape[-1])
    query, key = (F.pad(part, (0, widest - part.shape[-1])) for part in (query, key))
    values = F.pad(value, (0, widest - value.shape[-1]))
    found = F.scaled_dot_product_attention(
        query[:, :, 1:], key[:, :, :-1], values[:, :, :-1], is_causal=True, scale=scale
    )
    return F.pad(found[..., : value.shape[-1]], (0, 0, 1, 0))
