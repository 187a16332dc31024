"""Rectangular holes: the centre square of the literature, and random boxes."""

import numpy as np

from twofold.masks.canvas import Hole, check_size, mask_generator

# Boxes of a hole, and their sides as fractions of the image's shorter one.
_COUNT, _SIDES = (1, 4), (0.1, 0.45)
# Most that a regular box loses at each of its sides, as a fraction of the image's.
_SHRINK = 0.0625


def centre_box(height: int, width: int) -> Hole:
    """One box in the middle, its sides half of the image's; ``InputError`` if the image is empty."""
    check_size(height, width)
    box_height, box_width = max(1, round(height / 2)), max(1, round(width / 2))
    return _box(height, width, (height - box_height) // 2, (width - box_width) // 2, box_height, box_width)


@mask_generator
def random_boxes(height: int, width: int, rng: np.random.Generator) -> Hole:
    """One to four boxes of random size and place, wholly inside the image; they may overlap."""
    short = min(height, width)
    hole = np.zeros((height, width), np.bool_)
    for _ in range(int(rng.integers(_COUNT[0], _COUNT[1] + 1))):
        box_height, box_width = (max(1, round(short * rng.uniform(*_SIDES))) for _ in range(2))
        top = int(rng.integers(0, height - box_height + 1))
        left = int(rng.integers(0, width - box_width + 1))
        hole |= _box(height, width, top, left, box_height, box_width)
    return hole


@mask_generator
def regular_box(height: int, width: int, rng: np.random.Generator) -> Hole:
    """One box of about half the image's sides, anywhere in it: the random regular mask of the DSI paper.

    At 256x256 this draws a 128x128 box and takes 0 to 16 pixels off each of its sides, the same on opposite
    ones (the authors' ``max_delta`` of 32 for their models of random masks).
    """
    starts, sides = [], []
    for length in (height, width):
        side = max(1, round(length / 2))
        start = int(rng.integers(0, length - side + 1))
        less = min(int(rng.integers(0, int(length * _SHRINK) + 1)), (side - 1) // 2)
        starts.append(start + less)
        sides.append(side - 2 * less)
    return _box(height, width, *starts, *sides)


def _box(height: int, width: int, top: int, left: int, rows: int, columns: int) -> Hole:
    """A hole [height width] of one box."""
    hole = np.zeros((height, width), np.bool_)
    hole[top : top + rows, left : left + columns] = True
    return hole
