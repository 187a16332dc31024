"""How rough a photograph is, continued into its hole: a network's answer is too soft to tell."""

import numpy as np

from twofold.engine.detail.filters import Floats, Mask, blurred, continued

BLUR = 2.0
"""Standard deviation in pixels of the blur over which differences are averaged."""
LEAST = 0.3
"""Pairs of known pixels that an average needs, of 2 where all around is known."""


def contrast(picture: Floats, hole: Mask) -> Floats:
    """How much neighbouring known pixels differ around each pixel, continued into the hole.

    Args:
        picture: [h w 3]; what it holds in the hole has no influence.
        hole: [h w], True = missing.

    Returns:
        [h w 1], the mean difference of brightness, in the picture's levels.
    """
    grey, known = picture.mean(axis=2), ~hole
    # The sum of all differences to known neighbours below and to the right, and how many there are.
    sums = np.zeros((*hole.shape, 2), np.float32)
    below = known[1:] & known[:-1]
    sums[:-1, :, 0] += np.abs(np.diff(grey, axis=0)) * below
    sums[:-1, :, 1] += below
    beside = known[:, 1:] & known[:, :-1]
    sums[:, :-1, 0] += np.abs(np.diff(grey, axis=1)) * beside
    sums[:, :-1, 1] += beside
    around = blurred(sums, BLUR)
    enough = known & (around[..., 1] > LEAST)
    means = (around[..., :1] / np.maximum(around[..., 1:], np.float32(1e-3))).astype(np.float32)
    return np.where(enough[..., None], means, continued(means, enough))
