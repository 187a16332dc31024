"""The discriminator of textures, spectrally normalized."""

from itertools import pairwise

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.dsi.config import TextureConfig
from twofold.dsi.same_conv import SameConv2d, pad_same
from twofold.tensors import Hole, Image

KERNEL = 5
LEAK = 0.2


class Discriminator(nn.Module):
    """5x5 convolutions over picture and hole; each value of the last is a score [DSI: discriminator].

    ``D(I, m) = lrelu(W_n * ... lrelu(W_1 * [I, m]))``.
    """

    def __init__(self, config: TextureConfig) -> None:
        super().__init__()
        channels = (4, *config.discriminator_channels)
        self.convs = nn.ModuleList([SpectralConv2d(*pair) for pair in pairwise(channels)])

    def forward(self, image: Image, hole: Hole) -> Float[Tensor, "b n"]:
        """Score [b 3 h w] in [-1, 1] whose pixels in the hole may be painted; high = looks like a photograph.

        Quirk, official: the last convolution, too, ends in a leaky ReLU.

        Returns:
            [b n], the scores of one place beside each other, places row by row.
        """
        features = torch.cat([image, hole], dim=1)
        for conv in self.convs:
            features = F.leaky_relu(conv(features), LEAK)
        return rearrange(features, "b c h w -> b (h w c)")


class SpectralConv2d(SameConv2d):
    """A 5x5 convolution of stride 2 with weights of singular value 1 [DSI: spectral normalization].

    ``W / sigma, v = W^T u / |W^T u|, u' = W v / |W v|, sigma = u' . W v``.

    The value is that of one power iteration, begun where the last call in training mode left off. As in
    the official code, gradients flow through the iteration.

    Differs from the official code: that stores the iteration on every call, validation included; here
    calls in evaluation mode compute it and store nothing, so that equal pictures get equal scores.
    """

    singular_vector: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, KERNEL, stride=2)
        nn.init.trunc_normal_(self.weight, std=0.05, a=-0.1, b=0.1)
        self.register_buffer("singular_vector", nn.init.trunc_normal_(torch.empty(out_channels)))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Convolve with the normalized weights; height and width are halved and rounded up."""
        weight = self.weight / self.largest_singular_value()
        return F.conv2d(pad_same(features, self.kernel_size, stride=2), weight, self.bias, stride=2)

    def largest_singular_value(self) -> Float[Tensor, ""]:
        """One power iteration, in float32; in training mode its result is where the next begins."""
        with torch.autocast(self.weight.device.type, enabled=False):
            matrix = self.weight.float().flatten(1)  # c2 (c 5 5)
            # A copy: the buffer changes below, while the gradient still needs what was read here.
            right = _unit(self.singular_vector.float().clone() @ matrix)
            left = _unit(matrix @ right)
            if self.training:
                self.singular_vector.copy_(left.detach())
            return left @ matrix @ right


def _unit(vector: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    return vector / (vector.square().sum().sqrt() + 1e-12)
