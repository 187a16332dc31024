"""Smooth pictures and masks of a tile's size: blur, continue, widen. Only numpy."""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def blurred(picture: Floats, sigma: float) -> Floats:
    """Blur [h w c] by a Gaussian of this standard deviation in pixels; the edges are continued."""
    height, width, channels = picture.shape
    down = _gaussian(height, sigma) @ picture.reshape(height, width * channels)
    across = _gaussian(width, sigma) @ down.reshape(height, width, channels)
    return np.ascontiguousarray(across, np.float32)


def _gaussian(length: int, sigma: float) -> Floats:
    """Weights [length length] of a blur of a line whose ends are continued."""
    reach = math.ceil(3 * sigma)
    steps = np.arange(-reach, reach + 1)
    kernel = np.exp(-((steps / sigma) ** 2) / 2)
    kernel /= kernel.sum()
    weights = np.zeros((length, length))
    rows = np.arange(length)
    for step, share in zip(steps, kernel, strict=True):
        weights[rows, np.clip(rows + step, 0, length - 1)] += share
    return weights.astype(np.float32)


def continued(values: Floats, known: Mask) -> Floats:
    """Continue values [h w c] smoothly from where they are known [h w]; 0 if they are known nowhere.

    The same as ``twofold.diffusion.diffuse``: known values are averaged down a pyramid, and on the way
    back up unknown ones take the coarser level's.
    """
    weight = known.astype(np.float32)[..., None]
    return _push_pull(values.astype(np.float32) * weight, weight)


def _push_pull(weighted: Floats, known: Floats) -> Floats:
    """Fill ``weighted / known`` where ``known`` is 0; both are sums of the same known values."""
    height, width = known.shape[:2]
    here = np.divide(weighted, np.maximum(known, np.float32(1e-6)), dtype=np.float32)
    if height == 1 and width == 1:
        return here
    coarse = _push_pull(_halved(weighted), _halved(known))
    around = _doubled(_doubled(coarse, height, axis=0), width, axis=1)
    return np.where(known > 0, here, around)


def _halved(values: Floats) -> Floats:
    """Means of blocks of 2x2; beyond an odd edge there are zeros."""
    height, width, channels = values.shape
    even = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)))
    blocks = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, channels)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def _doubled(values: Floats, length: int, *, axis: int) -> Floats:
    """Twice as many values along an axis, cut to ``length``: a quarter of one neighbour, the rest its own."""
    count = values.shape[axis]
    index = np.arange(length)
    own = index // 2
    beside = np.clip(own + np.where(index % 2, 1, -1), 0, count - 1)
    doubled = np.take(values, own, axis) * np.float32(0.75)
    doubled += np.take(values, beside, axis) * np.float32(0.25)
    return doubled


def widened(mask: Mask, steps: int) -> Mask:
    """The mask [h w] and all pixels within a chessboard distance of it."""
    for axis in (0, 1):
        length = mask.shape[axis]
        index = np.arange(length)
        before = np.insert(np.cumsum(mask, axis=axis, dtype=np.int32), 0, 0, axis=axis)
        last, first = np.minimum(index + steps + 1, length), np.maximum(index - steps, 0)
        mask = np.take(before, last, axis) > np.take(before, first, axis)
    return mask


def depth(hole: Mask, most: int) -> Floats:
    """Chessboard distance of missing pixels [h w] to the nearest known one, at most ``most``; 0 if known."""
    known, total = ~hole, np.zeros(hole.shape, np.float32)
    for _ in range(most):
        if known.all():
            break
        total += ~known
        rows = known.copy()
        rows[1:] |= known[:-1]
        rows[:-1] |= known[1:]
        known = rows.copy()
        known[:, 1:] |= rows[:, :-1]
        known[:, :-1] |= rows[:, 1:]
    return total
