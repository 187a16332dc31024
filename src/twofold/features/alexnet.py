"""AlexNet's convolutions as a frozen feature extractor, for LPIPS."""

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from twofold.errors import InputError
from twofold.features.vgg import IMAGENET_SCALE, IMAGENET_SHIFT
from twofold.features.weights import load_trunk
from twofold.tensors import Image

LAYERS = ("relu1", "relu2", "relu3", "relu4", "relu5")
"""Names of the five feature maps, shallow to deep."""

_SMALLEST = 31  # two 3x3 poolings after a convolution of side 11 and stride 4 leave one pixel


class AlexNet(nn.Module):
    """The five convolutions of AlexNet, frozen.

    A new one has random weights; ``pretrained_alexnet`` gives the trained one. Gradients reach the
    image, never the weights.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
                nn.Conv2d(64, 192, kernel_size=5, padding=2),
                nn.Conv2d(192, 384, kernel_size=3, padding=1),
                nn.Conv2d(384, 256, kernel_size=3, padding=1),
                nn.Conv2d(256, 256, kernel_size=3, padding=1),
            ]
        )
        self.register_buffer("shift", torch.tensor(IMAGENET_SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(IMAGENET_SCALE).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(self, image: Image) -> dict[str, Float[Tensor, "_ _ _ _"]]:
        """Give the feature maps of ``image``, shallow to deep.

        Args:
            image: [b 3 h w] in [-1, 1], at least 31x31; brought to ImageNet's mean and deviation here.

        Returns:
            Name -> features, zero or above, for each of ``LAYERS``.

        Raises:
            InputError: if the image is smaller.
        """
        if min(image.shape[-2:]) < _SMALLEST:
            raise InputError(
                f"image is {image.shape[-2]}x{image.shape[-1]} but AlexNet needs at least "
                f"{_SMALLEST}x{_SMALLEST}; give a larger image"
            )
        x = ((image - self.shift) / self.scale).to(self.shift.dtype)
        features: dict[str, Tensor] = {}
        for name, convolution in zip(LAYERS, self.convolutions, strict=True):
            if name in ("relu2", "relu3"):
                x = F.max_pool2d(x, kernel_size=3, stride=2)
            x = F.relu(convolution(x), inplace=True)
            features[name] = x
        return features


def pretrained_alexnet(path: Path | None = None) -> AlexNet:
    """Build the AlexNet that was trained on ImageNet.

    Args:
        path: weights file; None looks where ``twofold.features.weights.load_trunk`` says.

    Raises:
        CheckpointError: if the weights cannot be found, fetched or understood.
    """
    alexnet = AlexNet()
    alexnet.convolutions.load_state_dict(load_trunk("alexnet", path))
    return alexnet
