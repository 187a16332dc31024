"""The hierarchical VQ-VAE: structure codes at 1/8 of the picture's side, texture codes at 1/4."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.dsi.config import SIZE_MULTIPLE, VqvaeConfig
from twofold.dsi.quantize import Codebook, Quantized
from twofold.dsi.same_conv import SameConv2d
from twofold.tensors import Image


@dataclass(frozen=True, eq=False)
class Encoding:
    """A picture as codes.

    Attributes:
        structure: grid [h/8 w/8].
        texture: grid [h/4 w/4].
    """

    structure: Quantized
    texture: Quantized


class Vqvae(nn.Module):
    """Pictures to structure and texture codes, and back [DSI: hierarchical VQ-VAE].

    ``s = Q_s(E_s(x)), t = Q_t(E_t(x, s)), x' = D_vq(s, t)``.
    """

    def __init__(self, config: VqvaeConfig) -> None:
        super().__init__()
        self.structure_encoder = StructureEncoder(config)
        self.structure_codebook = Codebook(config.codes, config.code_size)
        self.texture_encoder = TextureEncoder(config)
        self.texture_codebook = Codebook(config.codes, config.code_size)
        self.decoder = Decoder(config)

    def forward(self, image: Image) -> tuple[Image, Encoding]:
        """Encode and decode; gradients pass the quantization straight through.

        Returns:
            The reconstruction, not bounded to [-1, 1], and the codes.
        """
        encoding = self.encode(image)
        structure, texture = encoding.structure.straight_through, encoding.texture.straight_through
        return self.decoder(structure, texture), encoding

    def encode(self, image: Image) -> Encoding:
        """Encode [b 3 h w] in [-1, 1]; the texture features see the quantized structure.

        Raises:
            ValueError: if height or width is not a multiple of 8.
        """
        height, width = image.shape[-2:]
        if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
            raise ValueError(
                f"height and width must be multiples of {SIZE_MULTIPLE}, got {width}x{height}; pad the image"
            )
        fine, coarse = self.structure_encoder(image)
        structure = self.structure_codebook(coarse)
        texture = self.texture_codebook(self.texture_encoder(fine, structure.straight_through))
        return Encoding(structure, texture)

    def decode_structure(self, structure: Float[Tensor, "b d h w"]) -> Float[Tensor, "b 3 h8 w8"]:
        """Decode the structure with all texture vectors zero; not bounded."""
        batch, size, height, width = structure.shape
        return self.decoder(structure, structure.new_zeros(batch, size, 2 * height, 2 * width))

    def structure_picture(self, structure: Float[Tensor, "b d h w"]) -> Float[Tensor, "b 3 h8 w8"]:
        """What the structure alone looks like, in [-1, 1]."""
        return self.decode_structure(structure).float().clamp(-1, 1)


class StructureEncoder(nn.Module):
    """The encoder down to 1/8 of the picture's side."""

    def __init__(self, config: VqvaeConfig) -> None:
        super().__init__()
        channels, half = config.channels, config.channels // 2
        self.to_half = SameConv2d(3, half, 4, stride=2)
        self.to_quarter = SameConv2d(half, channels, 4, stride=2)
        self.mix_quarter = SameConv2d(channels, channels, 3)
        self.blocks_quarter = _residual_blocks(config)
        self.to_eighth = SameConv2d(channels, half, 4, stride=2)
        self.mix_eighth = SameConv2d(half, channels, 3)
        self.blocks_eighth = _residual_blocks(config)
        self.to_code = SameConv2d(channels, config.code_size, 1)

    def forward(self, image: Image) -> tuple[Float[Tensor, "b c h4 w4"], Float[Tensor, "b d h8 w8"]]:
        """Encode; returns the features at 1/4, for the texture, and the structure features at 1/8."""
        features = F.elu(self.to_quarter(F.elu(self.to_half(image))))
        fine = F.elu(self.blocks_quarter(self.mix_quarter(features)))
        features = self.mix_eighth(F.elu(self.to_eighth(fine)))
        return fine, self.to_code(F.elu(self.blocks_eighth(features)))


class TextureEncoder(nn.Module):
    """Features for the texture codes, from the picture and its quantized structure."""

    def __init__(self, config: VqvaeConfig) -> None:
        super().__init__()
        channels = config.channels
        self.mix = SameConv2d(config.code_size, channels, 3)
        self.blocks = _residual_blocks(config)
        self.up = transposed_conv(channels, channels)
        self.to_code = SameConv2d(2 * channels, config.code_size, 1)

    def forward(
        self, fine: Float[Tensor, "b c h4 w4"], structure: Float[Tensor, "b d h8 w8"]
    ) -> Float[Tensor, "b d h4 w4"]:
        """Join the encoder's features at 1/4 with the structure brought up to 1/4."""
        coarse = self.up(F.elu(self.blocks(self.mix(structure))))
        return self.to_code(torch.cat([fine, coarse], dim=1))


class Decoder(nn.Module):
    """Code vectors back to a picture."""

    def __init__(self, config: VqvaeConfig) -> None:
        super().__init__()
        channels, size = config.channels, config.code_size
        self.up_structure = transposed_conv(size, size)
        self.mix = SameConv2d(2 * size, channels, 3)
        self.blocks = _residual_blocks(config)
        self.to_half = transposed_conv(channels, channels // 2)
        self.to_full = transposed_conv(channels // 2, 3)

    def forward(
        self, structure: Float[Tensor, "b d h8 w8"], texture: Float[Tensor, "b d h4 w4"]
    ) -> Float[Tensor, "b 3 h w"]:
        """Decode; the picture is not bounded, it is clipped only to be looked at."""
        features = torch.cat([texture, self.up_structure(structure)], dim=1)
        features = F.elu(self.blocks(self.mix(features)))
        return self.to_full(F.elu(self.to_half(features)))


class ResidualBlock(nn.Module):
    """features + 1x1(elu(3x3(elu(features))))."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.widen = SameConv2d(channels, inner, 3)
        self.merge = SameConv2d(inner, channels, 1)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Add what the two convolutions make of the features."""
        return features + self.merge(F.elu(self.widen(F.elu(features))))


def transposed_conv(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    """A 4x4 transposed convolution that doubles height and width, drawn like ``SameConv2d``."""
    conv = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=4, stride=2, padding=1)
    spread = (16 * in_channels) ** -0.5
    nn.init.trunc_normal_(conv.weight, std=spread, a=-2 * spread, b=2 * spread)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # this convolution has a bias
    return conv


def _residual_blocks(config: VqvaeConfig) -> nn.Sequential:
    blocks = [ResidualBlock(config.channels, config.residual_channels) for _ in range(config.residual_blocks)]
    return nn.Sequential(*blocks)
