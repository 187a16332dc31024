"""The static page that runs the exported network in a browser; skipped where there is no Chromium.

Filling needs onnxruntime-web, in ``docs/try/ort`` or the folder that TWOFOLD_ORT_WEB names; how to fetch it
says ``docs/try/README.md``.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from export.files import exported_medfe
from twofold.export.parity import open_graph

PAGE = Path(__file__).parents[2] / "docs" / "try"
ORT = Path(os.environ.get("TWOFOLD_ORT_WEB", PAGE / "ort"))
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


class Handler(SimpleHTTPRequestHandler):
    """The page's folder, with onnxruntime-web and a model from elsewhere."""

    model = Path()

    def translate_path(self, path: str) -> str:
        name = path.partition("?")[0].lstrip("/") or "index.html"
        if name == "medfe-small.onnx":
            return str(self.model)
        if name.startswith("ort/"):
            return str(ORT / Path(name).name)
        return str(PAGE / name)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    Handler.model = exported_medfe(tmp_path_factory) / "tiny.onnx"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        page.goto(address)
        yield page
        browser.close()


def test_windows_hold_the_hole_and_mirrors_stay_inside(page: Any) -> None:
    found = page.evaluate(
        """async () => {
          const tile = await import("./tile.js");
          const cases = [];
          let state = 7;
          const random = (most) => { state = (state * 48271) % 2147483647; return state % most; };
          for (let trial = 0; trial < 60; trial++) {
            const [width, height] = [1 + random(900), 1 + random(900)];
            const hole = new Uint8Array(width * height);
            const [left, top] = [random(width), random(height)];
            const [right, bottom] = [left + 1 + random(width - left), top + 1 + random(height - top)];
            for (let y = top; y < bottom; y++) hole.fill(1, y * width + left, y * width + right);
            const box = tile.boxAround(hole, width, height);
            const view = tile.windowAround(box, width, height);
            const size = tile.sizeFor(view);
            const part = tile.crop(hole, width, view, 1);
            const small = tile.shrinkHole(part, view.width, view.height, size);
            const pixels = new Uint8ClampedArray(4 * size.width * size.height);
            const inputs = tile.toInputs(pixels, small, size);
            cases.push({
              width, height,
              box: [box.left, box.top, box.right, box.bottom], wanted: [left, top, right, bottom],
              view, size, missing: part.reduce((a, b) => a + b, 0), inputs: [inputs.width, inputs.height],
              small: small.reduce((a, b) => a + b, 0),
            });
          }
          const mirror = [];
          for (let length = 1; length < 6; length++)
            for (let place = -2 * length; place < 3 * length; place++)
              mirror.push([place, length, tile.mirrored(place, length)]);
          return { cases, mirror };
        }"""
    )
    for case in found["cases"]:
        assert case["box"] == case["wanted"]
        view, (left, top, right, bottom) = case["view"], case["box"]
        assert 0 <= view["left"] <= left
        assert right <= view["left"] + view["width"] <= case["width"]
        assert 0 <= view["top"] <= top
        assert bottom <= view["top"] + view["height"] <= case["height"]
        assert case["missing"] == (right - left) * (bottom - top)
        assert max(case["size"].values()) <= 512
        scale = case["size"]["width"] / view["width"]
        assert case["small"] >= case["missing"] * scale**2 * 0.9
        assert all(side % 64 == 0 for side in case["inputs"])
    for place, length, mirrored in found["mirror"]:
        line = np.pad(np.arange(length), 3 * length, mode="reflect")
        assert mirrored == line[place + 3 * length]


def shown(page: Any) -> np.ndarray:
    """The pixels that the page's canvas shows, [h w 3]."""
    width, height, levels = page.evaluate(
        """() => {
          const canvas = document.querySelector("canvas");
          const { width, height } = canvas;
          return [width, height, Array.from(canvas.getContext("2d").getImageData(0, 0, width, height).data)];
        }"""
    )
    return np.array(levels, np.uint8).reshape(height, width, 4)[..., :3]


def photo(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    planes = [128 + 90 * np.sin(x / 17), 128 + 90 * np.cos(y / 23), 255 * x / width]
    return np.stack(planes, axis=2).astype(np.uint8)


def opened(page: Any, picture: np.ndarray) -> None:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    page.set_input_files("#open", {"name": "photo.png", "mimeType": "image/png", "buffer": file.getvalue()})
    page.locator(f'canvas[width="{picture.shape[1]}"][height="{picture.shape[0]}"]').wait_for()


@pytest.mark.skipif(not (ORT / "ort.wasm.min.mjs").is_file(), reason="onnxruntime-web is not there")
@pytest.mark.parametrize("size", [(256, 256), (300, 420)])
def test_a_hole_is_painted_filled_undone_and_nothing_else_changes(page: Any, size: tuple[int, int]) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    picture = photo(*size)
    opened(page, picture)
    np.testing.assert_array_equal(shown(page), picture)
    assert page.is_disabled("#fill")
    box = page.locator("canvas").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1] + 20, steps=5)
    page.mouse.up()
    hole = (shown(page) != picture).any(axis=2)
    assert 500 < hole.sum() < 20000
    page.wait_for_selector("#fill:not([disabled])", timeout=60000)
    page.click("#fill")
    page.locator("#status", has_text="Filled in").wait_for(timeout=60000)
    filled = shown(page)
    np.testing.assert_array_equal(filled[~hole], picture[~hole])
    assert (filled[hole] != picture[hole]).any()
    if size == (256, 256):  # the window is the whole picture at its own size: the same graph elsewhere agrees
        arrays = {"image": picture[None], "hole": hole[None].astype(np.uint8)}
        wanted = open_graph(onnx.load(Handler.model))(["filled"], arrays)[0][0]
        assert np.abs(filled.astype(int) - wanted).max() <= 1
    page.click("#undo")
    assert ((shown(page) != picture).any(axis=2) == hole).all()
    page.click("#undo")
    np.testing.assert_array_equal(shown(page), picture)
    assert not complaints
    assert all(url.startswith((page.url, "blob:", "data:")) for url in asked)


def test_a_page_without_the_library_says_what_is_missing(page: Any) -> None:
    if (ORT / "ort.wasm.min.mjs").is_file():
        pytest.skip("onnxruntime-web is there")
    page.locator("#status", has_text="cannot be started").wait_for()
