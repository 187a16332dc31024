"""VGG-16's convolutions as a frozen feature extractor, for perceptual and style losses and LPIPS."""

from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from twofold.errors import InputError
from twofold.features.weights import load_trunk
from twofold.tensors import Image

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Output channels of each convolution, block by block; a 2x2 max-pool stands before blocks 2 to 5."""
LAYERS = tuple(f"relu{i}_{j}" for i, block in enumerate(BLOCKS, 1) for j in range(1, len(block) + 1))
"""Names of the thirteen feature maps, shallow to deep: ``relu1_1`` ... ``relu5_3``."""
CHANNELS = dict(zip(LAYERS, (channels for block in BLOCKS for channels in block), strict=True))
"""Channels of each feature map."""

# The mean and deviation of ImageNet, (.485, .456, .406) and (.229, .224, .225), for images in [-1, 1].
IMAGENET_SHIFT = (-0.030, -0.088, -0.188)
IMAGENET_SCALE = (0.458, 0.448, 0.450)


class VGG16(nn.Module):
    """The thirteen convolutions of VGG-16, frozen, with every feature map in reach.

    A new one has random weights; ``pretrained_vgg16`` gives the trained one. Gradients reach the
    image, never the weights. Runs under autocast, in channels-last memory format, with weights cast
    to bfloat16 (``vgg.to(torch.bfloat16)``), and compiled.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        sizes = (3, *CHANNELS.values())
        self.convolutions = nn.ModuleList(
            nn.Conv2d(wide, out, kernel_size=3, padding=1) for wide, out in pairwise(sizes)
        )
        self.register_buffer("shift", torch.tensor(IMAGENET_SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(IMAGENET_SCALE).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(
        self, image: Image, *, normalize: bool = True, up_to: str = "relu5_3"
    ) -> dict[str, Float[Tensor, "_ _ _ _"]]:
        """Give the feature maps of ``image``, shallow to deep.

        Args:
            image: [b 3 h w] in [-1, 1]; height and width at least 16 for the deepest block.
            normalize: bring the image to ImageNet's mean and deviation first, as the network was
                trained. False feeds the image as it is, in [-1, 1].
            up_to: name of the deepest feature map that is needed; deeper ones are not computed.

        Returns:
            Name -> features [b c h/2^i w/2^i], zero or above, for each of ``LAYERS`` up to ``up_to``.

        Raises:
            InputError: if ``up_to`` is no layer, or if the image is too small to be pooled that often.
        """
        if up_to not in LAYERS:
            raise InputError(f"{up_to!r} is no layer of VGG-16; give one of {', '.join(LAYERS)}")
        least = 2 ** (int(up_to[4]) - 1)
        if min(image.shape[-2:]) < least:
            raise InputError(
                f"image is {image.shape[-2]}x{image.shape[-1]} but {up_to} needs at least {least}x{least}; "
                f"give a larger image or a shallower up_to"
            )
        x = (image - self.shift) / self.scale if normalize else image
        x = x.to(self.shift.dtype)  # the dtype of the weights, which may have been cast
        features: dict[str, Tensor] = {}
        for name, convolution in zip(LAYERS, self.convolutions, strict=True):
            if name.endswith("_1") and name != "relu1_1":
                x = F.max_pool2d(x, kernel_size=2)
            # In place is safe: nothing else holds the convolution's output, and it halves the memory.
            x = F.relu(convolution(x), inplace=True)
            features[name] = x
            if name == up_to:
                break
        return features

    def apply_block5_1(self, features: Float[Tensor, "b 512 h w"]) -> Float[Tensor, "b 512 h//2 w//2"]:
        """Apply max-pool, convolution 5_1 and ReLU to any 512-channel map.

        On ``relu4_3`` this is ``relu5_1``. On ``relu5_1`` it is what the official MEDFE style loss
        takes for ``relu5_2``.
        """
        pooled = F.max_pool2d(features, kernel_size=2)
        return F.relu(self.convolutions[LAYERS.index("relu5_1")](pooled), inplace=True)


def pretrained_vgg16(path: Path | None = None) -> VGG16:
    """Build the VGG-16 that was trained on ImageNet.

    Args:
        path: weights file; None looks where ``twofold.features.weights.load_trunk`` says.

    Raises:
        CheckpointError: if the weights cannot be found, fetched or understood.
    """
    vgg = VGG16()
    vgg.convolutions.load_state_dict(load_trunk("vgg16", path))
    return vgg
