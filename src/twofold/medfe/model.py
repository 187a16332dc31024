"""MEDFE as the paper describes it: encode, fill structure and texture, equalize, decode."""

import torch
from torch import nn

from twofold.medfe.config import MedfeConfig
from twofold.medfe.convs import ConvNormAct
from twofold.medfe.decoder import Decoder, SkipConnections
from twofold.medfe.encoder import Encoder
from twofold.medfe.equalize import FeatureEqualization
from twofold.medfe.fill import MutualFilling
from twofold.medfe.network import MedfeNetwork, MedfeOutput, encoder_input, seen_as_rgb
from twofold.tensors import Hole, Image


class Medfe(MedfeNetwork):
    """The generator of the paper, any multiple of 64 a side [MEDFE: mutual encoder-decoder].

    ``I' = tanh(D(x1 + u1(y), ..., x6 + u6(y))), y = equalize(fuse([Fst; Fte])), x1 ... x6 = E(I, 1 - M)``.
    """

    mode = "paper"

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__(config)
        branches = config.structure_branch + config.texture_branch
        channels = config.fill_channels
        self.encoder = Encoder(config)
        self.filling = MutualFilling(config)
        self.fuse = ConvNormAct(branches * channels, 2 * channels, 1, config.norm)
        self.equalization = FeatureEqualization(config)
        self.skips = SkipConnections(config)
        self.decoder = Decoder(config)
        self.structure_to_rgb = nn.Conv2d(channels, 3, kernel_size=1) if config.structure_branch else None
        self.texture_to_rgb = nn.Conv2d(channels, 3, kernel_size=1) if config.texture_branch else None

    def complete(self, prefilled: Image, hole: Hole) -> MedfeOutput:
        """Fill a hole that has been prefilled, [b 3 h w] in [-1, 1]; hole [b 1 h w], 1 = missing."""
        picture = encoder_input(prefilled, hole)
        pyramid = self.encoder(picture)
        filled = self.filling(pyramid, hole)
        branches = [part for part in (filled.structure, filled.texture) if part is not None]
        equalized = self.equalization(self.fuse(torch.cat(branches, dim=1)))
        decoded = self.decoder(self.skips(equalized, pyramid), picture)
        return MedfeOutput(
            self.answer(decoded, prefilled),
            seen_as_rgb(filled.structure, self.structure_to_rgb),
            seen_as_rgb(filled.texture, self.texture_to_rgb),
        )

    @property
    def largest_size(self) -> int:
        """Twice the native size; up to 416 pixels, full scale was measured to beat scaling down."""
        return 2 * self.native_size
