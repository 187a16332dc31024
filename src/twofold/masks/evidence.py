"""What speaks for a candidate being damage: a few measurements of it, weighed into log odds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twofold.masks.components import Components
from twofold.masks.ridges import Levels, Lines

Features = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Filtered:
    """A picture [h w] in which damage is bright, and what was computed of it; all uint8 [h w]."""

    saturation: Levels  # greatest less least of the three colours
    lines: Lines  # the thin line through each pixel
    opposite: Levels  # contrast of the strongest dark line nearby
    white_hat: Levels
    black_hat: Levels


def scratch_features(parts: Components, filtered: Filtered, clutter: Levels) -> Features:
    """Measure candidates for scratches, float64 [count 6].

    Logarithms of: length; thickness; contrast over clutter; a pixel's own contrast over the line's, which
    is high in a texture that happens to line up; clutter; and the strongest dark line nearby, over this
    bright one, which is high where stripes alternate.

    Args:
        parts: the candidates.
        filtered: the picture they are in.
        clutter: how strong a line is usual around each pixel, in quarters of a level; uint8 [h w].
    """
    boxes = parts.boxes()
    length = np.hypot(boxes[:, 0], boxes[:, 1])
    contrast = parts.means(filtered.lines.bright)
    usual = parts.means(clutter) / 4 + 1
    measured = (
        length,
        parts.areas / length,
        contrast / usual,
        (parts.means(filtered.white_hat) + 1) / (contrast + 1),
        usual,
        (parts.means(filtered.opposite) + 1) / (contrast + 1),
    )
    return np.log(np.stack(measured, axis=1))


def spot_features(parts: Components, filtered: Filtered, clutter: Levels, response: Levels) -> Features:
    """Measure candidates for spots, float64 [count 6].

    Logarithms of: area; roundness; contrast over clutter; how dark it is within, and how much of a line it
    is, both over its contrast; and, as it is, saturation from 0 to 1: dust has no colour.

    Args:
        parts: the candidates.
        filtered: the picture they are in.
        clutter: how strong a spot is usual around each pixel, in quarters of a level; uint8 [h w].
        response: contrast of each pixel as a spot, uint8 [h w].
    """
    boxes = parts.boxes()
    contrast = parts.means(response)
    measured = (
        parts.areas,
        parts.areas / (boxes[:, 0] ** 2 + boxes[:, 1] ** 2),
        contrast / (parts.means(clutter) / 4 + 1),
        (parts.means(filtered.black_hat) + 1) / (contrast + 1),
        (parts.means(filtered.lines.bright) + 1) / (contrast + 1),
    )
    return np.column_stack([*np.log(measured), parts.means(filtered.saturation) / 255])


def log_odds(features: Features, weights: tuple[float, ...]) -> Features:
    """Weigh features [count k], their squares and products: log odds of being damage, float64 [count]."""
    return terms(features) @ np.array(weights)


def terms(features: Features) -> Features:
    """One, the features [count k], and the products of each two of them, float64 [count 1 + k + k(k+1)/2]."""
    count, width = features.shape
    first, second = np.triu_indices(width)
    return np.concatenate([np.ones((count, 1)), features, features[:, first] * features[:, second]], axis=1)


# Fitted by examples/fit_damage.py to damage drawn on 600 photographs; what it prints.
# fmt: off
SCRATCH_WEIGHTS = (
    -16.34, 0.5935, -6.289, 17.53, -0.6639, 7.025, 0.1524,
    -0.2997, 2.806, -0.4636, 0.4375, 0.1608, -0.1307, -4.786,
    0.828, -3.558, 0.6463, 1.021, -3.109, -0.9478, -3.46,
    -1.978, -5.734, 1.568, 3.893, -1.135, -0.7864, -1.24,
)
SPOT_WEIGHTS = (
    -10.32, -0.7099, -9.211, 1.489, -1.165, -0.1406, -13.86,
    0.07301, -1.33, -0.3684, -0.758, -0.8484, -1.011, -6.168,
    -0.0452, -0.6582, -1.187, -3.202, -5.574e-05, 0.07283, -0.4134,
    1.052, -0.1442, -0.169, 0.1531, 0.1405, -4.131, 6.747,
)
# fmt: on
