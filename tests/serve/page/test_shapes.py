"""Rasters, shapes and PNG files of the page, against slow references in numpy."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from serve.page.desk import Desk

WIDTH, HEIGHT = 530, 300  # three tiles across, two down, the last ones cut


def blobs() -> npt.NDArray[np.bool_]:
    """A hole of many round and square parts, one at each edge of the picture."""
    generator = np.random.default_rng(3)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    hole = np.zeros((HEIGHT, WIDTH), np.bool_)
    for _ in range(14):
        y, x, size = generator.integers((0, 0, 3), (HEIGHT, WIDTH, 40))
        hole |= (rows - y) ** 2 + (columns - x) ** 2 <= size**2
    hole[120:135, :30] = hole[-3:, 400:] = hole[40:90, 250:260] = True
    return hole


@pytest.fixture(scope="module")
def rasters(context: Any, _server: Any) -> Any:
    """What each case makes of the blobs."""
    desk = Desk(context.new_page(), _server)
    desk.visit()
    encoded = base64.b64encode((blobs() * np.uint8(255)).tobytes()).decode()

    def run(name: str) -> tuple[npt.NDArray[np.uint8], list[int], list[int]]:
        file, summary, corners = desk.probe("shape", [WIDTH, HEIGHT, encoded, name])
        image = Image.open(io.BytesIO(base64.b64decode(file)))
        assert (image.mode, image.format, image.size) == ("L", "PNG", (WIDTH, HEIGHT))
        return np.asarray(image), summary, corners

    return run


def distance_to(hole: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Squared distance of each pixel to the nearest one of a hole, slowly."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    padded = np.pad(hole, 1, constant_values=True)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    nearest = np.where(hole, 0.0, np.inf)
    for y, x in np.argwhere(hole & ~inner):
        top, left = max(y - 12, 0), max(x - 12, 0)
        window = np.s_[top : y + 13, left : x + 13]
        np.minimum(nearest[window], (rows[window] - y) ** 2 + (columns[window] - x) ** 2, out=nearest[window])
    return nearest


def capsule(a: tuple[float, float, float], b: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """Distance of pixel centres to a line, in units of the radius there."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    across, down = b[0] - a[0], b[1] - a[1]
    along = np.clip(((columns - a[0]) * across + (rows - a[1]) * down) / (across**2 + down**2), 0, 1)
    away = np.hypot(columns - a[0] - along * across, rows - a[1] - along * down)
    return away / (a[2] + along * (b[2] - a[2]))


@pytest.mark.parametrize(
    ("case", "wanted"),
    [
        ("nothing", lambda hole: hole),
        ("inverted", lambda hole: ~hole),
        ("twice", lambda hole: hole),
        ("grown", lambda hole: distance_to(hole) <= 81),
        ("shrunk", lambda hole: distance_to(~hole) > 16),
        ("stroked", lambda hole: hole | (capsule((240.5, 250.25, 20), (300, 20.75, 20)) <= 1)),
        ("union", lambda hole: hole | np.pad(np.ones((270, WIDTH), bool), ((10, 20), (0, 0)))),
        ("overlap", lambda hole: hole & np.pad(np.ones((270, WIDTH), bool), ((10, 20), (0, 0)))),
        ("undone", lambda hole: hole),
    ],
)
def test_holes_are_what_a_slow_reference_says(rasters: Any, case: str, wanted: Any) -> None:
    levels, summary, corners = rasters(case)
    expected = wanted(blobs())
    assert (levels == np.where(expected, 255, 0)).all()
    rows, columns = np.flatnonzero(expected.any(1)), np.flatnonzero(expected.any(0))
    assert summary == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1, expected.sum()]
    assert corners == [255 * blobs()[0, 0], 255 * blobs()[-1, -1], 0, 0]


def test_stroke_whose_width_changes_erases_a_cone(rasters: Any) -> None:
    levels, _, _ = rasters("erased")
    away = capsule((100.5, 40.25, 12), (420, 280.75, 30))
    assert not levels[away < 0.93].any()
    assert (levels[away > 1.07] == 255 * blobs()[away > 1.07]).all()


def test_soft_stroke_falls_from_full_to_nothing(rasters: Any) -> None:
    levels, _, _ = rasters("soft")
    away = capsule((200, 200, 40), (320, 260, 40))
    assert (levels[away <= 0.5] == 255).all()
    assert not levels[away >= 1].any()
    share = (1 - away) / 0.5
    expected = np.clip(255 * share**2 * (3 - 2 * share), 0, 255)
    between = (away > 0.5) & (away < 1)
    assert np.abs(levels[between] - expected[between]).max() <= 0.51


def test_polygon_covers_the_centres_within(rasters: Any) -> None:
    levels, _, _ = rasters("polygon")
    points = np.array([(30.2, 20.1), (520.7, 150.3), (260.1, 290.9)])
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    sides = [
        (b[0] - a[0]) * (rows - a[1]) - (b[1] - a[1]) * (columns - a[0])
        for a, b in zip(points, np.roll(points, -1, axis=0), strict=True)
    ]
    inside = np.minimum.reduce(sides) > 0
    assert (levels == np.where(inside, 255, 0)).all()


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_events_are_read_however_they_are_cut(rasters: Any, desk: Desk, size: int, ending: str) -> None:
    text = ': awake\n\nevent: progress\ndata: {"done": 1}\n\n\ndata: [\ndata: "é"]\n\nevent: lost\ndata: 1\n'
    data = text.replace("\n", ending).encode()
    chunks = [base64.b64encode(data[at : at + size]).decode() for at in range(0, len(data), size)]
    desk.visit()
    wanted = [["progress", {"done": 1}], ["message", ["é"]]]  # the last one never ended
    assert desk.probe("events", chunks) == wanted


def test_silence_ends_the_reading(desk: Desk) -> None:
    desk.visit()
    assert desk.probe("silence") == "Silence"


def test_history_lets_the_oldest_steps_go_when_they_hold_too_much(desk: Desk) -> None:
    desk.visit()
    count, last, is_first, after = desk.probe("longHistory")
    assert 20 <= count <= 42
    assert (last, is_first, after) == ("step 59", True, count)
