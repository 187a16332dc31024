"""VGG-16's features of fills and photographs, where losses look at them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from twofold.features.vgg import VGG16
from twofold.tensors import Hole, Image
from twofold.train.crops import crop, hole_corners
from twofold.train.recipe import StepContext


@dataclass(frozen=True, eq=False)
class FeatureViews:
    """Features by layer name, in float32.

    Attributes:
        ours: of the fills, with gradients.
        theirs: of the photographs, without.
        hole: of the part of the pictures that was looked at, 1 = missing.
    """

    ours: dict[str, Tensor]
    theirs: dict[str, Tensor]
    hole: Hole


def feature_views(
    vgg: VGG16,
    fill: Image,
    image: Image,
    hole: Hole,
    context: StepContext,
    *,
    size: int = 0,
    normalize: bool = True,
) -> FeatureViews:
    """Look at fills and photographs.

    Args:
        vgg: on their device.
        fill: in [-1, 1].
        image: the photographs.
        hole: 1 = missing.
        context: of the step, which the crops follow from.
        size: side of a crop around the hole; 0, or no less than the pictures have: the whole picture.
        normalize: bring pictures to ImageNet's statistics.
    """
    if 0 < size < min(image.shape[-2:]):
        rank, count = context.fabric.global_rank, len(image)
        first = (context.step * context.fabric.world_size + rank) * count
        corners = hole_corners(hole, size, [context.seed + first + slot for slot in range(count)])
        fill, image, hole = (crop(one, corners, size) for one in (fill, image, hole))
    with context.fabric.autocast():
        ours = vgg(fill, normalize=normalize)
        with torch.no_grad():
            theirs = vgg(image, normalize=normalize)
    return FeatureViews(_in_float32(ours), _in_float32(theirs), hole)


def _in_float32(features: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: maps.float() for name, maps in features.items()}
