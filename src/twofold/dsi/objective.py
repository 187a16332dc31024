"""The losses of the three stages, a function for each term."""

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
    """Mean squared difference of the picture, in the units of [-1, 1] [DSI: VQ-VAE reconstruction loss].

    ``L = mean |x' - x|^2``.
    """
    return F.mse_loss(reconstruction.float(), image.float())


def commitment_loss(quantized: Quantized) -> Scalar:
    """Mean squared distance of the features from their codes' vectors [DSI: commitment loss].

    ``L = mean |f - sg(w_k)|^2``: it moves the features alone.
    """
    return F.mse_loss(quantized.features.float(), quantized.vectors.detach().float())


def code_loss(logits: Float[Tensor, "b k h w"], codes: Int[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """Negative log-likelihood, in nats, of the true code at each position [DSI: code likelihood].

    ``L_i = -log p(s_i | s_<i, c)``.

    The official code sums over all positions, known ones too, and over the pictures of a device.
    """
    return F.cross_entropy(logits.float(), codes, reduction="none")


def picture_loss(answer: Image, image: Image, hole: Hole, *, hole_weight: float = 1.0) -> Scalar:
    """Mean absolute difference over the whole picture, uncomposited [DSI: picture loss].

    ``L = mean |I_out - I|``.

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
    """Cross-entropy of guessing the true picture's codes from the fill's features [DSI: feature loss].

    ``L = -log softmax_k(-10 tanh((d_k - mean d) / std d))`` at the true k, with ``d_k = |f - w_k|^2``.

    The features of the composited fill (before quantization) are compared with every code; the nearer
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
    """Hinge loss for the generator, over its composited fills [DSI: adversarial loss].

    ``L_G = -mean D(I_comp)``.
    """
    return -scores.float().mean()


def discriminator_loss(real: Float[Tensor, "b n"], fake: Float[Tensor, "b n"]) -> Scalar:
    """Hinge loss for the discriminator: photographs over 1, fills under -1 [DSI: adversarial loss].

    ``L_D = (mean max(0, 1 - D(I)) + mean max(0, 1 + D(I_comp))) / 2``.
    """
    return (F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()) / 2
