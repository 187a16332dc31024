"""Irregular holes: stains, torn blobs and scratches, as on a damaged print.

The recipe is ours: one or two layers, each of them thresholded smooth noise, a few deformed
ellipses, or a bundle of random walks.
"""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from twofold.masks.canvas import Hole, mask_generator, never_empty
from twofold.masks.strokes import draw_stroke, points_of

# The area of a layer, as a fraction of the image.
_AREA = (0.01, 0.2)


@mask_generator
def irregular(height: int, width: int, rng: np.random.Generator) -> Hole:
    """The union of one or two layers of stains, blobs or scratches."""
    makers = (stains, blobs, scratches)
    hole = np.zeros((height, width), dtype=np.bool_)
    for _ in range(int(rng.integers(1, 3))):
        fraction = rng.uniform(*_AREA)
        hole |= makers[int(rng.integers(len(makers)))](height, width, rng, fraction)
    return hole


def stains(height: int, width: int, rng: np.random.Generator, fraction: float) -> Hole:
    """The highest part of smooth noise: islands with ragged shores, covering ``fraction`` of the image."""
    short = min(height, width)
    coarse = short / rng.uniform(2.5, 7)
    # Two octaves: the coarse one places the islands, the fine one tears their shores.
    field = _smooth_noise(height, width, rng, coarse)
    field += rng.uniform(0.1, 0.5) * _smooth_noise(height, width, rng, max(2.0, coarse / 5))
    pixels = max(1, round(fraction * field.size))
    highest = np.argpartition(field.ravel(), field.size - pixels)[field.size - pixels :]
    hole = np.zeros(field.size, dtype=np.bool_)
    hole[highest] = True
    return hole.reshape(height, width)


def blobs(height: int, width: int, rng: np.random.Generator, fraction: float) -> Hole:
    """One to five deformed ellipses that together cover about ``fraction`` of the image."""
    canvas = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(canvas)
    count = int(rng.integers(1, 6))
    shares = rng.dirichlet(np.full(count, 2.0)) * fraction * height * width
    angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    for share in shares:
        radius = math.sqrt(share / math.pi)
        stretch = math.exp(rng.uniform(-0.7, 0.7))
        outline = np.ones_like(angles)
        for harmonic in range(2, 7):
            swing = rng.normal(0, 0.35 / harmonic)
            outline += swing * np.cos(harmonic * angles + rng.uniform(0, 2 * math.pi))
        reach = radius * np.maximum(outline, 0.2)
        along, across = reach * np.cos(angles) * stretch, reach * np.sin(angles) / stretch
        tilt, x, y = rng.uniform(0, math.pi), rng.uniform(0, width), rng.uniform(0, height)
        xs = x + along * math.cos(tilt) - across * math.sin(tilt)
        ys = y + along * math.sin(tilt) + across * math.cos(tilt)
        # The centre pixel is drawn too: a polygon smaller than a pixel would leave nothing.
        pen.polygon(points_of(xs, ys), fill=255, outline=255)
        pen.point((min(x, width - 1), min(y, height - 1)), fill=255)
    return np.asarray(canvas) > 0


def scratches(height: int, width: int, rng: np.random.Generator, fraction: float) -> Hole:
    """Thin random walks, long and gently curved, that cover roughly ``fraction`` of the image."""
    canvas = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(canvas)
    short = min(height, width)
    left = fraction * height * width
    while left > 0:
        thickness = short * math.exp(rng.uniform(math.log(0.01), math.log(0.05)))
        length = short * rng.uniform(0.2, 1.2)
        pieces = max(2, round(length / (0.04 * short)))
        headings = rng.uniform(0, 2 * math.pi) + np.cumsum(rng.normal(0, 0.35, size=pieces))
        x = rng.uniform(0, width) + np.cumsum(np.cos(headings)) * length / pieces
        y = rng.uniform(0, height) + np.cumsum(np.sin(headings)) * length / pieces
        widths = thickness * rng.uniform(0.6, 1.2, size=pieces)
        draw_stroke(pen, points_of(x, y), widths)
        # A scratch of less than a pixel still uses up one row of them, so the loop ends.
        left -= max(1.0, thickness) * length
    return never_empty(np.asarray(canvas) > 0, rng)


def _smooth_noise(height: int, width: int, rng: np.random.Generator, grain: float) -> npt.NDArray[np.float32]:
    """Normal noise on a grid of one value per ``grain`` pixels, bicubic in between; about unit scale."""
    rows, columns = math.ceil(height / grain) + 2, math.ceil(width / grain) + 2
    grid = Image.fromarray(rng.standard_normal((rows, columns)).astype(np.float32))
    # A random offset, or the grid would show in a stack of masks.
    x, y = rng.uniform(0, 1, size=2)
    box = (x, y, x + width / grain, y + height / grain)
    smooth = grid.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.array(smooth, dtype=np.float32)
