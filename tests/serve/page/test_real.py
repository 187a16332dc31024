"""The page with the real server behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import ImageCms

from serve.page.desk import Desk, file_of, photograph

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")


class Address:
    """What a desk needs of a server."""

    def __init__(self, url: str) -> None:
        self.url = url if url.endswith("/") else f"{url}/"


@pytest.fixture(scope="module")
def real() -> Iterator[Address]:
    pytest.importorskip("cv2")
    from serve.live import serving
    from twofold.serve.app import create_app
    from twofold.serve.settings import Settings

    settings = Settings(models=("opencv-telea", "medfe-small"), drain_seconds=1.0, threads=1)
    with serving(create_app(settings), settings) as live:
        yield Address(live.url)


@pytest.fixture
def tab(context: Any, real: Address) -> Iterator[Desk]:
    desk = Desk(context.new_page(), real)
    yield desk
    desk.page.close()
    assert desk.problems == []  # among them: breaches of the server's own content policy


def test_hole_is_filled_and_the_rest_stays_bit_identical(tab: Desk) -> None:
    tab.open()
    tab.rectangle(100, 80, 130, 110)
    hole = tab.hole()
    tab.fill()
    assert tab.answers() == ["Answer 1"]
    _, first = tab.download()
    assert (first[~hole] == photograph()[~hole]).all()
    away = np.abs(first[hole].astype(int) - photograph()[hole]).mean()
    assert 0 < away < 20  # Telea knows nothing of the hole, and the picture is smooth
    tab.press("u")
    tab.rectangle(200, 100, 230, 140)
    second_hole = tab.hole()
    tab.fill()
    _, second = tab.download()
    assert (second[~second_hole] == first[~second_hole]).all()
    assert (second[second_hole] != photograph()[second_hole]).any()


def test_depth_and_profile_of_the_original_survive(tab: Desk, tmp_path: Any) -> None:
    from twofold.pixels import Photo, read_photo, write_photo

    pixels = photograph().astype(np.uint16) * 257 + 3
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write_photo(Photo(pixels, icc_profile=profile), tmp_path / "deep.png")
    tab.open((tmp_path / "deep.png").read_bytes(), "deep.png")
    tab.rectangle(100, 80, 130, 110)
    hole = tab.hole()
    tab.fill()
    with tab.page.expect_download() as waiting:
        tab.page.click("#download")
    waiting.value.save_as(tmp_path / "filled.png")
    filled = read_photo(tmp_path / "filled.png")
    assert filled.pixels.dtype == np.uint16
    assert filled.icc_profile == profile
    assert (filled.pixels[~hole] == pixels[~hole]).all()


def test_network_shows_its_structure(tab: Desk) -> None:
    tab.open(file_of(photograph(256, 200)))
    tab.page.click("summary")
    tab.page.select_option("#model", "medfe-small")
    tab.rectangle(100, 80, 130, 110)
    tab.page.set_default_timeout(60_000)
    tab.fill()
    tab.press("s")
    assert tab.text("#inset figcaption") == "What the model saw: structure and texture"
    assert tab.page.locator("#inset-structure").bounding_box()["height"] > 60
