"""Merge a network's answer and pieces of the surroundings: broad colours of both, fine ones of the pieces.

The errors of both are nearly independent, so that their mean is nearer to the truth than either; and a mean
of fine structure would be a blur.
"""

import numpy as np
import numpy.typing as npt

from twofold.engine.detail.color_match import fitted_to_rim
from twofold.engine.detail.filters import blurred
from twofold.engine.detail.patchmatch import PatchSearch, copy_patches
from twofold.engine.detail.smooth import grain_of, smooth_surroundings

BROAD = 3.0
"""Standard deviation in pixels of the blur that parts broad from fine."""
BROAD_SHARE = 0.5
"""The network's share of what is broad. Least squares on training photographs gave 0.43 to 0.59 at depths of
1 to 8 pixels in the hole, so that one figure does for all."""
FINE_SHARE = 0.1
"""Its share of what is fine, where PSNR and sharpness want different things."""

SMALL = 128
"""Side in pixels of the largest pictures searched quickly; specks of 5 to 15 pixels lose 0.04 dB."""
QUICK = PatchSearch(rounds=(2, 2))


def merged_answer(
    image: npt.NDArray[np.uint8],
    answer: npt.NDArray[np.uint8],
    hole: npt.NDArray[np.bool_],
    *,
    calm: bool = False,
) -> npt.NDArray[np.uint8] | None:
    """Give a network's answer with the texture of known patches.

    Args:
        image: [h w 3]; what it holds in the hole has no influence.
        answer: [h w 3], the network's for every pixel; around the hole it shows where the network errs.
        hole: [h w], True = missing.
        calm: continue smooth surroundings, see ``smooth_surroundings``.

    Returns:
        [h w 3], the photograph outside the hole; None if there is nothing to fill, or too little is known.
    """
    whole = fitted_to_rim(image, answer, hole)
    copied = copy_patches(whole, hole, QUICK if max(hole.shape) <= SMALL else None)
    if copied is None:
        return None
    difference = whole - copied.picture
    broad = blurred(difference, BROAD)
    mixed = copied.picture + BROAD_SHARE * broad + FINE_SHARE * (difference - broad)
    surroundings = smooth_surroundings(image, hole) if calm else None
    if surroundings is not None:
        colors, smooth = surroundings
        grain = grain_of(image, hole, copied.moves, smooth)
        mixed += smooth * (colors + grain - mixed)
    return np.where(hole[..., None], mixed.round().clip(0, 255).astype(np.uint8), image)
