"""The sizes and switches of a MEDFE network, and its presets."""

from dataclasses import dataclass
from typing import Literal

Mode = Literal["paper", "official"]


@dataclass(frozen=True)
class MedfeConfig:
    """Everything that defines a MEDFE network except its weights.

    The defaults are the full-size network of the paper.
    """

    mode: Mode = "paper"
    """``paper``: what the paper describes. ``official``: what the authors' code computes, quirks included."""
    encoder_channels: tuple[int, ...] = (64, 128, 256, 512, 512, 512)
    """Channels of the six encoder stages, at 1/2 ... 1/64 of the picture's side."""
    fill_channels: int = 256
    """Channels of each of the two branches at 1/8 of the picture's side."""
    fill_kernels: tuple[int, ...] = (3, 5, 7)
    """Kernel of each stream of partial convolutions; odd."""
    fill_depth: int = 5
    """Partial convolutions in each stream."""
    residual_blocks: int = 4
    """Dilated residual blocks between encoder and decoder."""
    reduction: int = 16
    """Squeeze factor of the channel reweighing."""
    spatial_sigma: float = 1.5
    """Standard deviation of the spatial propagation's Gaussian, in feature pixels."""
    range_window: int = 3
    """Side of the range propagation's neighbourhood, in feature pixels; odd."""
    hole_threshold: float = 5 / 16
    """Share of missing pixels above which a feature pixel counts as missing (paper mode)."""
    norm: Literal["instance", "group"] = "instance"
    """``instance`` as in the paper; ``group`` (8 groups) keeps brightness and contrast."""
    upsampling: Literal["transposed", "resize"] = "transposed"
    """Decoder: transposed convolutions as in the paper, or resizing + 3x3 convolutions (no checkerboard)."""
    prefill: Literal["mean", "diffusion"] = "mean"
    """What the encoder sees in the hole: the mean colour as in the paper, or the surroundings diffused."""
    residual_output: bool = False
    """Own addition: predict the difference to the diffused prefill instead of the whole picture."""
    detail_channels: int = 0
    """Own addition: if not 0, the decoder ends in this many channels at full resolution, and a last 3x3
    convolution turns them and the encoder's input into the picture."""
    refined_stages: int = 0
    """Own addition: so many of the decoder's stages, counted back from the one at half the picture's side,
    get a residual block, which starts as the identity."""
    structure_branch: bool = True
    """Ablation: fill deep features in a branch of their own."""
    texture_branch: bool = True
    """Ablation: fill shallow features in a branch of their own."""
    channel_reweighing: bool = True
    """Ablation: squeeze-and-excitation over the fused features."""
    spatial_propagation: bool = True
    """Ablation: the Gaussian half of the bilateral propagation."""
    range_propagation: bool = True
    """Ablation: the similarity half of the bilateral propagation."""
    non_local: bool = False
    """Ablation: a non-local block in place of the bilateral propagation."""
    native_size: int = 256
    """Side in pixels of the pictures that the network is trained for."""

    def __post_init__(self) -> None:
        """Refuse what no network can be built from."""
        if self.mode not in ("paper", "official"):
            raise ValueError(f"mode must be 'paper' or 'official', got {self.mode!r}")
        if len(self.encoder_channels) != 6:
            raise ValueError(f"encoder_channels must name six stages, got {self.encoder_channels}")
        if any(kernel < 1 or kernel % 2 == 0 for kernel in self.fill_kernels) or not self.fill_kernels:
            raise ValueError(f"fill_kernels must be odd, got {self.fill_kernels}")
        if self.range_window < 1 or self.range_window % 2 == 0:
            raise ValueError(f"range_window must be an odd number of feature pixels, got {self.range_window}")
        if not (self.structure_branch or self.texture_branch):
            raise ValueError("a network without both branches fills nothing; keep one of them")
        if self.native_size < 64 or self.native_size % 64:
            raise ValueError(f"native_size must be a multiple of 64, got {self.native_size}")
        if not 0 <= self.refined_stages <= 5:
            raise ValueError(f"refined_stages must lie in [0, 5], got {self.refined_stages}")
        if self.residual_output and self.prefill != "diffusion":
            raise ValueError("residual_output adds to the diffused prefill; set prefill='diffusion' as well")
        if self.mode == "official":
            self._check_official()

    def _check_official(self) -> None:
        """The authors' network shares layers between stages and branches and has no switches."""
        if len(set(self.encoder_channels[3:])) != 1:
            raise ValueError(
                "official mode resizes stages 4 to 6 by one shared layer, so their channels must be equal, "
                f"got {self.encoder_channels[3:]}"
            )
        whole = (
            self.structure_branch,
            self.texture_branch,
            self.channel_reweighing,
            self.spatial_propagation,
            self.range_propagation,
            not self.non_local,
        )
        if not all(whole):
            raise ValueError("the ablation switches need mode='paper'")
        if len(self.fill_kernels) != 3:
            raise ValueError(
                f"official mode merges three streams by one shared layer, got {self.fill_kernels}"
            )
        if self.native_size < 192:
            raise ValueError(
                "official mode reflects the bottleneck at its border, which takes pictures of at least 192 "
                f"pixels a side, got native_size={self.native_size}"
            )


def paper(mode: Mode = "paper") -> MedfeConfig:
    """The full-size network: 103,118,630 parameters in official mode, 131,176,489 in paper mode."""
    return MedfeConfig(mode=mode)


def small(mode: Mode = "paper") -> MedfeConfig:
    """The network of the bundled weights: under 12 M parameters.

    Group norms instead of instance norms keep the colours of small crops, resizing instead of
    transposed convolutions avoids checkerboards, and the network predicts what is to be added to a
    diffusion of the hole's surroundings.
    """
    return MedfeConfig(
        mode=mode,
        encoder_channels=(48, 96, 160, 160, 160, 160),
        fill_channels=80,
        fill_depth=4,
        residual_blocks=2,
        norm="group",
        upsampling="resize",
        prefill="diffusion",
        residual_output=True,
        detail_channels=16,
        refined_stages=3,
    )


def tiny(mode: Mode = "paper") -> MedfeConfig:
    """A network for tests and rehearsals: every part present, a few thousand parameters each."""
    return MedfeConfig(
        mode=mode,
        encoder_channels=(4, 8, 8, 8, 8, 8),
        fill_channels=8,
        fill_kernels=(3, 5) if mode == "paper" else (3, 5, 7),
        fill_depth=2,
        residual_blocks=1,
        reduction=4,
    )


PRESETS = {"paper": paper, "small": small, "tiny": tiny}
