"""Partial convolutions: convolve what is known, grow it, rescale by how much was known."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.medfe.convs import ChannelNorm, Norm, leaky

Valid = Float[Tensor, "b 1 h w"]
"""1 where features are known, 0 where they are missing; nothing in between."""


class PartialConv2d(nn.Module):
    """A convolution over the known positions of its window only [MEDFE: partial convolution].

    ``p(x, m) = W (x m) k^2 / sum(m) and m' = 1 where sum(m) > 0; both 0 elsewhere``.

    Where a window of k*k positions holds s known ones, the sum over the known ones is scaled by
    k*k/s; where it holds none the output is 0. Positions outside the map count as missing.

    Args:
        channels: channels of input and output.
        kernel: side k of the window; odd.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False)

    def forward(
        self, features: Float[Tensor, "b c h w"], valid: Valid
    ) -> tuple[Float[Tensor, "b c h w"], Valid]:
        """Convolve and grow the known region by half a window.

        Returns:
            The features, and where they are known now.
        """
        # count_include_pad makes the border missing: known / (k * k), in all windows alike.
        share = F.avg_pool2d(valid, self.kernel, stride=1, padding=self.kernel // 2)
        # A share is either 0 or at least 1 / (k * k): half of that tells them apart in any precision.
        reached = (share > 0.5 / self.kernel**2).to(valid.dtype)
        scale = reached / share.clamp(min=0.5 / self.kernel**2)
        return self.conv(features * valid) * scale, reached


class PartialStream(nn.Module):
    """Partial convolutions of one kernel, normalized and activated [MEDFE: stack of partial convolutions].

    ``P(x, m) = q(...q(x, m)), q = (leaky(norm(p(x, m))), m')``.

    Args:
        channels: channels throughout.
        kernel: side of every window; odd.
        depth: number of convolutions.
        norm: kind of normalisation.
    """

    def __init__(self, channels: int, kernel: int, depth: int, norm: Norm) -> None:
        super().__init__()
        self.convs = nn.ModuleList(PartialConv2d(channels, kernel) for _ in range(depth))
        self.norms = nn.ModuleList(ChannelNorm(norm, channels) for _ in range(depth))

    def forward(self, features: Float[Tensor, "b c h w"], valid: Valid) -> Float[Tensor, "b c h w"]:
        """Fill missing positions from the border inwards."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features, valid = conv(features, valid)
            features = leaky(norm(features))
        return features


def valid_features(
    hole: Float[Tensor, "b 1 h w"], factor: int, threshold: float
) -> Float[Tensor, "b 1 h2 w2"]:
    """Mark the feature positions of which at most ``threshold`` is missing [MEDFE: hole at feature size].

    ``m = 1 where mean(M over 8x8) <= 5/16, 0 elsewhere``.

    Args:
        hole: 1 = missing, in picture pixels.
        factor: picture pixels per feature pixel and side.
        threshold: share of missing picture pixels, in [0, 1].
    """
    missing = F.avg_pool2d(hole, kernel_size=factor)
    return (missing <= threshold).to(torch.float32)
