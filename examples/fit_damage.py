"""Fit the weights of ``twofold masks find`` to scratches, hairs and dust drawn on photographs.

    python examples/fit_damage.py PHOTOS [PHOTOS ...]

prints the two tables of weights in ``src/twofold/masks/evidence.py``. The damage is drawn by
``tests/masks/damaged_photos.py``; photographs are scaled down to 500 pixels at most.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from masks.damaged_photos import damage_photo
from twofold.data.folder import PhotoFolder
from twofold.masks.damage import filter_picture, pick_candidates
from twofold.masks.editing import grow
from twofold.masks.evidence import scratch_features, spot_features, terms
from twofold.masks.ridges import find_spots

LONGEST = 500
# Photographs used, evenly out of all that are given.
COUNT = 600
DAMAGE = {"scratches": {"scratches": 3, "hairs": 3}, "spots": {"dust": 15}}


def measure(kind, picture, damage, bright):
    """Terms of each candidate in a picture [n k], whether it is damage [n], and its weight [n]."""
    darkest, brightest = picture.min(axis=2), picture.max(axis=2)
    level = darkest if bright else 255 - brightest
    filtered = filter_picture(level, brightest - darkest)
    response = filtered.lines.bright if kind == "scratches" else find_spots(level)
    near = grow(damage, 2)
    for parts, clutter in pick_candidates(kind, filtered, response):
        if kind == "scratches":
            features = scratch_features(parts, filtered, clutter)
        else:
            features = spot_features(parts, filtered, clutter, response)
        share = parts.means(near)
        # What is half of one and half of the other teaches nothing.
        clear = (share > 0.6) | (share < 0.2)
        yield terms(features[clear]), share[clear] > 0.5, np.sqrt(parts.areas[clear])


def logistic(samples, truth, weight):
    """Weights of a logistic regression with a small ridge, by Newton's method."""
    spread = samples.std(axis=0)
    spread[0] = 1.0
    scaled = samples / spread
    weight = weight / weight.mean()
    weights = np.zeros(samples.shape[1])
    for _ in range(40):
        odds = 1 / (1 + np.exp(-np.clip(scaled @ weights, -30, 30)))
        slope = scaled.T @ (weight * (truth - odds)) - 0.1 * weights
        curve = (scaled * (weight * odds * (1 - odds))[:, None]).T @ scaled + 0.1 * np.eye(len(weights))
        weights += np.linalg.solve(curve, slope)
    return weights / spread


def main(roots):
    """Fit both kinds and print their weights."""
    paths = [path for root in roots for path in PhotoFolder(root).paths]
    paths = paths[:: max(1, len(paths) // COUNT)][:COUNT]
    for kind in ("scratches", "spots"):
        gathered = []
        for index, path in enumerate(paths):
            with Image.open(path) as file:
                file.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
                clean = np.array(file.convert("RGB"))
            for bright in (True, False):
                seed = 5000 + 2 * index + bright
                damaged = damage_photo(clean, seed, bright=bright, opacity=(0.4, 1.0), **DAMAGE[kind])
                gathered.extend(measure(kind, damaged.picture, damaged.damage, bright))
        samples, truth, weight = (np.concatenate(part) for part in zip(*gathered, strict=True))
        weights = logistic(samples, truth, weight)
        print(f"{kind}: {len(paths)} photographs, {len(truth)} candidates, {truth.mean():.1%} damage")
        print(f"({', '.join(f'{value:.4g}' for value in weights)})")


if __name__ == "__main__":
    main(sys.argv[1:])
