"""Structural attention by nested loops in float64, straight from its definition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def slow_distances(structure: Array) -> Array:
    """[d h w] to [n n]: squared distances of zero-padded 3x3 patches."""
    size, height, width = structure.shape
    cells = [(y, x) for y in range(height) for x in range(width)]

    def at(y: int, x: int) -> Array:
        inside = 0 <= y < height and 0 <= x < width
        return structure[:, y, x] if inside else np.zeros(size)

    distances = np.zeros((len(cells), len(cells)))
    for i, (yi, xi) in enumerate(cells):
        for j, (yj, xj) in enumerate(cells):
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    distances[i, j] += np.sum((at(yi + dy, xi + dx) - at(yj + dy, xj + dx)) ** 2)
    return distances


def slow_scores(distances: Array) -> Array:
    """Standardise each row and bend it; near is high."""
    return np.stack([-np.tanh((row - row.mean()) / row.std()) for row in distances])


def slow_fuse(scores: Array, height: int, width: int) -> Array:
    """Add the scores of the predecessors and the successors in both orders of counting."""
    rows_first = [y * width + x for y in range(height) for x in range(width)]
    columns_first = [y * width + x for x in range(width) for y in range(height)]
    for order in (rows_first, columns_first):
        fused = np.zeros_like(scores)
        for p, i in enumerate(order):
            for q, j in enumerate(order):
                for step in (-1, 0, 1):
                    if 0 <= p + step < len(order) and 0 <= q + step < len(order):
                        fused[i, j] += scores[order[p + step], order[q + step]]
        scores = fused
    return scores


def slow_weights(structure: Array, scale: float) -> Array:
    """[d h w] to [n n], rows that sum to 1."""
    scores = slow_fuse(slow_scores(slow_distances(structure)), *structure.shape[1:])
    powers = np.exp(scale * (scores - scores.max(axis=1, keepdims=True)))
    return powers / powers.sum(axis=1, keepdims=True)


def slow_take(weights: Array, features: Array, height: int, width: int) -> Array:
    """[c rows columns] to the same: each cell's patch becomes the weighted sum of all patches."""
    side = features.shape[1] // height
    cells = [(y * side, x * side) for y in range(height) for x in range(width)]
    taken = np.zeros_like(features)
    for i, (yi, xi) in enumerate(cells):
        for j, (yj, xj) in enumerate(cells):
            patch = features[:, yj : yj + side, xj : xj + side]
            taken[:, yi : yi + side, xi : xi + side] += weights[i, j] * patch
    return taken
