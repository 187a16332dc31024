"""The sizes and switches of the DSI networks, and their presets."""

from dataclasses import dataclass, field
from typing import Literal

from twofold.dsi.options import SamplingOptions

Mode = Literal["paper", "official"]
Order = Literal["raster", "parallel"]

SIZE_MULTIPLE = 8
"""Height and width of pictures: one structure code stands for 8x8 pixels, one texture code for 4x4."""


@dataclass(frozen=True)
class VqvaeConfig:
    """The hierarchical VQ-VAE; the defaults are the paper's."""

    channels: int = 128
    """Channels of the features at 1/4 and 1/8 of the picture's side; half of them at 1/2."""
    residual_channels: int = 64
    """Channels inside a residual block."""
    residual_blocks: int = 2
    """Residual blocks of each of the four stages."""
    codes: int = 512
    """Entries of each of the two codebooks."""
    code_size: int = 64
    """Length of a code vector."""

    def __post_init__(self) -> None:
        """Refuse what no network can be built from."""
        _at_least_one(self, "channels", "residual_channels", "codes", "code_size")
        if self.channels % 2:
            raise ValueError(f"channels must be even, got {self.channels}")


@dataclass(frozen=True)
class StructureConfig:
    """The structure generator: condition network and autoregressive network; the defaults are the paper's."""

    condition_channels: tuple[int, int, int, int] = (32, 64, 128, 256)
    """Channels of the condition network at the picture's full side, 1/2, 1/4 and 1/8 of it."""
    condition_dilations: tuple[int, ...] = (1, 1, 1, 2, 4, 8, 16, 1, 1, 1)
    """Dilation of each residual block at 1/8 of the picture's side."""
    channels: int = 128
    """Channels of the autoregressive network."""
    groups: int = 4
    """Groups of layers; each ends in causal attention."""
    layers: int = 5
    """Layers of a group."""
    heads: int = 8
    """Heads of the causal attention."""
    key_channels: int = 16
    """Channels of a head's queries and keys."""
    value_channels: int = 64
    """Channels of a head's values."""
    out_layers: int = 20
    """Residual 1x1 layers before the logits."""
    dropout: float = 0.1
    """Share of features dropped in training."""
    order: Order = "raster"
    """``raster``: one code after the other, as the paper does. Own option: ``parallel`` guesses all hidden
    codes at once, by a network without causal masks, in a few passes."""

    def __post_init__(self) -> None:
        """Refuse what no network can be built from."""
        names = ("channels", "groups", "layers", "heads", "key_channels", "value_channels")
        _at_least_one(self, *names)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}")
        if self.order not in ("raster", "parallel"):
            raise ValueError(f"order must be 'raster' or 'parallel', got {self.order!r}")


@dataclass(frozen=True)
class TextureConfig:
    """The texture generator and its discriminator; the defaults are the official code's."""

    channels: int = 32
    """Channels after gating at the picture's full side; twice as many at 1/2, four times at 1/4 and 1/8."""
    softmax_scale: float = 50.0
    """Sharpness of the structural attention."""
    attend_hole: bool = True
    """Let positions attend to missing ones too, as the paper does. Own option: False looks at known
    positions alone, so that the attention copies only what is there."""
    discriminator_channels: tuple[int, ...] = (64, 128, 256, 256, 256, 256)
    """Channels of the discriminator's 5x5 convolutions of stride 2."""

    def __post_init__(self) -> None:
        """Refuse what no network can be built from."""
        _at_least_one(self, "channels")
        if not self.discriminator_channels:
            raise ValueError("discriminator_channels must name at least one convolution")


@dataclass(frozen=True)
class DsiConfig:
    """Everything that defines the DSI networks except their weights.

    A part that is None is absent: weights of a first training stage hold the VQ-VAE alone.
    """

    mode: Mode = "paper"
    """``official`` computes what the authors' code computes and refuses every option of ours."""
    vqvae: VqvaeConfig = field(default_factory=VqvaeConfig)
    """Pictures to codes and back."""
    structure: StructureConfig | None = field(default_factory=StructureConfig)
    """Samples structure codes."""
    texture: TextureConfig | None = field(default_factory=TextureConfig)
    """Paints them."""
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    """How structures are sampled unless a call says otherwise."""
    native_size: int = 256
    """Side in pixels of the pictures that the networks are trained for."""

    def __post_init__(self) -> None:
        """Refuse what no network can be built from."""
        if self.mode not in ("paper", "official"):
            raise ValueError(f"mode must be 'paper' or 'official', got {self.mode!r}")
        if self.native_size < SIZE_MULTIPLE or self.native_size % SIZE_MULTIPLE:
            raise ValueError(f"native_size must be a multiple of {SIZE_MULTIPLE}, got {self.native_size}")
        own = [
            name
            for name, on in (
                ("texture.attend_hole=False", self.texture is not None and not self.texture.attend_hole),
                ("sampling.keep_margin", self.sampling.keep_margin is not None),
                (
                    "structure.order='parallel'",
                    self.structure is not None and self.structure.order == "parallel",
                ),
            )
            if on
        ]
        if self.mode == "official" and own:
            raise ValueError(f"{own[0]} is an option of ours; it needs mode='paper'")


def paper(mode: Mode = "paper") -> DsiConfig:
    """The full-size networks: 76.3 M values with codebooks and discriminator.

    Paper mode keeps the codes of the visible part, which was measured to be better.
    """
    return DsiConfig(mode=mode, sampling=_sampling(mode, temperature=1.0))


def small(mode: Mode = "paper") -> DsiConfig:
    """The networks of the bundled weights: under 25 M parameters, all three together.

    The VQ-VAE is the paper's; the structure generator, where nearly all of the paper's work goes, is
    narrower and shallower. Its temperature was set by measurement, see the model card.
    """
    return DsiConfig(
        mode=mode,
        sampling=_sampling(mode, temperature=0.4),
        structure=StructureConfig(
            condition_channels=(16, 32, 64, 128),
            condition_dilations=(1, 2, 4, 8, 1),
            channels=80,
            groups=3,
            layers=4,
            out_layers=4,
            value_channels=32,
        ),
        texture=TextureConfig(
            channels=24,
            attend_hole=mode == "official",
            discriminator_channels=(32, 64, 128, 128, 128, 128),
        ),
    )


def tiny(mode: Mode = "paper") -> DsiConfig:
    """Networks for tests and rehearsals: every part present, a few thousand parameters each."""
    return DsiConfig(
        mode=mode,
        vqvae=VqvaeConfig(channels=8, residual_channels=4, residual_blocks=1, codes=16, code_size=4),
        structure=StructureConfig(
            condition_channels=(4, 4, 8, 8),
            condition_dilations=(1, 2),
            channels=8,
            groups=2,
            layers=2,
            heads=2,
            key_channels=4,
            value_channels=4,
            out_layers=2,
        ),
        texture=TextureConfig(channels=4, discriminator_channels=(4, 8, 8)),
        native_size=64,
    )


def _sampling(mode: Mode, *, temperature: float) -> SamplingOptions:
    """Keep codes that no missing pixel touches, unless the authors' procedure is asked for."""
    return SamplingOptions() if mode == "official" else SamplingOptions(temperature, keep_margin=0)


PRESETS = {"paper": paper, "small": small, "tiny": tiny}


def _at_least_one(config: object, *names: str) -> None:
    for name in names:
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(config, name)}")
