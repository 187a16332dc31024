"""The losses of the paper, a function for each term."""

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from twofold.tensors import Hole, Image, View

PERCEPTUAL_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
STYLE_LAYERS = ("relu2_2", "relu3_3", "relu4_3", "relu5_2")
Scalar = Float[Tensor, ""]


def reconstruction_loss(answer: Image, image: Image, hole: Hole, *, hole_weight: float = 1.0) -> Scalar:
    """Mean absolute difference over the whole picture, uncomposited [MEDFE: reconstruction loss].

    ``Lre = mean(abs(I' - I))``.

    Args:
        answer: the network's picture.
        image: the photograph.
        hole: 1 = missing.
        hole_weight: weight of missing pixels; known ones have 1, as all have in the paper.
    """
    weight = 1 + (hole_weight - 1) * hole
    return (weight * (answer - image).abs()).mean()


def perceptual_loss(answer: dict[str, Tensor], image: dict[str, Tensor]) -> Scalar:
    """Mean absolute differences of VGG-16 features of five depths [MEDFE: perceptual loss].

    ``Lperc = sum_l mean(abs(phi_l(I') - phi_l(I))), l = relu1_1, relu2_1, relu3_1, relu4_1, relu5_1``.

    Args:
        answer: features of the network's picture by layer name, of ``PERCEPTUAL_LAYERS`` at least.
        image: features of the photograph.
    """
    return torch.stack([(answer[name] - image[name]).abs().mean() for name in PERCEPTUAL_LAYERS]).sum()


def gram_matrix(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c c"]:
    """Products of all pairs of channels, summed over positions, over c h w [MEDFE: Gram matrix].

    ``G(x) = x x^T / (c h w), x of c rows and h w columns``.
    """
    _, channels, height, width = features.shape
    flat = rearrange(features, "b c h w -> b c (h w)").float()
    return flat @ flat.transpose(1, 2) / (channels * height * width)


def style_loss(answer: dict[str, Tensor], image: dict[str, Tensor]) -> Scalar:
    """Sum over four depths of the mean absolute difference of Gram matrices [MEDFE: style loss].

    ``Lstyle = sum_l mean(abs(G(phi_l(I')) - G(phi_l(I)))), l = relu2_2, relu3_3, relu4_3, relu5_2``.

    Args:
        answer: features of the network's picture by layer name, of ``STYLE_LAYERS`` at least.
        image: features of the photograph.
    """
    return torch.stack(
        [(gram_matrix(answer[name]) - gram_matrix(image[name])).abs().mean() for name in STYLE_LAYERS]
    ).sum()


def supervision_loss(branch: View | None, target: Image) -> Scalar:
    """Mean absolute difference of a branch and its target [MEDFE: structure and texture supervision].

    ``Lrst = mean(abs(rgb(Fst) - small(Ist))), Lrte = mean(abs(rgb(Fte) - small(I)))``.

    The structure branch is held to the smoothed photograph, the texture branch to the photograph.

    Args:
        branch: [b 3 h/8 w/8] in (-1, 1); None, a branch that is switched off, costs nothing.
        target: [b 3 h w] in [-1, 1]; resized bilinearly to the branch's size, as the official code does.
    """
    if branch is None:
        return torch.zeros((), device=target.device)
    small = F.interpolate(target, size=branch.shape[-2:], mode="bilinear", align_corners=False)
    return (branch - small).abs().mean()


def discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Scalar:
    """Relativistic average least squares [MEDFE: adversarial loss of the discriminators].

    ``Ld = mean((D(I) - mean(D(I')) - 1)^2) / 2 + mean((D(I') - mean(D(I)) + 1)^2) / 2``.

    Real scores shall lie 1 above the average fake score, fake ones 1 below the average real score;
    the mean of both, summed over the discriminators. Averages are per picture: the official code trains with
    one picture at a time, and so does every process of several give what one process gives.

    Args:
        real: scores [b 1 h w] of photographs, one tensor for each discriminator.
        fake: scores of the network's pictures, detached from the network.
    """
    return _relativistic(real, fake, target=1.0)


def generator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Scalar:
    """The same with the signs swapped [MEDFE: adversarial loss of the generator].

    ``Ladv = mean((D(I) - mean(D(I')) + 1)^2) / 2 + mean((D(I') - mean(D(I)) - 1)^2) / 2``.

    Args:
        real: scores [b 1 h w] of photographs, one tensor for each discriminator.
        fake: scores of the network's pictures.
    """
    return _relativistic(real, fake, target=-1.0)


def _relativistic(real: Sequence[Tensor], fake: Sequence[Tensor], target: float) -> Scalar:
    total = torch.zeros((), device=real[0].device)
    for real_score, fake_score in zip(real, fake, strict=True):
        real_above = real_score - fake_score.mean(dim=(1, 2, 3), keepdim=True)
        fake_above = fake_score - real_score.mean(dim=(1, 2, 3), keepdim=True)
        total = total + ((real_above - target) ** 2).mean() / 2 + ((fake_above + target) ** 2).mean() / 2
    return total
