"""What the bilateral propagation does: its weights, and its two halves one by one [MEDFE Sec. 3.3]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twofold.medfe.convs import ConvNormAct
from twofold.medfe.equalize import (
    BilateralPropagation,
    Features,
    gaussian_rows,
    neighbours,
    range_propagation,
    spatial_propagation,
)
from twofold.medfe.model import Medfe
from twofold.tensors import Hole, Image

Half = Literal["on", "off", "plain", "scaled"]
"""What a half of the propagation gives.

* ``on``: what it was trained to.
* ``off``: zeros.
* ``plain``: the spatial half the features as they are, the range half those of a window of equal weights.
* ``scaled``: the features times one number for each picture, the one that comes closest to ``on``.
"""


@dataclass(frozen=True, eq=False)
class BilateralMaps:
    """What one pass through the bilateral propagation meets and makes.

    Attributes:
        features: [b c h w], what enters: fused and reweighed.
        spatial: [b c h w], the average by distance.
        range: [b c h w], the sum by similarity.
        weights: [b k h w] of the range half, its window's k positions row by row; see ``range_weights``.
    """

    features: Tensor
    spatial: Tensor
    range: Tensor
    weights: Tensor


def spatial_weights(
    height: int, width: int, row: int, column: int, sigma: float
) -> Float[Tensor, "height width"]:
    """How much each position of a map counts in the spatial propagation of one; they sum to 1.

    Args:
        height: of the map, in feature pixels.
        width: of the map.
        row: of the position that is propagated to.
        column: of that position.
        sigma: standard deviation in feature pixels; above 0.

    Raises:
        ValueError: if the position lies outside the map.
    """
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(f"position is ({row}, {column}); give one inside the {height}x{width} map")
    like = torch.empty(0)
    return torch.outer(gaussian_rows(height, sigma, like)[row], gaussian_rows(width, sigma, like)[column])


def range_weights(features: Features, window: int) -> Float[Tensor, "b k h w"]:
    """How much each neighbour counts in the range propagation: its dot product over the number of terms.

    The sum over k of weight times neighbour is ``range_propagation``. Weights are not normalised to sum to 1:
    they grow with the square of the features and may be negative. Outside the map they are 0.

    Args:
        features: any real values.
        window: side of the square neighbourhood in feature pixels; odd.

    Raises:
        ValueError: if ``window`` is even or below 1.
    """
    products = [(features * neighbour).mean(dim=1) for neighbour in neighbours(features, window)]
    return torch.stack(products, dim=1) / window**2


def equally_weighted(features: Features, window: int) -> Features:
    """The range propagation with each window's weights replaced by their mean.

    It keeps how strongly a window answers and loses which neighbours it prefers, so the difference to
    ``range_propagation`` is what the preference does.

    Args:
        features: any real values.
        window: side of the square neighbourhood in feature pixels; odd.

    Raises:
        ValueError: if ``window`` is even or below 1.
    """
    inside = torch.ones_like(features[:, :1])
    terms = torch.stack(neighbours(inside, window)).sum(dim=0)
    mean = range_weights(features, window).sum(dim=1, keepdim=True) / terms
    return mean * torch.stack(neighbours(features, window)).sum(dim=0)


def scaled(features: Features, propagated: Features) -> Features:
    """The features times one number for each picture, the one that comes closest to what was propagated.

    Args:
        features: any real values.
        propagated: what is to be approached, by least squares.
    """
    product = (features * propagated).sum(dim=(1, 2, 3), keepdim=True)
    return features * (product / features.square().sum(dim=(1, 2, 3), keepdim=True).clamp_min(1e-20))


@torch.inference_mode()
def bilateral_maps(network: Medfe, image: Image, hole: Hole) -> BilateralMaps:
    """Fill a hole and keep what its bilateral propagation met and made.

    Args:
        network: in paper mode, with both halves of the propagation.
        image: [b 3 h w] in [-1, 1].
        hole: [b 1 h w], 1 = missing, 0 = known.

    Raises:
        ValueError: if the network has no bilateral propagation with both halves, or as ``Medfe.forward``.
    """
    propagation = _both_halves(network)
    met: list[Tensor] = []
    handle = propagation.register_forward_pre_hook(lambda _, inputs: met.append(inputs[0]))
    try:
        network(image, hole)
    finally:
        handle.remove()
    features, window = met[0], propagation.window
    return BilateralMaps(
        features,
        spatial_propagation(features, propagation.sigma),
        range_propagation(features, window),
        range_weights(features, window),
    )


def switch_halves(network: Medfe, *, spatial: Half = "on", similarity: Half = "on") -> Medfe:
    """Change the halves of a trained network's bilateral propagation, in place, and give it back.

    This shows what a trained network relies on. It is no ablation: that network would be trained without.

    Args:
        network: in paper mode, with both halves.
        spatial: what becomes of the spatial half.
        similarity: what becomes of the range half.

    Raises:
        ValueError: if the network has no bilateral propagation with both halves.
    """
    network.equalization.propagate = _Switched(_both_halves(network), spatial, similarity)
    return network


class _Switched(nn.Module):
    """A bilateral propagation with its halves as asked for."""

    def __init__(self, propagation: BilateralPropagation, spatial: Half, similarity: Half) -> None:
        super().__init__()
        self.sigma, self.window = propagation.sigma, propagation.window
        self.spatial, self.similarity = spatial, similarity
        self.combine: ConvNormAct = propagation.combine

    def forward(self, features: Features) -> Features:
        """Propagate by the halves that are on."""
        halves = [
            _half(self.spatial, features, spatial_propagation(features, self.sigma), features),
            _half(
                self.similarity,
                features,
                range_propagation(features, self.window),
                equally_weighted(features, self.window),
            ),
        ]
        combined: Tensor = self.combine(torch.cat(halves, dim=1))
        return combined


def _half(kind: Half, features: Tensor, propagated: Tensor, plain: Tensor) -> Tensor:
    """One half as asked for."""
    if kind == "off":
        return torch.zeros_like(features)
    if kind == "scaled":
        return scaled(features, propagated)
    return plain if kind == "plain" else propagated


def _both_halves(network: Medfe) -> BilateralPropagation:
    """The network's bilateral propagation."""
    found = getattr(network.equalization, "propagate", None)
    if not isinstance(found, BilateralPropagation) or not (found.spatial and found.range):
        raise ValueError(
            f"the network's propagation is {type(found).__name__}; give one in paper mode, built with "
            "spatial_propagation, range_propagation and without non_local"
        )
    return found
