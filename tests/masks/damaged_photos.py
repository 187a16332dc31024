"""Photographs with scratches, hairs and dust of known places, drawn from a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

OVERSAMPLING = 4


@dataclass(frozen=True)
class DamagedPhoto:
    """A picture [h w 3] before and after, and where it was damaged [h w]."""

    clean: np.ndarray
    picture: np.ndarray
    damage: np.ndarray


def damage_photo(clean, seed, *, scratches=0, hairs=0, dust=0, bright=True, opacity=(0.6, 1.0)):
    """Draw damage over uint8 RGB [h w 3], at the width that a photo of its size would show.

    Scratches are long, nearly straight and mostly upright, hairs short and curled, dust a few pixels
    wide. Bright ones are nearly white, dark ones nearly black; all are a little transparent.
    """
    rng = np.random.default_rng(seed)
    height, width = clean.shape[:2]
    cover = np.zeros((height, width))
    picture = clean.astype(np.float64)
    unit = min(height, width) / 400
    for shapes, count in ((_scratch, scratches), (_hair, hairs), (_speck, dust)):
        for _ in range(count):
            canvas = Image.new("L", (OVERSAMPLING * width, OVERSAMPLING * height), 0)
            shapes(ImageDraw.Draw(canvas), height, width, max(1.0, unit), rng)
            shape = np.asarray(canvas.resize((width, height), Image.Resampling.BOX)) / 255
            if shapes is not _speck:
                shape = shape * _wear(height, width, rng)
            shape *= rng.uniform(*opacity)
            level = rng.uniform(215, 255) if bright else rng.uniform(5, 45)
            tint = level + rng.normal(0, 4, 3)
            picture += shape[..., None] * (tint - picture)
            cover = np.maximum(cover, shape)
    # A scanner's lens is less sharp than our pen.
    drawn = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    softened = drawn.filter(ImageFilter.GaussianBlur(0.4))
    near = np.asarray(Image.fromarray((255 * cover).astype(np.uint8)).filter(ImageFilter.MaxFilter(5))) > 0
    damaged = np.where(near[..., None], np.asarray(softened), clean)
    changed = np.abs(damaged.astype(int) - clean).max(axis=2)
    # What cannot be told from the photo (white on white) is no damage.
    return DamagedPhoto(clean, damaged, (cover > 0.25) & (changed > 12))


def _wear(height, width, rng):
    """How much of a line has survived, in 0..1: it fades and comes back along its way."""
    coarse = np.clip(rng.uniform(0.2, 1.6, (math.ceil(height / 40) + 1, math.ceil(width / 40) + 1)), 0, 1)
    grid = Image.fromarray((255 * coarse).astype(np.uint8))
    return np.asarray(grid.resize((width, height), Image.Resampling.BILINEAR)) / 255


def _scratch(pen, height, width, unit, rng):
    length = height * rng.uniform(0.3, 1.2)
    heading = math.pi / 2 + (rng.normal(0, 0.15) if rng.random() < 0.6 else rng.uniform(-1.5, 1.5))
    turns = np.cumsum(rng.normal(0, 0.015, 40))
    _walk(pen, height, width, heading + turns, length, unit * rng.uniform(1.0, 3.0), rng)


def _hair(pen, height, width, unit, rng):
    length = unit * rng.uniform(40, 150)
    turns = np.cumsum(rng.normal(0, 0.1, 40)) + np.linspace(0, rng.normal(0, 1.5), 40)
    _walk(pen, height, width, rng.uniform(0, 7) + turns, length, unit * rng.uniform(1.0, 2.0), rng)


def _walk(pen, height, width, headings, length, thickness, rng):
    x = np.concatenate([[0], np.cumsum(np.cos(headings))]) * length / len(headings)
    y = np.concatenate([[0], np.cumsum(np.sin(headings))]) * length / len(headings)
    x += rng.uniform(0, width) - x.mean()
    y += rng.uniform(0, height) - y.mean()
    pen.line(_points(x, y), fill=255, width=round(OVERSAMPLING * thickness), joint="curve")


def _speck(pen, height, width, unit, rng):
    radius = unit * math.exp(rng.uniform(math.log(0.8), math.log(3.5)))
    angles = np.linspace(0, 2 * math.pi, 12, endpoint=False)
    reach = radius * rng.uniform(0.6, 1.3, 12)
    x = rng.uniform(0, width) + reach * np.cos(angles)
    y = rng.uniform(0, height) + reach * np.sin(angles)
    pen.polygon(_points(x, y), fill=255)


def _points(x, y):
    return [(OVERSAMPLING * float(a), OVERSAMPLING * float(b)) for a, b in zip(x, y, strict=True)]
