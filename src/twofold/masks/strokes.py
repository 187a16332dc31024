"""Holes of brush strokes: free-form, as a hand would rub something out, and thin, as scratches and wires."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from twofold.errors import InputError
from twofold.masks.boxes import check_size


def free_form(
    height: int,
    width: int,
    rng: np.random.Generator,
    *,
    strokes: tuple[int, int] = (1, 4),
    corners: tuple[int, int] = (3, 10),
    brush: tuple[float, float] = (0.03, 0.15),
    step: tuple[float, float] = (0.05, 0.3),
    turn: float = 2.4,
) -> npt.NDArray[np.bool_]:
    """Brush strokes with turning angles, round joints and widths that swell and thin.

    All lengths are fractions of the shorter side, so a mask looks alike at every size.

    Args:
        height: rows of the image, in pixels.
        width: columns of the image, in pixels.
        rng: the only source of randomness.
        strokes: fewest and most strokes.
        corners: fewest and most straight pieces of one stroke.
        brush: thinnest and thickest brush.
        step: shortest and longest straight piece.
        turn: largest change of direction at a corner, in radians. Turns go left and right by turns
            more often than not, which gives the scribble of someone who rubs out an object.

    Returns:
        A hole [h w], True = missing.

    Raises:
        InputError: if a range is empty or the image is.
    """
    check_size(height, width)
    for name, (low, high) in (("strokes", strokes), ("corners", corners)):
        if not 1 <= low <= high:
            raise InputError(f"{name} is ({low}, {high}); give the fewest and the most, at least 1")
    for name, (small, large) in (("brush", brush), ("step", step)):
        if not 0 < small <= large:
            raise InputError(
                f"{name} is ({small}, {large}); give the smallest and the largest fraction above 0"
            )
    canvas = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(canvas)
    short = min(height, width)
    for _ in range(int(rng.integers(strokes[0], strokes[1] + 1))):
        pieces = int(rng.integers(corners[0], corners[1] + 1))
        # Log-uniform: a thin scratch is as likely as a thick smear.
        thickness = short * math.exp(rng.uniform(math.log(brush[0]), math.log(brush[1])))
        lengths = short * rng.uniform(step[0], step[1], size=pieces)
        start = (rng.uniform(0, width), rng.uniform(0, height))
        points = _wander(start, lengths, (width, height), rng, turn)
        widths = thickness * rng.uniform(0.75, 1.25, size=len(points))
        draw_stroke(pen, points, widths)
    return np.asarray(canvas) > 0


def thin(
    height: int,
    width: int,
    rng: np.random.Generator,
    *,
    strokes: tuple[int, int] = (1, 3),
    brush: tuple[float, float] = (0.005, 0.02),
) -> npt.NDArray[np.bool_]:
    """Long thin strokes: scratches, wires across the picture, lines of handwriting.

    All lengths are fractions of the shorter side. No stroke is thinner than about two pixels, so in
    a small image they take a larger part of it.

    Args:
        height: rows of the image, in pixels.
        width: columns of the image, in pixels.
        rng: the only source of randomness.
        strokes: fewest and most scratches, bundles of wires or lines of writing.
        brush: thinnest and thickest brush.

    Returns:
        A hole [h w], True = missing; never empty.

    Raises:
        InputError: if a range is empty or the image is.
    """
    check_size(height, width)
    if not 1 <= strokes[0] <= strokes[1]:
        raise InputError(f"strokes is {strokes}; give the fewest and the most, at least 1")
    if not 0 < brush[0] <= brush[1]:
        raise InputError(f"brush is {brush}; give the smallest and the largest fraction above 0")
    canvas = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(canvas)
    makers = (_scratch, _wires, _writing)
    for _ in range(int(rng.integers(strokes[0], strokes[1] + 1))):
        thickness = min(height, width) * math.exp(rng.uniform(math.log(brush[0]), math.log(brush[1])))
        for points in makers[int(rng.integers(len(makers)))](width, height, rng):
            widths = thickness * rng.uniform(0.8, 1.2, size=len(points))
            draw_stroke(pen, points, widths)
    hole = np.array(canvas) > 0
    if not hole.any():  # a picture of a few pixels, between which every stroke went
        hole[int(rng.integers(height)), int(rng.integers(width))] = True
    return hole


Points = list[tuple[float, float]]
"""Corners (x, y) of one connected stroke."""


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
    return [_points(x, y)]


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
        lines.append(_points(x, y))
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
        words.append(_points(x, y))
        along += (0.9 * letters + rng.uniform(0.8, 1.6)) * size
    return words


def _points(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Points:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def draw_stroke(
    pen: ImageDraw.ImageDraw, points: list[tuple[float, float]], widths: npt.NDArray[np.float64]
) -> None:
    """Draw one connected stroke, white, with a round end or joint at each of its points."""
    for (x0, y0), (x1, y1), w0, w1 in zip(points, points[1:], widths, widths[1:], strict=False):
        length = math.hypot(x1 - x0, y1 - y0)
        if length == 0:
            continue
        # The unit normal: the piece is a trapezium as wide at each end as the joint there.
        nx, ny = (y0 - y1) / length / 2, (x1 - x0) / length / 2
        corners = [(x0 + nx * w0, y0 + ny * w0), (x1 + nx * w1, y1 + ny * w1)]
        corners += [(x1 - nx * w1, y1 - ny * w1), (x0 - nx * w0, y0 - ny * w0)]
        # The outline keeps pieces thinner than a pixel visible.
        pen.polygon(corners, fill=255, outline=255)
    for (x, y), thickness in zip(points, widths, strict=True):
        radius = max(0.5, float(thickness) / 2)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def _wander(
    start: tuple[float, float],
    lengths: npt.NDArray[np.float64],
    size: tuple[int, int],
    rng: np.random.Generator,
    turn: float,
) -> list[tuple[float, float]]:
    """Corner points (x, y) of a walk that turns at each corner and is mirrored at the borders."""
    x, y = start
    points = [(x, y)]
    heading = rng.uniform(0, 2 * math.pi)
    side = 1.0 if rng.random() < 0.5 else -1.0
    for length in lengths:
        x = _mirror(x + length * math.cos(heading), size[0])
        y = _mirror(y + length * math.sin(heading), size[1])
        points.append((x, y))
        heading += side * rng.uniform(0.1, 1.0) * turn
        if rng.random() < 0.65:
            side = -side
    return points


def _mirror(position: float, length: int) -> float:
    """Fold a coordinate back into [0, length], as if the borders were mirrors."""
    folded = position % (2 * length)
    return min(folded, 2 * length - folded)
