"""Holes in the shape of things: a person, an animal, a car or a post that is painted over, to be gone.

The recipe is ours. A thing is a few ovals, limbs that taper, and plates with straight sides, in units of its
own height; its outline is rounded and drawn a little outside, as a brush goes around what it covers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from twofold.masks.canvas import Hole, mask_generator
from twofold.masks.strokes import trapezium

Points = npt.NDArray[np.float64]
"""Corners (x, y) of an outline, [n 2]."""

_AREA = (0.03, 0.3)
"""Smallest and largest part of the picture that is missing."""
_TRIES, _PLACES = 20, 4
_CANVAS = 256
"""Least side of the canvas that outlines are rounded on; smaller pictures are scaled down from it."""
_LARGEST = 1.6
"""Longest a thing may be, in sides of the picture: what is near is cut off by the frame."""


@mask_generator
def object_shaped(height: int, width: int, rng: np.random.Generator) -> Hole:
    """Silhouettes of people, animals, cars, and lamp posts or signs, painted over with some margin.

    There are one or two; the second is smaller and mostly stands beside. 3 to 30 % of the picture is missing,
    small and large holes equally often on a scale of ratios; pictures of a few pixels and long strips may
    miss that range.
    """
    best, distance = np.zeros((height, width), np.bool_), math.inf
    for _ in range(_TRIES):
        hole = _draw(height, width, rng, math.exp(rng.uniform(*np.log(_AREA))))
        ratio = np.count_nonzero(hole) / hole.size
        miss = max(_AREA[0] - ratio, ratio - _AREA[1], 0.0)
        if hole.any() and miss < distance:
            best, distance = hole, miss
        if distance == 0.0:
            break
    return best


def _draw(height: int, width: int, rng: np.random.Generator, share: float) -> Hole:
    """Draw the things of one mask, together about ``share`` of the picture."""
    zoom = max(1, -(-_CANVAS // min(height, width)))
    if zoom * max(height, width) > 4096:  # a strip of a picture
        zoom = 1
    size = (width * zoom, height * zoom)
    hole = np.zeros((height, width), np.bool_)
    number = int(rng.integers(1, 3))
    shares = [share] if number == 1 else share * np.sort(rng.dirichlet(np.full(number, 4.0)))[::-1]
    for part in shares:
        thing = THINGS[int(rng.integers(len(THINGS)))](rng)
        for _ in range(_PLACES):
            canvas = _painted(thing, size, rng, float(part))
            small = canvas.resize((width, height), Image.Resampling.BOX) if zoom > 1 else canvas
            painted = np.asarray(small) >= 128
            # Side by side, a person and a car look like themselves; in one heap they do not.
            if 5 * np.count_nonzero(painted & hole) <= np.count_nonzero(painted):
                break
        hole |= painted
    return hole


@dataclass
class Thing:
    """A silhouette in units of its own height: x to the right, y down from its top at about 0 to 1.

    Attributes:
        parts: closed outlines, each [n 2]; their union is the silhouette.
    """

    parts: list[Points] = field(default_factory=list)

    def oval(self, x: float, y: float, across: float, down: float, tilt: float = 0.0) -> None:
        """Add an ellipse of two radii, turned by ``tilt`` radians."""
        angles = np.linspace(0, 2 * math.pi, 32, endpoint=False)
        u, v = across * np.cos(angles), down * np.sin(angles)
        turned = u * math.cos(tilt) - v * math.sin(tilt), u * math.sin(tilt) + v * math.cos(tilt)
        self.parts.append(np.stack([x + turned[0], y + turned[1]], axis=1))

    def plate(self, *corners: tuple[float, float]) -> None:
        """Add a polygon."""
        self.parts.append(np.array(corners))

    def limb(self, *joints: tuple[float, float, float]) -> None:
        """Add a chain of joints (x, y, radius), each piece as wide at its ends as the joints are."""
        for start, end in pairwise(joints):
            self.plate(*trapezium(start, end))
        for x, y, radius in joints:
            self.oval(x, y, radius, radius)


def _reach(x: float, y: float, angle: float, length: float, radius: float) -> tuple[float, float, float]:
    """The joint that lies ``length`` further, ``angle`` radians from straight down."""
    return x + length * math.sin(angle), y + length * math.cos(angle), radius


def person(rng: np.random.Generator) -> Thing:
    """Someone who stands or walks, seen from the front or the side, some in a coat or with a bag."""
    thing = Thing()
    stout, lean = rng.uniform(0.85, 1.3), rng.normal(0, 0.03)
    side = rng.random() < 0.4
    shoulder = 0.115 * stout * (0.65 if side else 1.0)
    hip = 0.085 * stout * (0.8 if side else 1.0)
    thing.oval(lean, 0.075, 0.055 * rng.uniform(0.9, 1.1), 0.072)
    thing.limb((lean, 0.1, 0.035), (0.7 * lean, 0.19, 0.045))
    thing.limb((lean - shoulder, 0.2, 0.035), (lean + shoulder, 0.2, 0.035))
    thing.plate(
        (lean - shoulder - 0.02, 0.2), (lean + shoulder + 0.02, 0.2), (hip + 0.02, 0.52), (-hip - 0.02, 0.52)
    )
    stride = rng.uniform(0.2, 0.5) if side else rng.uniform(0.02, 0.2)
    for way in (-1, 1):
        swing = way * rng.uniform(0.3, 1.0) * stride
        bend = -abs(rng.normal(0, 0.2)) if side else 0.0
        start = (way * hip * (0.3 if side else 0.75), 0.5, 0.06 * stout)
        knee = _reach(*start[:2], swing, 0.23, 0.048 * stout)
        ankle = _reach(*knee[:2], swing + bend, 0.21, 0.032 * stout)
        toe = (ankle[0] + (0.06 if side else way * 0.025), ankle[1] + 0.025, 0.024)
        thing.limb(start, knee, ankle, toe)
        raised = rng.random() < 0.15
        lift = way * (rng.uniform(1.8, 2.7) if raised else abs(rng.normal(0.15, 0.25)))
        arm = (lean + way * (shoulder if not side else 0.02), 0.21, 0.036 * stout)
        elbow = _reach(*arm[:2], lift, 0.16, 0.03 * stout)
        hand = _reach(*elbow[:2], lift - way * rng.uniform(-0.2, 1.0), 0.15, 0.022 * stout)
        thing.limb(arm, elbow, hand)
    if rng.random() < 0.3:  # a coat or a skirt
        hem, flare = rng.uniform(0.6, 0.78), rng.uniform(1.1, 1.7)
        thing.plate((-hip, 0.42), (hip, 0.42), (flare * hip + 0.02, hem), (-flare * hip - 0.02, hem))
    if rng.random() < 0.3:  # a bag on the back or at the side
        thing.oval(rng.choice([-1, 1]) * (shoulder + 0.04), rng.uniform(0.28, 0.5), 0.06, 0.09)
    return thing


def animal(rng: np.random.Generator) -> Thing:
    """A beast on four legs from the side: long or short of leg and neck, with ears and a tail."""
    thing = Thing()
    leg, girth = rng.uniform(0.28, 0.55), rng.uniform(0.15, 0.23)
    long = rng.uniform(0.5, 0.75)
    back = 1.0 - leg - girth  # height of the spine's middle
    front, rear = long / 2, -long / 2
    thing.limb((rear, back, girth * rng.uniform(0.85, 1.05)), (0.0, back + 0.02, girth), (front, back, girth))
    rise, neck = rng.uniform(0.5, 1.2), rng.uniform(0.15, 0.42)
    throat = _reach(front, back - 0.05, math.pi - rise, neck, girth * 0.5)
    thing.limb((front, back - 0.03, girth * 0.85), throat)
    head = girth * rng.uniform(0.5, 0.68)
    nod = rng.uniform(-0.2, 0.7)
    muzzle = throat[0] + 1.9 * head * math.cos(nod), throat[1] + 1.9 * head * math.sin(nod)
    thing.limb((throat[0], throat[1], head), (*muzzle, head * rng.uniform(0.4, 0.6)))
    ear = rng.uniform(0.6, 1.4) * head
    thing.plate(
        (throat[0] - 0.8 * head, throat[1]),
        (throat[0] - 0.6 * head, throat[1] - head - ear),
        (throat[0] + 0.5 * head, throat[1] - 0.6 * head),
    )
    for place in (front, rear):
        for _ in range(2):
            swing, thick = rng.normal(0, 0.22), girth * rng.uniform(0.24, 0.34)
            start = (place + rng.uniform(-0.06, 0.04), back + 0.4 * girth, girth * 0.55)
            knee = _reach(*start[:2], swing, 0.5 * (leg + 0.6 * girth), thick)
            hoof = _reach(*knee[:2], swing + rng.normal(0, 0.2), 0.5 * (leg + 0.6 * girth), 0.65 * thick)
            thing.limb(start, knee, hoof, (hoof[0] + 0.6 * thick, hoof[1], 0.6 * thick))
    droop, tail = rng.uniform(-2.4, -0.3), rng.uniform(0.15, 0.4)
    root = (rear - 0.7 * girth, back - 0.2 * girth, girth * 0.25)
    bent = _reach(*root[:2], droop, tail / 2, girth * 0.18)
    thing.limb(root, bent, _reach(*bent[:2], droop + rng.normal(0, 0.5), tail / 2, girth * 0.1))
    return thing


def car(rng: np.random.Generator) -> Thing:
    """A car or a van from the side, on two wheels."""
    thing = Thing()
    van = rng.random() < 0.3
    long, floor, wheel = rng.uniform(2.3, 3.0), 0.8, rng.uniform(0.17, 0.22)
    bonnet = floor - rng.uniform(0.38, 0.46)
    front, rear = long / 2, -long / 2
    thing.limb((rear + 0.1, floor - 0.1, 0.1), (front - 0.1, floor - 0.1, 0.1))
    thing.limb((rear + 0.09, bonnet + 0.09, 0.09), (front - 0.16, bonnet + 0.12, 0.08))
    thing.plate(
        (rear, bonnet + 0.08), (front - 0.1, bonnet + 0.05), (front, floor - 0.08), (rear, floor - 0.08)
    )
    roof = (
        (rear + rng.uniform(0.02, 0.1), front - rng.uniform(0.5, 0.7))
        if van
        else (rear + rng.uniform(0.3, 0.6), front - rng.uniform(1.0, 1.2))
    )
    sill = (rear + 0.02 if van else rear + rng.uniform(0.05, 0.4), roof[1] + rng.uniform(0.3, 0.5))
    thing.plate((sill[0], bonnet + 0.05), (roof[0], 0.03), (roof[1], 0.03), (sill[1], bonnet + 0.08))
    thing.limb((roof[0], 0.06, 0.06), (roof[1], 0.06, 0.06))
    for place in (rear + rng.uniform(0.4, 0.55), front - rng.uniform(0.4, 0.5)):
        thing.oval(place, 1.0 - wheel, wheel, wheel)
    return thing


def post(rng: np.random.Generator) -> Thing:
    """A street lamp with one arm or two, a lantern, a road sign, or a young tree."""
    thing = Thing()
    thick = rng.uniform(0.018, 0.03)
    kind = int(rng.integers(4))
    thing.limb((0.0, 0.12, 0.8 * thick), (0.0, 0.98, thick))
    thing.limb((0.0, 0.9, 1.1 * thick), (0.0, 0.98, 1.4 * thick))
    if kind == 0:
        for way in (-1, 1)[: int(rng.integers(1, 3))]:
            out = way * rng.uniform(0.15, 0.3)
            thing.limb((0.0, 0.14, 0.8 * thick), (0.4 * out, 0.03, 0.7 * thick), (out, 0.03, 0.7 * thick))
            thing.limb((out, 0.035, 1.4 * thick), (out + way * 0.11, 0.045, 1.2 * thick))
    elif kind == 1:
        thing.plate((-0.045, 0.12), (-0.075, 0.04), (0.075, 0.04), (0.045, 0.12))
        thing.plate((-0.095, 0.05), (0.0, -0.02), (0.095, 0.05))
    elif kind == 2:
        half = rng.uniform(0.12, 0.17)
        if rng.random() < 0.5:
            thing.oval(0.0, half, half, half)
        else:
            thing.plate((-half, 2 * half), (half, 2 * half), (half, 0.0), (-half, 0.0))
    else:
        spread = rng.uniform(0.14, 0.24)
        for _ in range(7):
            x, y = rng.normal(0, spread / 2), rng.uniform(0.12, 0.42)
            thing.oval(x, y, spread * rng.uniform(0.5, 0.9), spread * rng.uniform(0.45, 0.75))
    return thing


THINGS: tuple[Callable[[np.random.Generator], Thing], ...] = (person, animal, car, post)
"""What can be painted over, each equally likely."""


def _painted(thing: Thing, size: tuple[int, int], rng: np.random.Generator, share: float) -> Image.Image:
    """Paint over a thing on a canvas (width, height): about ``share`` of it, somewhere, black and white."""
    turn, stretch = rng.normal(0, 0.06), rng.uniform(0.9, 1.1)
    flip = rng.choice([-1.0, 1.0])
    matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    matrix = matrix @ np.diag([flip * stretch, 1 / stretch])
    parts = [part @ matrix.T for part in thing.parts]
    corners = np.concatenate(parts)
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = rng.uniform(0.006, 0.016)  # of the thing's diagonal: how far outside the brush goes
    unit = math.sqrt(share * size[0] * size[1] / _covered(parts, low, high, margin))
    extent = high - low
    unit = min(unit, float((_LARGEST * np.array(size) / extent).min()))
    # The middle lies in the picture, so that a good part of the thing does.
    middle = np.array(size) * rng.uniform(0.25, 0.75, size=2)
    canvas = Image.new("L", size, 0)
    draw_parts(canvas, [(part - (low + high) / 2) * unit + middle for part in parts])
    return rounded(canvas, margin * unit * float(np.hypot(*extent)), rng)


def _covered(
    parts: list[Points],
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    margin: float,
) -> float:
    """Area of a silhouette with its margin, in units of its own."""
    scale = 96 / float((high - low).max())
    border = 12
    side = [math.ceil(length * scale) + 2 * border for length in high - low]
    canvas = Image.new("L", (side[0], side[1]), 0)
    draw_parts(canvas, [(part - low) * scale + border for part in parts])
    reach = margin * scale * float(np.hypot(*(high - low)))
    grown = np.asarray(canvas.filter(ImageFilter.GaussianBlur(reach))) > 48
    return max(1.0, float(np.count_nonzero(grown))) / scale**2


def draw_parts(canvas: Image.Image, parts: list[Points]) -> None:
    """Fill closed outlines, each [n 2] in pixels (x, y), with white."""
    pen = ImageDraw.Draw(canvas)
    for part in parts:
        pen.polygon([(float(x), float(y)) for x, y in part], fill=255, outline=255)


def rounded(canvas: Image.Image, reach: float, rng: np.random.Generator) -> Image.Image:
    """Round an outline and move it about ``reach`` pixels outwards, here more, there less."""
    soft = np.asarray(canvas.filter(ImageFilter.GaussianBlur(reach)), np.float32)
    coarse = (max(2, round(canvas.height / (6 * reach + 1))), max(2, round(canvas.width / (6 * reach + 1))))
    unsteady = Image.fromarray(rng.standard_normal(coarse).astype(np.float32))
    hand = np.asarray(unsteady.resize(canvas.size, Image.Resampling.BICUBIC))
    return Image.fromarray(np.where(soft > 48 + 12 * hand.clip(-1.5, 1.5), 255, 0).astype(np.uint8))
