"""The global and the local patch discriminator."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from twofold.medfe.convs import LEAK
from twofold.tensors import Image

LOCAL_SIZE = 64  # side in pixels of the local discriminator's crop


class PatchDiscriminator(nn.Module):
    """Five spectrally normalized 4x4 convolutions; a score per 32x32 pixels [MEDFE: patch discriminator].

    ``D(I) = W5 leaky(W4 leaky(W3 leaky(W2 leaky(W1 I)))), W[i] / sigma(W[i])``.

    Not conditioned on the hole; no sigmoid at the end.

    Args:
        width: channels of the first convolution; doubled three times.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        channels = (3, width, 2 * width, 4 * width, 8 * width)
        layers: list[nn.Module] = []
        for in_channels, out_channels in pairwise(channels):
            layers += [_conv(in_channels, out_channels), nn.LeakyReLU(LEAK)]
        self.layers = nn.Sequential(*layers, _conv(channels[-1], 1))

    def forward(self, image: Image) -> Float[Tensor, "b 1 patches_h patches_w"]:
        """Score patches of [b 3 32h 32w] in [-1, 1]; high = looks like a photograph."""
        return self.layers(image)


class Discriminators(nn.Module):
    """Score the whole picture, and a 64x64 crop of it [MEDFE: global and local discriminator].

    ``D(I) = (D_global(I), D_local(crop(I)))``.

    Args:
        width: channels of the first convolution of either.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.whole = PatchDiscriminator(width)
        self.local = PatchDiscriminator(width)

    def forward(self, image: Image, corner: tuple[int, int]) -> list[Float[Tensor, "b 1 _ _"]]:
        """Score the whole picture, and the crop whose upper left pixel is ``corner`` (row, column)."""
        row, column = corner
        crop = image[..., row : row + LOCAL_SIZE, column : column + LOCAL_SIZE]
        return [self.whole(image), self.local(crop)]


def _conv(in_channels: int, out_channels: int) -> nn.Module:
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=4, stride=2, padding=1)
    nn.init.normal_(conv.weight, 0.0, 0.02)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # this convolution has a bias
    return spectral_norm(conv)


def random_corner(height: int, width: int, generator: torch.Generator) -> tuple[int, int]:
    """Draw the local crop's upper left pixel, anywhere it fits: independent of the hole."""
    row, column = (
        int(torch.randint(0, side - LOCAL_SIZE + 1, (), generator=generator)) for side in (height, width)
    )
    return row, column
