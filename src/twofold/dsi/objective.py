"""The losses of the three stages, a function for each term [DSI Sec. 3]."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from twofold.dsi.quantize import Codebook, Quantized
from twofold.tensors import Hole, Image

Scalar = Float[Tensor, ""]

BITS = 1 / math.log(2)
"""Bits in a nat."""


def reconstruction_loss(reconstruction: Image, image: Image) -> Scalar:
    """Mean squared difference of the picture, in the units of [-1, 1] [DSI Sec. 3.1]."""
    return F.mse_loss(reconstruction.float(), image.float())


def commitment_loss(quantized: Quantized) -> Scalar:
    """Mean squared distance of the features from their codes' vectors; moves the features [DSI Sec. 3.1]."""
    return F.mse_loss(quantized.features.float(), quantized.vectors.detach().float())


def code_loss(logits: Float[Tensor, "b k h w"], codes: Int[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """Negative log-likelihood, in nats, of the true code at each position [DSI Sec. 3.2].

    The official code sums over all positions, known ones too, and over the pictures of a device.
    """
    return F.cross_entropy(logits.float(), codes, reduction="none")


def picture_loss(answer: Image, image: Image, hole: Hole, *, hole_weight: float = 1.0) -> Scalar:
    """Mean absolute difference over the whole picture, uncomposited [DSI Sec. 3.3].

    Args:
        answer: the network's picture.
        image: the photograph.
        hole: 1 = missing.
        hole_weight: weight of missing pixels; known ones have 1, as all have in the paper.
    """
    return ((1 + (hole_weight - 1) * hole) * (answer.float() - image.float()).abs()).mean()


def feature_loss(
    codebook: Codebook,
    features: Float[Tensor, "b d h w"],
    codes: Int[Tensor, "b h w"],
    *,
    scale: float = 10.0,
) -> Scalar:
    """Cross-entropy of guessing the true picture's codes from the fill's features [DSI Sec. 3.3].

    The features of the composited fill (before quantisation) are compared with every code; the nearer
    a code, the likelier. With structure features and codes it is the structural feature loss, with
    texture features and codes the textural one.

    Args:
        codebook: of the level.
        features: the encoder's view of the composited fill.
        codes: of the photograph.
        scale: sharpness of the guess.
    """
    distances = codebook.distances(features)  # b h w k
    variance, mean = torch.var_mean(distances, dim=-1, correction=0, keepdim=True)
    # Equal distances to all codes (a codebook of dead codes) would divide by zero in the official code.
    logits = -scale * torch.tanh((distances - mean) / variance.clamp(min=1e-12).sqrt())
    return F.cross_entropy(rearrange(logits, "b h w k -> b k h w"), codes)


def generator_loss(scores: Float[Tensor, "b n"]) -> Scalar:
    """Hinge loss for the generator: minus the mean score of its composited fills [DSI Sec. 3.3]."""
    return -scores.float().mean()


def discriminator_loss(real: Float[Tensor, "b n"], fake: Float[Tensor, "b n"]) -> Scalar:
    """Hinge loss for the judge: photographs above 1, composited fills under -1 [DSI Sec. 3.3]."""
    return (F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()) / 2
