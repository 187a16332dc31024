"""The texture generator: paints a sampled structure in one pass."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twofold.dsi.attention import attention_weights, known_cells, take
from twofold.dsi.config import SIZE_MULTIPLE, TextureConfig
from twofold.dsi.gated_conv import GatedConv2d, GatedUp
from twofold.dsi.same_conv import SameConv2d
from twofold.tensors import Hole, Image

DILATIONS = (2, 4, 8, 16)


class TextureGenerator(nn.Module):
    """The known pixels and a structure to a picture [DSI: texture generator].

    ``I_out = tanh(G_t(I_m, m, s))``.

    Encodes what is known down to 1/4 of the picture's side, joins the structure, looks far around by
    dilated convolutions, and on the way back up joins features taken from where the structure is alike.
    """

    def __init__(self, config: TextureConfig, code_size: int) -> None:
        super().__init__()
        self.softmax_scale, self.attend_hole = config.softmax_scale, config.attend_hole
        full, half, quarter = config.channels, 2 * config.channels, 4 * config.channels
        self.enter = GatedConv2d(5, full, 5)
        self.to_half = GatedConv2d(full, half, stride=2)
        self.mix_half = GatedConv2d(half, half)
        self.to_quarter = GatedConv2d(half, quarter, stride=2)
        self.structure = nn.Sequential(
            GatedConv2d(code_size, quarter), GatedConv2d(quarter, quarter), GatedUp(quarter, quarter)
        )
        self.join_structure = GatedConv2d(2 * quarter, quarter)
        self.mix_quarter = GatedConv2d(quarter, quarter)
        self.dilated = nn.Sequential(*[GatedConv2d(quarter, quarter, dilation=rate) for rate in DILATIONS])
        self.refine = nn.Sequential(GatedConv2d(quarter, quarter), GatedConv2d(quarter, quarter))
        self.join_quarter = GatedConv2d(2 * quarter, quarter)
        self.up_half = GatedUp(quarter, half)
        self.join_half = GatedConv2d(2 * half, half)
        self.up_full = GatedUp(half, full)
        self.mix_full = GatedConv2d(full, full)
        self.to_image = SameConv2d(full, 3, 3)

    def forward(
        self,
        image: Image,
        hole: Hole,
        structure: Float[Tensor, "b d h8 w8"],
        weights: Float[Tensor, "b n n"] | None = None,
    ) -> Image:
        """Paint the whole picture, known pixels too; what ``image`` holds in the hole has no influence.

        Args:
            image: [b 3 h w] in [-1, 1].
            hole: 1 = missing.
            structure: vectors of structure codes, one per 8x8 pixels.
            weights: of the structural attention, if they are known already.

        Returns:
            The network's own picture in [-1, 1], not composited with the known pixels.

        Raises:
            ValueError: if the structure is not 1/8 of the picture's height and width.
        """
        grid = self._grid(image, structure)
        # The channel of ones tells the padding from mid grey; the official weights expect it.
        known = torch.cat([image * (1 - hole), torch.ones_like(hole), hole], dim=1)
        half = self.mix_half(self.to_half(self.enter(known)))
        quarter = torch.cat([self.to_quarter(half), self.structure(structure)], dim=1)
        quarter = self.dilated(self.mix_quarter(self.join_structure(quarter)))

        if weights is None:
            candidates = None if self.attend_hole else known_cells(hole)
            weights = attention_weights(structure, self.softmax_scale, candidates=candidates)
        features = torch.cat([self.refine(quarter), take(weights, quarter, *grid)], dim=1)
        features = self.up_half(self.join_quarter(features))
        features = self.join_half(torch.cat([features, take(weights, half, *grid)], dim=1))
        return self.to_image(self.mix_full(self.up_full(features))).tanh()

    @staticmethod
    def _grid(image: Tensor, structure: Tensor) -> tuple[int, int]:
        (height, width), (rows, columns) = image.shape[-2:], structure.shape[-2:]
        if (height, width) != (rows * SIZE_MULTIPLE, columns * SIZE_MULTIPLE):
            raise ValueError(
                f"a structure of {columns}x{rows} codes needs an image of {columns * SIZE_MULTIPLE}x"
                f"{rows * SIZE_MULTIPLE}, got {width}x{height}"
            )
        return rows, columns
