"""Holes of brush strokes: free-form, as a hand would rub something out, and thin, as scratches and wires."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from twofold.masks.canvas import Hole, mask_generator

# Lengths are fractions of the shorter side. Of free-form holes: strokes, straight pieces of one, how thick
# the brush is and how long a piece, the least and the most; and the largest turn at a corner, in radians.
_STROKES, _PIECES, _BRUSH, _STEP, _TURN = (1, 4), (3, 10), (0.03, 0.15), (0.05, 0.3), 2.4
# Of thin holes: scratches, bundles of wires or lines of writing, and how thick the brush is.
_THIN_STROKES, _THIN_BRUSH = (1, 3), (0.005, 0.02)

Points = list[tuple[float, float]]
"""Corners (x, y) of one connected stroke."""


@mask_generator
def free_form(height: int, width: int, rng: np.random.Generator) -> Hole:
    """Brush strokes with turning angles, round joints and widths that swell and thin; alike at every size.

    Turns go left and right by turns more often than not: the scribble of someone who rubs out an object.
    """
    canvas = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(canvas)
    short = min(height, width)
    for _ in range(int(rng.integers(_STROKES[0], _STROKES[1] + 1))):
        pieces = int(rng.integers(_PIECES[0], _PIECES[1] + 1))
        thickness = short * _log_uniform(rng, _BRUSH)
        points = _wander(short * rng.uniform(*_STEP, size=pieces), (width, height), rng)
        widths = thickness * rng.uniform(0.75, 1.25, size=len(points))
        draw_stroke(pen, points, widths)
    return np.asarray(canvas) > 0


@mask_generator
def thin(height: int, width: int, rng: np.random.Generator) -> Hole:
    """Long thin strokes: scratches, wires across the picture, lines of handwriting.

    No stroke is thinner than about two pixels, so in a small image they take a larger part of it.
    """
    canvas = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(canvas)
    makers = (_scratch, _wires, _writing)
    for _ in range(int(rng.integers(_THIN_STROKES[0], _THIN_STROKES[1] + 1))):
        thickness = min(height, width) * _log_uniform(rng, _THIN_BRUSH)
        for points in makers[int(rng.integers(len(makers)))](width, height, rng):
            widths = thickness * rng.uniform(0.8, 1.2, size=len(points))
            draw_stroke(pen, points, widths)
    return np.asarray(canvas) > 0


def _log_uniform(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    """A number between two: a thin scratch is as likely as a thick smear."""
    return math.exp(rng.uniform(math.log(ends[0]), math.log(ends[1])))


def _scratch(width: int, height: int, rng: np.random.Generator) -> list[Points]:
    """One long line that drifts; its middle is in the picture, its ends need not be."""
    short = min(height, width)
    length = short * rng.uniform(0.6, 1.8)
    pieces = 24
    headings = rng.uniform(0, 2 * math.pi) + np.cumsum(rng.normal(0, 0.12, size=pieces))
    x = np.cumsum(np.cos(headings)) * length / pieces
    y = np.cumsum(np.sin(headings)) * length / pieces
    middle = pieces // 2
    x, y = rng.uniform(0, width) + x - x[middle], rng.uniform(0, height) + y - y[middle]
    return [points_of(x, y)]


def _wires(width: int, height: int, rng: np.random.Generator) -> list[Points]:
    """One to four lines side by side that cross the picture and sag as cables do."""
    short, across = min(height, width), math.hypot(width, height)
    tilt = rng.normal(0, 0.35) + (math.pi / 2 if rng.random() < 0.2 else 0.0)
    along = np.linspace(-0.5, 0.5, 25) * across
    sag = short * rng.uniform(0, 0.25)
    gap = short * rng.uniform(0.03, 0.12)
    middle = width * rng.uniform(0.2, 0.8), height * rng.uniform(0.2, 0.8)
    lines = []
    for number in range(int(rng.integers(1, 5))):
        down = number * gap + sag * (1 - (2 * along / across) ** 2) * rng.uniform(0.8, 1.2)
        x = middle[0] + along * math.cos(tilt) - down * math.sin(tilt)
        y = middle[1] + along * math.sin(tilt) + down * math.cos(tilt)
        lines.append(points_of(x, y))
    return lines


def _writing(width: int, height: int, rng: np.random.Generator) -> list[Points]:
    """A line of two to five words: loops of uneven height, joined as in a hand."""
    short = min(height, width)
    size = short * rng.uniform(0.03, 0.09)  # height of a small letter
    tilt, slant = rng.normal(0, 0.15), rng.uniform(0, 0.5)
    start = width * rng.uniform(0, 0.5), height * rng.uniform(0.1, 0.9)
    words, along = [], 0.0
    for _ in range(int(rng.integers(2, 6))):
        letters = int(rng.integers(3, 9))
        # Each letter is a turn of a loop that moves on; some reach far above or below the line.
        turns = np.linspace(0, letters, 8 * letters + 1)
        heights = rng.choice([1.0, 1.2, 2.2, -1.2], size=letters + 1, p=[0.45, 0.25, 0.2, 0.1])
        rise = size * np.abs(np.sin(math.pi * turns)) * heights[turns.astype(int)]
        loop = 0.35 * size * np.sin(2 * math.pi * turns) * rng.uniform(0.5, 1.2)
        forward = along + 0.9 * size * turns + loop + slant * rise
        x = start[0] + forward * math.cos(tilt) + rise * math.sin(tilt)
        y = start[1] + forward * math.sin(tilt) - rise * math.cos(tilt)
        words.append(points_of(x, y))
        along += (0.9 * letters + rng.uniform(0.8, 1.6)) * size
    return words


def points_of(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Points:
    """The corners with these coordinates, each [n]."""
    return list(zip(x.tolist(), y.tolist(), strict=True))


def trapezium(start: tuple[float, float, float], end: tuple[float, float, float]) -> Points:
    """The corners of a straight piece between two joints (x, y, radius), as wide at each end as the joint."""
    (x0, y0, r0), (x1, y1, r1) = start, end
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    nx, ny = (y0 - y1) / length, (x1 - x0) / length  # the unit normal
    return [
        (x0 + nx * r0, y0 + ny * r0),
        (x1 + nx * r1, y1 + ny * r1),
        (x1 - nx * r1, y1 - ny * r1),
        (x0 - nx * r0, y0 - ny * r0),
    ]


def draw_stroke(pen: ImageDraw.ImageDraw, points: Points, widths: npt.NDArray[np.float64]) -> None:
    """Draw one connected stroke, white, with a round end or joint at each of its points."""
    for (x0, y0), (x1, y1), w0, w1 in zip(points, points[1:], widths, widths[1:], strict=False):
        if (x0, y0) != (x1, y1):
            # The outline keeps pieces thinner than a pixel visible.
            pen.polygon(trapezium((x0, y0, w0 / 2), (x1, y1, w1 / 2)), fill=255, outline=255)
    for (x, y), thickness in zip(points, widths, strict=True):
        radius = max(0.5, float(thickness) / 2)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def _wander(lengths: npt.NDArray[np.float64], size: tuple[int, int], rng: np.random.Generator) -> Points:
    """A walk in pieces of these lengths that turns at each corner and is mirrored at the borders."""
    x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
    points = [(x, y)]
    heading = rng.uniform(0, 2 * math.pi)
    side = 1.0 if rng.random() < 0.5 else -1.0
    for length in lengths:
        x = mirrored(x + length * math.cos(heading), size[0])
        y = mirrored(y + length * math.sin(heading), size[1])
        points.append((x, y))
        heading += side * rng.uniform(0.1, 1.0) * _TURN
        if rng.random() < 0.65:
            side = -side
    return points


def mirrored(position: float, length: int) -> float:
    """Fold a coordinate back into [0, length], as if the borders were mirrors."""
    folded = position % (2 * length)
    return min(folded, 2 * length - folded)
