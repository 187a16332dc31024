"""LPIPS v0.1: how different two pictures look, as a weighted distance of network features.

Zhang, Isola, Efros, Shechtman, Wang: "The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric", CVPR 2018. The learned weights of the distance lie beside this file
(``lpips_heads.npz``); the feature networks under it are found by ``twofold.features.weights``.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from twofold.features.alexnet import LAYERS as ALEX_LAYERS
from twofold.features.alexnet import AlexNet, pretrained_alexnet
from twofold.features.vgg import VGG16, pretrained_vgg16
from twofold.tensors import Image

Net = Literal["alex", "vgg"]

Distance = Callable[[Tensor, Tensor], Tensor]
"""Two pictures [b 3 h w] in [-1, 1] -> [b]: an ``LPIPS``, or what stands in for one."""
"""The feature networks that LPIPS weights exist for."""
NET_LAYERS: dict[Net, tuple[str, ...]] = {
    "alex": ALEX_LAYERS,
    "vgg": ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
}
"""The feature maps that the distance compares."""

_HEADS_FILE = Path(__file__).with_name("lpips_heads.npz")


class LPIPSHeads(nn.Module):
    """The learned weights of the distance, for features that are already computed.

    A training step that has VGG-16 features for its perceptual loss gets LPIPS for next to nothing,
    provided that the features are of images normalised for ImageNet (``normalize=True``).
    """

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.layers = NET_LAYERS[net]
        with np.load(_HEADS_FILE, allow_pickle=False) as heads:
            for index, layer in enumerate(self.layers):
                weight = torch.from_numpy(heads[f"{net}{index}"]).view(1, -1, 1, 1)
                self.register_buffer(layer, weight, persistent=False)

    def forward(self, features: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> Float[Tensor, " b"]:
        """Give the LPIPS distance of two feature sets, summed over layers [LPIPS: distance].

        Args:
            features: name -> [b c h w] for at least the layers compared; other entries are not read.
            reference: the same for the other images.

        Returns:
            [b], 0 for equal features, in float32.
        """
        distances = [
            weighted_distance(features[layer], reference[layer], self.get_buffer(layer))
            for layer in self.layers
        ]
        return torch.stack(distances).sum(dim=0)

    def spatial(
        self, features: Mapping[str, Tensor], reference: Mapping[str, Tensor], size: tuple[int, int]
    ) -> Float[Tensor, "b h w"]:
        """Give the distance at each pixel: the map of each layer, resized to the picture, summed.

        Resizing is bilinear, as in the reference implementation with ``spatial=True``; so the mean of the
        map is near ``forward``'s distance, not equal to it.

        Args:
            features: as in ``forward``; or of one image, to be compared with each of ``reference``.
            reference: as in ``forward``.
            size: height and width of the pictures.

        Returns:
            [b h w], 0 or above, in float32.
        """
        maps = [
            difference_map(features[layer], reference[layer], self.get_buffer(layer))[:, None]
            for layer in self.layers
        ]
        resized = [F.interpolate(one, size, mode="bilinear", align_corners=False) for one in maps]
        return torch.stack(resized).sum(dim=0)[:, 0]


class LPIPS(nn.Module):
    """The LPIPS distance of two images; ``pretrained_lpips`` builds it with trained features."""

    def __init__(self, net: Net, trunk: AlexNet | VGG16) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = LPIPSHeads(net)

    def forward(self, image: Image, reference: Image) -> Float[Tensor, " b"]:
        """Give the distance of each pair: [b 3 h w] and [b 3 h w] in [-1, 1] -> [b], 0 = same."""
        distance: Tensor = self.heads(self.trunk(image), self.trunk(reference))
        return distance

    def spatial(self, image: Image, reference: Image) -> Float[Tensor, "b h w"]:
        """Give the distance at each pixel: [b 3 h w] and [b 3 h w] in [-1, 1] -> [b h w], 0 = same."""
        size = (image.shape[-2], image.shape[-1])
        return self.heads.spatial(self.trunk(image), self.trunk(reference), size)


def weighted_distance(
    features: Float[Tensor, "b c h w"],
    reference: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "1 c 1 1"],
) -> Float[Tensor, " b"]:
    """Average the weighted squared difference of unit feature vectors over all places."""
    return difference_map(features, reference, weight).mean(dim=(1, 2))


def difference_map(
    features: Float[Tensor, "a c h w"],
    reference: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "1 c 1 1"],
) -> Float[Tensor, "n h w"]:
    """Give the weighted squared difference of unit feature vectors at each place.

    Args:
        features: of one image, or of as many as ``reference``.
        reference: of the images compared with.
        weight: of each channel, 0 or above.

    Returns:
        One map for each of ``reference``, 0 or above, in float32.
    """
    # float32 throughout: squared differences of unit vectors underflow the half precisions.
    difference = _unit(features.float()) - _unit(reference.float())
    return (difference.square() * weight.float()).sum(dim=1)


def pretrained_lpips(net: Net = "alex", path: Path | None = None) -> LPIPS:
    """Build LPIPS with trained features.

    Args:
        net: "alex", which most papers report, or "vgg", which is the better training loss.
        path: weights file of that network; None looks where ``load_trunk`` says.

    Raises:
        CheckpointError: if the network's weights cannot be found, fetched or understood.
    """
    return LPIPS(net, pretrained_alexnet(path) if net == "alex" else pretrained_vgg16(path)).eval()


def _unit(features: Tensor) -> Tensor:
    """Scale the feature vector of each place to length one."""
    # The 1e-10 is upstream's. The 1e-20 changes no value but keeps the gradient of the root finite
    # where a whole vector is zero.
    length = (features.square().sum(dim=1, keepdim=True) + 1e-20).sqrt()
    return features / (length + 1e-10)
