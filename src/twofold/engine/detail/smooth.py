"""Where the surroundings of a hole are smooth (sky, a backdrop, a flat colour), continue them into it.

A network paints blotches of several levels there, and pieces from elsewhere have another brightness.
"""

import numpy as np
import numpy.typing as npt

from twofold.engine.crops.windows import Box, CellGrid
from twofold.engine.detail.filters import Floats, Mask, blurred, continued, depth, widened

BLUR = 3.0
"""Standard deviation in pixels of the blur that parts what is broad from grain."""
GRAIN_BLUR = 6.0
"""The same, wider, of the blur that grain is what is left of: that of film has some of its own."""
LEAST_REACH = 12
"""Known pixels this near to a hole say if its surroundings are smooth; of a deep one, within its depth."""
TOLERANCE = 1.5
"""Levels by which broad colours may miss a curved surface; at twice as many they are not smooth at all."""
LEAST_PIXELS = 64
"""Fewer known pixels than this say nothing."""
_GRAIN_LEFT = 0.3
"""Share of white grain that the blur leaves, with room for three deviations."""


def smooth_surroundings(image: npt.NDArray[np.uint8], hole: Mask) -> tuple[Floats, Floats] | None:
    """Continue the surroundings of each hole: a surface of second degree, and what it misses along the rim.

    Args:
        image: [h w 3]; what it holds in the hole has no influence.
        hole: [h w], True = missing.

    Returns:
        Broad colours [h w 3] in levels of 255, and how far each missing pixel's surroundings are smooth,
        [h w 1] from 0 to 1; both 0 elsewhere. None where none are.
    """
    height, width = hole.shape
    colors, share = np.zeros((height, width, 3), np.float32), np.zeros((height, width, 1), np.float32)
    deep = depth(hole, max(height, width))
    grid = CellGrid.of(hole, cell=1)
    for number, (top, left, bottom, right) in enumerate(grid.boxes().tolist(), start=1):
        own = grid.labels[top:bottom, left:right] == number
        reach = max(LEAST_REACH, int(deep[top:bottom, left:right][own].max()))
        box = Box(
            max(0, top - reach), max(0, left - reach), min(height, bottom + reach), min(width, right + reach)
        ).slices
        own = grid.labels[box] == number
        found = _surface(image[box], own, widened(own, reach) & ~hole[box])
        if found is not None:
            surface, smooth = found
            colors[box][own] = surface[own]
            share[box][own] = smooth
    return (colors, share) if share.any() else None


def _surface(image: npt.NDArray[np.uint8], own: Mask, ring: Mask) -> tuple[Floats, float] | None:
    """Broad colours of a window in one hole, and how far what is around it is smooth; None: not at all."""
    if np.count_nonzero(ring) < LEAST_PIXELS:
        return None
    terms, levels = _terms(own.shape), image.astype(np.float32)
    kept = ring
    for _ in range(2):  # the second time without what lies far from the first surface
        factors = np.linalg.lstsq(terms[kept], levels[kept], rcond=None)[0]
        missed = levels - terms @ factors
        spread = 1.48 * float(np.median(np.abs(missed[ring])))
        kept = ring & (np.abs(missed).max(axis=2) <= max(3 * spread, TOLERANCE))
        if np.count_nonzero(kept) < LEAST_PIXELS:
            return None
    known = ring.astype(np.float32)[..., None]
    weight = blurred(known, BLUR)
    broad = np.where(ring[..., None], blurred(missed * known, BLUR) / np.maximum(weight, 1e-3), 0)
    grain = float((missed - broad)[ring].std())
    error = float(np.percentile(np.abs(broad[ring]).max(axis=1), 95))
    smooth = float(np.clip(2 - error / (TOLERANCE + _GRAIN_LEFT * grain), 0, 1))
    if smooth == 0:
        return None
    surface = terms @ factors + continued(broad.astype(np.float32), ring)
    return surface.astype(np.float32), smooth


def _terms(shape: tuple[int, ...]) -> Floats:
    """Powers of row and column up to the second degree at each place, [h w 6]."""
    rows, columns = np.indices(shape, np.float32)
    down, across = rows / shape[0] * 2 - 1, columns / shape[1] * 2 - 1
    return np.stack([np.ones_like(down), down, across, down * across, down**2, across**2], axis=2)


def grain_of(
    image: npt.NDArray[np.uint8], hole: Mask, moves: npt.NDArray[np.int64], smooth: Floats
) -> Floats:
    """Grain of known pixels for the holes with smooth surroundings, as strong as it is next to them.

    Patches that fit best have less grain than others, so what they have is made stronger.

    Args:
        image: [h w 3]; what it holds in the hole has no influence.
        hole: [h w], True = missing.
        moves: [h w 2], rows and columns from each place to the known one whose grain it gets.
        smooth: [h w 1], see ``smooth_surroundings``.

    Returns:
        [h w 3] in levels of 255.
    """
    terms, levels = _terms(hole.shape), image.astype(np.float32)
    # Without its slope, of which a blur at an edge makes a difference.
    level = levels - terms @ np.linalg.lstsq(terms[~hole], levels[~hole], rcond=None)[0]
    fine = level - blurred(np.where(hole[..., None], continued(level, ~hole), level), GRAIN_BLUR)
    rows, columns = np.indices(hole.shape)
    grain = fine[rows + moves[..., 0], columns + moves[..., 1]]
    filled = smooth[..., 0] > 0
    beside = widened(filled, LEAST_REACH) & ~hole
    gain = fine[beside].std() / max(float(grain[filled].std()), 1e-3)
    return np.asarray(grain * np.float32(np.clip(gain, 0.5, 2)))
