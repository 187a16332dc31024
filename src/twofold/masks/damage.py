"""Find scratches, hairs and specks of dust in scanned photographs.

Thin lines and small spots are candidates where they stand out from the clutter around them. Each candidate
is then scored as a whole, by a few things that tell damage from the picture's own lines and grains:
``twofold.masks.evidence``.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.errors import InputError
from twofold.masks.components import Components, components
from twofold.masks.editing import grow
from twofold.masks.evidence import (
    SCRATCH_WEIGHTS,
    SPOT_WEIGHTS,
    Filtered,
    log_odds,
    scratch_features,
    spot_features,
)
from twofold.masks.ridges import DIRECTIONS, WIDEST, Levels, find_lines, find_spots, halved, highest, top_hat
from twofold.pixels import rgb8

Mask = npt.NDArray[np.bool_]

DAMAGE_KINDS = ("scratches", "spots")
"""Scratches are all that is long and thin, hairs too; spots are small and compact."""
DAMAGE_TONES = ("bright", "dark")
"""Whether the damage is brighter or darker than the picture around it."""

# Side of the cells, in pixels, in each of which clutter is measured.
_CELL = 32
# Pixels of a scratch, or of a piece of one, below which nothing tells it from texture.
_SHORTEST = 10
# A pixel's own contrast, over that of the line or spot that it is part of; at least.
_OWN_SHARE = np.float32(0.4)
_BAND = 256


@dataclass(frozen=True)
class DamageOptions:
    """What is looked for, and how readily something is taken for it.

    Attributes:
        sensitivity: 1 is usual; 2 finds fainter damage, and more that is none; above 0.
        largest: widest scratch and spot, in pixels; None: a hundredth of the picture's shorter side,
            at least 8.
        kinds: out of ``DAMAGE_KINDS``.
        tones: out of ``DAMAGE_TONES``.
        margin: pixels by which what is found is grown, so that no edge of it stays.
    """

    sensitivity: float = 1.0
    largest: int | None = None
    kinds: tuple[str, ...] = DAMAGE_KINDS
    tones: tuple[str, ...] = DAMAGE_TONES
    margin: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what cannot be looked for: ``InputError`` names the option."""
        if not 0 < self.sensitivity < math.inf:
            raise InputError(f"sensitivity is {self.sensitivity}; give a number above 0, 1 is usual")
        if self.largest is not None and self.largest < 1:
            raise InputError(f"largest is {self.largest}; give a width in pixels, from 1 on")
        for name, given, known in (("kinds", self.kinds, DAMAGE_KINDS), ("tones", self.tones, DAMAGE_TONES)):
            if not given or not set(given) <= set(known):
                raise InputError(f"{name} is {' '.join(given) or 'empty'}; choose from {', '.join(known)}")
        if not 0 <= self.margin < math.inf:
            raise InputError(f"margin is {self.margin}; give a number of pixels from 0 on")


@dataclass(frozen=True, eq=False)
class Damage:
    """What was found.

    Attributes:
        hole: [h w], True = damaged, the margin included.
        scratches: pieces of scratches and hairs; one with gaps counts several times.
        spots: how many spots.
    """

    hole: Mask
    scratches: int
    spots: int


def find_damage(image: npt.NDArray[np.generic], options: DamageOptions | None = None) -> Damage:
    """Find scratches, hairs and dust that are brighter or darker than the picture around them.

    What is as thin, straight and contrasty in the picture itself (wires, whiskers, letters) is found
    too, and wide or faint damage is not: look at the mask before it is filled.

    Args:
        image: [h w], [h w 1], [h w 3] or [h w 4], uint8 or uint16; alpha is not looked at.
        options: None: ``DamageOptions()``.

    Returns:
        The hole, and how many things it is made of.
    """
    options = options or DamageOptions()
    pixels = rgb8(image)
    height, width = pixels.shape[:2]
    largest = options.largest or max(8, min(height, width) // 100)
    darkest = np.minimum(np.minimum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
    brightest = np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
    found = {kind: np.zeros((height, width), np.bool_) for kind in options.kinds}
    for tone in options.tones:
        # White damage lifts the least of the three colours, and black damage lowers the greatest: the
        # picture's own coloured lines show less there than in brightness.
        level = darkest if tone == "bright" else 255 - brightest
        saturation, octave = brightest - darkest, 0
        while True:
            for kind, mask in _search(level, saturation, octave, largest / 2**octave, options):
                found[kind] |= _enlarged(mask, 2**octave, height, width)
            # The next size up is looked for in a picture of half the size.
            if largest <= WIDEST * 2**octave or min(level.shape) < 2 * _CELL:
                break
            level, saturation, octave = halved(level), halved(saturation), octave + 1
    holes = {kind: grow(mask, options.margin) for kind, mask in found.items()}
    counts = {kind: components(hole).count for kind, hole in holes.items()}
    hole = np.logical_or.reduce(list(holes.values()))
    return Damage(hole, counts.get("scratches", 0), counts.get("spots", 0))


def _search(
    level: Levels, saturation: Levels, octave: int, largest: float, options: DamageOptions
) -> Iterator[tuple[str, Mask]]:
    """Each kind of bright damage up to ``WIDEST`` pixels wide in one picture [h w], and where it is."""
    filtered = filter_picture(level, saturation)
    for kind in options.kinds:
        recipe = _RECIPES[kind]
        least = recipe.least + octave * recipe.rarity - 2 * math.log(options.sensitivity)
        response = filtered.lines.bright if kind == "scratches" else find_spots(level)
        hole = np.zeros(level.shape, np.bool_)
        for parts, clutter in pick_candidates(kind, filtered, response, largest, options.sensitivity):
            if kind == "scratches":
                evidence = log_odds(scratch_features(parts, filtered, clutter), SCRATCH_WEIGHTS)
            else:
                evidence = log_odds(spot_features(parts, filtered, clutter, response), SPOT_WEIGHTS)
            hole |= parts.painted(evidence > least)
        yield kind, hole


def filter_picture(level: Levels, saturation: Levels) -> Filtered:
    """Compute what candidates are picked and scored by, of a picture whose damage is bright."""
    side = 2 * WIDEST + 1
    lines = find_lines(level)
    opposite = highest(lines.dark, side)
    return Filtered(saturation, lines, opposite, top_hat(level, side), top_hat(255 - level, side))


def pick_candidates(
    kind: str, filtered: Filtered, response: Levels, largest: float = 2 * WIDEST, sensitivity: float = 1.0
) -> Iterator[tuple[Components, Levels]]:
    """What could be damage of one kind: connected parts, and the clutter [h w] that they stand out of.

    Lines are picked by direction, so that a scratch is not one with what it crosses; each part of a curved
    line is then picked in two neighbouring ranges of directions.

    Args:
        kind: one of ``DAMAGE_KINDS``.
        filtered: of the picture.
        response: how much each pixel stands out as damage of this kind, uint8 [h w].
        largest: widest scratch or spot, in pixels.
        sensitivity: as in ``DamageOptions``.

    Yields:
        The candidates of one range of directions, at least one; and the clutter, in quarters of a level.
    """
    recipe = _RECIPES[kind]
    clutter = _clutter(response, recipe.quantile)
    weak, strong = np.empty(response.shape, np.bool_), np.empty(response.shape, np.bool_)
    for top in range(0, len(response), _BAND):
        band = slice(top, top + _BAND)
        contrast = response[band] * np.float32(sensitivity)
        over = contrast / (clutter[band] / np.float32(4) + 1)
        weak[band] = (contrast > recipe.faintest / 2) & (over > recipe.weak)
        # The pixels of a line that are bright themselves: means along it reach beyond its ends.
        weak[band] &= filtered.white_hat[band] > _OWN_SHARE * response[band]
        strong[band] = (contrast > recipe.faintest) & (over > recipe.strong)
    for mask in _by_direction(weak, filtered.lines.direction) if kind == "scratches" else (weak,):
        parts = components(mask)
        right_shape = _is_thin(parts, largest) if kind == "scratches" else _is_small(parts, largest)
        parts = parts.kept(right_shape & parts.holds(strong))
        if parts.count:
            yield parts, clutter


def _by_direction(mask: Mask, direction: Levels) -> Iterator[Mask]:
    """Parts of a mask in which lines have about one direction: eight ranges of 45 degrees, overlapping."""
    for first in range(0, DIRECTIONS, DIRECTIONS // 8):
        # Unsigned numbers wrap round at 256, of which 16 is a part: so do directions.
        yield mask & ((direction - np.uint8(first)) % DIRECTIONS < DIRECTIONS // 4)


def _is_thin(parts: Components, largest: float) -> Mask:
    boxes = parts.boxes()
    length = np.hypot(boxes[:, 0], boxes[:, 1])
    thickness = parts.areas / length
    return (length >= _SHORTEST) & (length >= 2.5 * thickness) & (thickness <= min(WIDEST, largest) + 1)


def _is_small(parts: Components, largest: float) -> Mask:
    return np.asarray(parts.boxes().max(axis=1, initial=0) <= min(2 * WIDEST, largest) + 2)


@dataclass(frozen=True)
class _Recipe:
    """How damage of one kind is picked and scored, at sensitivity 1."""

    faintest: float  # contrast of a candidate in levels of 255, at least
    weak: float  # a candidate is all of so many times the clutter ...
    strong: float  # ... around something of so many times it
    quantile: float  # of the responses in a cell: what is clutter there
    least: float  # log odds from which a candidate is damage
    rarity: float  # log odds more for each doubling of the width: wide lines are rather the picture's own


_RECIPES = {
    "scratches": _Recipe(faintest=8, weak=1.1, strong=1.6, quantile=0.9, least=-0.3, rarity=1),
    "spots": _Recipe(faintest=12, weak=1.2, strong=2.0, quantile=0.97, least=-1, rarity=0),
}


def _clutter(response: Levels, quantile: float) -> Levels:
    """How strong a response is usual around each pixel, in quarters of a level; uint8 [h w]."""
    height, width = response.shape
    whole = ((0, -height % _CELL), (0, -width % _CELL))
    padded = np.pad(response, whole, mode="symmetric")
    rows, columns = padded.shape[0] // _CELL, padded.shape[1] // _CELL
    cells = padded.reshape(rows, _CELL, columns, _CELL).swapaxes(1, 2).reshape(rows, columns, -1)
    place = int(quantile * _CELL**2)
    usual = np.partition(cells, place, axis=2)[..., place]
    # The middle of 3x3 cells: a scratch goes through three of nine, and so is not its own clutter.
    around = np.pad(usual, 1, mode="edge")
    nine = [around[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    middle = np.minimum(np.median(np.stack(nine), axis=0), 63)
    grid = Image.fromarray((4 * middle).astype(np.uint8))
    smooth = grid.resize((columns * _CELL, rows * _CELL), Image.Resampling.BILINEAR)
    return np.asarray(smooth)[:height, :width]


def _enlarged(mask: Mask, scale: int, height: int, width: int) -> Mask:
    """Every pixel of a mask as a square of ``scale``, cut to a size."""
    return np.repeat(np.repeat(mask, scale, axis=0), scale, axis=1)[:height, :width]
