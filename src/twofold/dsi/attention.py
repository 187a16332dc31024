"""Structural attention: texture is copied from where the structure is alike.

Position i asks, position j is a candidate; positions count row by row through a grid of h x w cells, one
per structure code, and n = h * w. The attention depends on the structure alone, so everything up to the
softmax runs in float32 whatever surrounds it: the scores are multiplied by 50.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from twofold.dsi.config import SIZE_MULTIPLE
from twofold.tensors import Hole

SMALLEST_VARIANCE = 1e-12
"""Added to the variance of distances; far below that of any two codes, so official answers stay."""


def attention_weights(
    structure: Float[Tensor, "b d h w"], scale: float, *, candidates: Bool[Tensor, "b n"] | None = None
) -> Float[Tensor, "b n n"]:
    """How much position i takes from position j [DSI: structural attention].

    ``a_ij = softmax_j(scale fuse(score)_ij)``.

    Quirks, official: missing positions ask and answer like known ones, and each position may take from
    itself.

    Args:
        structure: code vectors; any grid, any batch.
        scale: sharpness; the paper's is 50.
        candidates: true where a position may be taken from, at least one in each sample; None is
            everywhere. Own addition: it narrows the softmax alone. Distances are still standardised and
            fused over all positions, whose structure is known or has been sampled, so the weights are
            those without it, divided by what they sum to over the candidates.

    Returns:
        [b n n] in float32; each row sums to 1.
    """
    height, width = structure.shape[-2:]
    with torch.autocast(structure.device.type, enabled=False):
        scores = standard_scores(patch_distances(structure.float()))
        scores = fuse(scores, height, width)
        if candidates is not None:
            scores = scores.masked_fill(~candidates[:, None], -torch.inf)
        return (scale * scores).softmax(dim=-1)


def patch_distances(structure: Float[Tensor, "b d h w"]) -> Float[Tensor, "b n n"]:
    """Distance of the 3x3 patches around i and j, zeros beyond the border [DSI: patch distance].

    ``d_ij = |p_i|^2 + |p_j|^2 - 2 p_i . p_j``.
    """
    patches = F.unfold(structure, kernel_size=3, padding=1)  # b (d 3 3) n
    squares = (patches**2).sum(dim=1)
    return torch.baddbmm(squares[:, :, None] + squares[:, None], patches.mT, patches, alpha=-2)


def standard_scores(distances: Float[Tensor, "b n n"]) -> Float[Tensor, "b n n"]:
    """Scores of distances, high for near [DSI: standardized score].

    ``score_ij = -tanh((d_ij - mean_j d_ij) / std_j d_ij)``.

    The deviation is the population's. A row of equal distances, where the official code divides by zero,
    scores 0 throughout.
    """
    return -F.layer_norm(distances, distances.shape[-1:], eps=SMALLEST_VARIANCE).tanh()


def fuse(scores: Float[Tensor, "b n n"], height: int, width: int) -> Float[Tensor, "b n n"]:
    """Let neighbours agree: i suits j better if i's neighbours suit j's [DSI: score fusion].

    ``fused_ij = sum_{r=-1..1} score_{i+r, j+r}`` by rows, then by columns.

    To each score are added the scores of both predecessors and of both successors, first with positions
    counted row by row, then, on the sums, column by column. Quirk, official: a row's last position
    precedes the next row's first.

    Args:
        scores: positions count row by row, and so they do in what is returned.
        height: of the grid.
        width: of the grid.
    """
    scores = _add_neighbours(scores)
    scores = rearrange(scores, "b (hi wi) (hj wj) -> b (wi hi) (wj hj)", hi=height, hj=height)
    scores = _add_neighbours(scores)
    return rearrange(scores, "b (wi hi) (wj hj) -> b (hi wi) (hj wj)", wi=width, wj=width)


def _add_neighbours(scores: Float[Tensor, "b n n"]) -> Float[Tensor, "b n n"]:
    # A sum along diagonals, three long: what a 3x3 convolution with an identity kernel computes.
    fused = scores.clone()
    fused[:, 1:, 1:] += scores[:, :-1, :-1]
    fused[:, :-1, :-1] += scores[:, 1:, 1:]
    return fused


def known_cells(hole: Hole) -> Bool[Tensor, "b n"]:
    """Where no pixel of a structure code's 8x8 pixels is missing; everywhere in a sample without such a cell.

    Args:
        hole: height and width multiples of 8.
    """
    known = F.max_pool2d(hole.float(), SIZE_MULTIPLE).flatten(1) == 0
    return known | ~known.any(dim=1, keepdim=True)


def take(
    weights: Float[Tensor, "b n n"], features: Float[Tensor, "b c rows columns"], height: int, width: int
) -> Float[Tensor, "b c rows columns"]:
    """Replace each cell's patch of features by a weighted sum of all cells' patches [DSI: feature transfer].

    ``y_i = sum_j a_ij f_j``.

    Cells do not overlap, so nothing is averaged where patches meet.

    Args:
        weights: of ``attention_weights``.
        features: several rows and columns to each cell, the same number everywhere.
        height: of the grid.
        width: of the grid.
    """
    side = features.shape[-2] // height
    pattern = "b c (h p) (w q) -> b (h w) (c p q)"
    patches = rearrange(features, pattern, h=height, w=width, p=side)
    taken = torch.bmm(weights.to(features.dtype), patches)
    return rearrange(taken, "b (h w) (c p q) -> b c (h p) (w q)", h=height, c=features.shape[1], p=side)
