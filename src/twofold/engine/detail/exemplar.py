"""Say where in the known part of a tile the detail of its hole comes from, guided by the network's answer.

``twofold.engine.detail.patchmatch`` finds the sources. The network's answer is the colour of everything
broad, and the whole answer close to the rim, where it is at its best.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twofold.engine.detail.filters import Floats, Mask, blurred, continued, depth, widened
from twofold.engine.detail.patchmatch import PatchSearch, copy_patches
from twofold.engine.detail.smooth import smooth_surroundings

BROAD = 8.0
"""Scale in tile pixels above which colours are taken from the network, as far as ``BROAD_SHARE`` says."""
BROAD_SHARE = 0.5
"""How far: 1 is all the way, which is nearer to the truth on average and looks washed out."""
RIM_REACH = 12.0
"""Tile pixels over which a difference of colour at the rim is evened out."""
SEARCH = PatchSearch(
    rounds=(12, 8, 4, 2, 1),
    chance=(1,),
    trust=1.3,
    vote=2.0,
    guide=0.08,
    guide_blur=4.0,
    contrast=0.0,
    coherence=0.1,
)
"""Pieces that are enlarged must not be single pixels, and fit among each other first."""
NETWORK_REACH = 6.0
"""Tile pixels over which the network's own answer gives way to copied detail."""


@dataclass(frozen=True, eq=False)
class Exemplar:
    """Where each pixel of a tile's hole is copied from, and what is done to the copy.

    Attributes:
        moves: [h w 2], how many tile pixels further down and to the right the source of each pixel is.
        used: [h w], True where there is a source: in the hole and close to it.
        correction: [h w 3], levels of 255 to be added to the copy.
        answer: [h w 3], the network's answer in the hole, the known pixels around it.
        share: [h w], that of the network's answer in the result, 0 to 1.
    """

    moves: npt.NDArray[np.int64]
    used: Mask
    correction: Floats
    answer: Floats
    share: Floats


def find_exemplar(
    image: npt.NDArray[np.uint8],
    answer: npt.NDArray[np.uint8],
    hole: npt.NDArray[np.bool_],
    *,
    calm: bool = False,
) -> Exemplar | None:
    """Find the sources of a tile's hole.

    Args:
        image: [h w 3]; what it holds in the hole has no influence.
        answer: [h w 3], the network's; only its hole is read.
        hole: [h w], True = missing.
        calm: continue smooth surroundings, see ``smooth_surroundings``.

    Returns:
        None if there is nothing to fill, or too little is known to copy from.
    """
    whole = np.where(hole[..., None], answer, image).astype(np.float32)
    share_of_broad: Floats | float = BROAD_SHARE
    surroundings = smooth_surroundings(image, hole) if calm else None
    if surroundings is not None:
        colors, smooth = surroundings
        whole += smooth * (colors - whole)
        share_of_broad = BROAD_SHARE + (1 - BROAD_SHARE) * blurred(smooth, BROAD)
    copied = copy_patches(whole, hole, SEARCH)
    if copied is None:
        return None
    broad = share_of_broad * blurred(whole - copied.picture, BROAD)
    deep = depth(hole, 4 * round(RIM_REACH))
    rows, columns = np.indices(hole.shape)
    seen = whole[rows + copied.moves[..., 0], columns + copied.moves[..., 1]] + broad
    ring = widened(hole, 2) & ~hole
    rim = continued(np.where(ring[..., None], whole - seen, 0), ring)
    correction = broad + rim * np.exp(-deep / RIM_REACH)[..., None]
    share = np.exp(-deep / NETWORK_REACH)
    return Exemplar(copied.moves, copied.used, correction.astype(np.float32), whole, share)
