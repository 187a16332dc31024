"""Say where in the known part of a tile the detail of its hole comes from, guided by the network's answer.

Coarse to fine, as Wexler, Shechtman and Irani ("Space-Time Completion of Video", PAMI 2007) complete
pictures: at each size, find sources for all patches, let the patches vote, and again. The network's answer
is where the coarsest size starts from, what sources are compared with by and large, the colour of
everything broad, and the whole answer close to the rim, where it is at its best.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.engine.crops.resize import touched
from twofold.engine.detail.filters import Floats, Mask, blurred, continued, depth, widened
from twofold.engine.detail.patches import PatchField, Places

ROUNDS = (12, 8, 4, 2, 1)
"""How often sources are found and vote, from the coarsest size on."""
COARSEST = 32
"""Sizes are halved as long as this many pixels are left of the tile's side."""
BROAD = 8.0
"""Scale in tile pixels above which colours are taken from the network, as far as ``BROAD_SHARE`` says."""
BROAD_SHARE = 0.5
"""How far: 1 is all the way, which is nearer to the truth on average and looks washed out."""
RIM_REACH = 12.0
"""Tile pixels over which a difference of colour at the rim is evened out."""
NETWORK_REACH = 6.0
"""Tile pixels over which the network's own answer gives way to copied detail."""


@dataclass(frozen=True, eq=False)
class Exemplar:
    """Where each pixel of a tile's hole is copied from, and what is done to the copy.

    Attributes:
        rows: [h w], how many tile pixels further down the source of each pixel is.
        columns: [h w], the same to the right.
        used: [h w], True where there is a source: in the hole and close to it.
        correction: [h w 3], levels of 255 to be added to the copy.
        answer: [h w 3], the network's answer in the hole, the known pixels around it.
        share: [h w], that of the network's answer in the result, 0 to 1.
    """

    rows: Places
    columns: Places
    used: Mask
    correction: Floats
    answer: Floats
    share: Floats


def find_exemplar(
    image: npt.NDArray[np.uint8], answer: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_]
) -> Exemplar | None:
    """Find the sources of a tile's hole.

    Args:
        image: [h w 3]; what it holds in the hole has no influence.
        answer: [h w 3], the network's; only its hole is read.
        hole: [h w], True = missing.

    Returns:
        None if there is nothing to fill, or too little is known to copy from.
    """
    if not hole.any():
        return None
    height, width = hole.shape
    whole = np.where(hole[..., None], answer, image).astype(np.float32)
    levels = max(1, min(len(ROUNDS), 1 + int(math.log2(max(1, max(height, width) / COARSEST)))))
    field, picture, network = None, whole, whole
    for level, rounds in zip(reversed(range(levels)), ROUNDS, strict=False):
        step = 2**level
        rows, columns = max(1, round(height / step)), max(1, round(width / step))
        network = resized(whole, rows, columns, Image.Resampling.LANCZOS)
        finer = PatchField(touched(hole, rows, columns), blurred(network, max(0.5, BROAD / step)))
        if not finer.usable:
            return None
        field, picture = _completed(finer, field, network, rounds)
    assert field is not None
    broad = BROAD_SHARE * blurred(network - picture, BROAD)
    deep = depth(hole, 4 * round(RIM_REACH))
    seen = field.vote(picture, field.near) + broad
    ring = widened(hole, 2) & ~hole
    rim = continued(np.where(ring[..., None], network - seen, 0), ring)
    correction = broad + rim * np.exp(-deep / RIM_REACH)[..., None]
    moves = field.moves()
    share = np.exp(-deep / NETWORK_REACH)
    return Exemplar(moves[0], moves[1], field.near, correction.astype(np.float32), whole, share)


def _completed(
    field: PatchField, coarse: PatchField | None, network: Floats, rounds: int
) -> tuple[PatchField, Floats]:
    """The sources at one size, and the picture that their patches vote for."""
    picture = network
    if coarse is not None:
        field.start(coarse)
        picture = field.vote(network, field.hole)
    for _ in range(rounds):
        if coarse is None or field.small:
            field.search(picture)
        field.carry(picture, jitter=coarse is not None)
        picture = field.vote(picture, field.hole)
    return field, picture


def resized(picture: Floats, height: int, width: int, filter: Image.Resampling) -> Floats:
    """Scale float32 [h w c]."""
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(picture[..., c])).resize((width, height), filter))
        for c in range(picture.shape[2])
    ]
    return np.stack(planes, axis=2)
