"""Fit the colours of a network's answer to the known pixels along the rim of the hole."""

import numpy as np
import numpy.typing as npt

from twofold.engine.detail.filters import Floats, continued, depth, widened

WIDTH = 4
"""Known pixels within this distance of the hole are compared with what the network made of them."""
FADE = 12.0
"""Pixels of depth over which what was learnt there fades to a third."""


def fitted_to_rim(
    image: npt.NDArray[np.uint8], answer: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_]
) -> Floats:
    """Continue into the hole what the network got wrong just outside it.

    A network repeats the known pixels around a hole with errors (DSI through a few hundred codes), and
    errs alike just inside. Where an answer holds the known pixels themselves, nothing changes.

    Args:
        image: [h w 3]; what it holds in the hole has no influence.
        answer: [h w 3], the network's for every pixel, not composited.
        hole: [h w], True = missing.

    Returns:
        [h w 3], levels of 255: the fitted answer in the hole, the photograph around it.
    """
    ring = widened(hole, WIDTH) & ~hole
    levels = answer.astype(np.float32)
    errors = np.where(ring[..., None], image - levels, np.float32(0)).astype(np.float32)
    fading = np.exp((1 - depth(hole, round(4 * FADE))) / FADE)[..., None]
    fitted = (levels + continued(errors, ring) * fading).clip(0, 255)
    return np.where(hole[..., None], fitted, image).astype(np.float32)
