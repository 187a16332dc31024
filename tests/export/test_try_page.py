"""The static page that runs the exported network in a browser; skipped where there is no Chromium.

Filling needs onnxruntime-web, in ``docs/try/ort`` or the folder that TWOFOLD_ORT_WEB names; how to fetch it
says ``docs/try/README.md``.
"""

from __future__ import annotations

import base64
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from chromium import chromium
from export.files import exported_medfe
from twofold.engine.backends.onnx.manifest import KEY
from twofold.engine.load import load

PAGE = Path(__file__).parents[2] / "docs" / "try"
ORT = Path(os.environ.get("TWOFOLD_ORT_WEB", PAGE / "ort"))
ORT_THERE = (ORT / "ort.wasm.min.mjs").is_file()
NEEDS_ORT = pytest.mark.skipif(not ORT_THERE, reason="onnxruntime-web is not there")
PATIENCE = 90  # seconds; only a machine under heavy load needs more than a few


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
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    Handler.model = exported_medfe(tmp_path_factory) / "tiny.onnx"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def blank(browser: Any) -> Iterator[Any]:
    """A page that is nowhere yet."""
    context = browser.new_context(viewport={"width": 1000, "height": 1000}, has_touch=True)
    context.set_default_timeout(PATIENCE * 1000)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(blank: Any, address: str) -> Any:
    blank.goto(address)
    return blank


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
              view, size, missing: part.reduce((a, b) => a + b, 0), side: inputs.side,
              start: [inputs.left, inputs.top], small: small.reduce((a, b) => a + b, 0),
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
        assert case["side"] % 64 == 0
        assert case["side"] >= max(256, *case["size"].values())
        assert case["start"] == [(case["side"] - case["size"][axis]) // 2 for axis in ("width", "height")]
    for place, length, mirrored in found["mirror"]:
        line = np.pad(np.arange(length), 3 * length, mode="reflect")
        assert mirrored == line[place + 3 * length]


def shown(page: Any) -> np.ndarray:
    """The pixels that the page's canvas shows, [h w 3]."""
    address = page.evaluate("document.querySelector('canvas').toDataURL('image/png')")
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(picture.convert("RGB"))


def wait_until(page: Any, wanted: Callable[[np.ndarray], bool]) -> np.ndarray:
    """The pixels as soon as they are as wanted: what a click or a key does may take the page a while."""
    deadline = time.monotonic() + PATIENCE
    while not wanted(found := shown(page)):
        assert time.monotonic() < deadline, "the canvas never showed it"
        page.wait_for_timeout(50)
    return found


def same_as(wanted: np.ndarray) -> Callable[[np.ndarray], bool]:
    return lambda found: np.array_equal(found, wanted)


def photo(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    planes = [128 + 90 * np.sin(x / 17), 128 + 90 * np.cos(y / 23), 255 * x / width]
    return np.stack(planes, axis=2).astype(np.uint8)


def opened(page: Any, picture: np.ndarray) -> None:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    page.set_input_files("#open", {"name": "photo.png", "mimeType": "image/png", "buffer": file.getvalue()})
    page.locator(f'canvas[width="{picture.shape[1]}"][height="{picture.shape[0]}"]').wait_for()


def middle_of(page: Any) -> tuple[float, float]:
    box = page.locator("canvas").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drawn_by_mouse(page: Any, across: int, down: int) -> None:
    """A stroke that has its middle in the photo's."""
    x, y = middle_of(page)
    page.mouse.move(x - across / 2, y - down / 2)
    page.mouse.down()
    page.mouse.move(x + across / 2, y + down / 2, steps=5)
    page.mouse.up()


def filled_by_the_engine(folder: Path, picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """What ``twofold fill --detail none`` makes of it, were the tiny network made for the page's squares."""
    model = onnx.load(Handler.model)
    for entry in model.metadata_props:
        if entry.key == KEY:
            entry.value = json.dumps(json.loads(entry.value) | {"native_size": 256, "largest_size": 512})
    onnx.save(model, folder / "wide.onnx")
    return load(folder / "wide.onnx", engine="onnx", detail="none").fill(picture, hole).image


@NEEDS_ORT
@pytest.mark.parametrize(
    ("size", "stroke"),
    [((256, 256), (40, 20)), ((300, 420), (150, 30)), ((150, 231), (60, 0)), ((600, 640), (430, 90))],
    ids=["whole", "window", "mirrored", "scaled"],
)
def test_a_hole_is_painted_filled_undone_and_nothing_else_changes(
    page: Any, tmp_path: Path, size: tuple[int, int], stroke: tuple[int, int]
) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    picture = photo(*size)
    opened(page, picture)
    np.testing.assert_array_equal(shown(page), picture)
    assert page.is_disabled("#fill")
    drawn_by_mouse(page, *stroke)
    painted = shown(page)
    hole = (painted != picture).any(axis=2)
    assert 1000 < hole.sum() < 25000
    page.wait_for_selector("#fill:not([disabled])")
    page.click("#fill")
    page.locator("#status", has_text="Filled in").wait_for()
    filled = wait_until(page, lambda found: not np.array_equal(found, painted))
    np.testing.assert_array_equal(filled[~hole], picture[~hole])
    assert (filled[hole] != picture[hole]).any()
    if size[0] < 512:  # else the browser's own resampling has a part in it
        assert np.abs(filled.astype(int) - filled_by_the_engine(tmp_path, picture, hole)).max() <= 1
    page.click("#undo")
    wait_until(page, same_as(painted))
    page.click("#undo")
    wait_until(page, same_as(picture))
    assert page.is_disabled("#undo")
    assert not complaints
    assert all(url.startswith((page.url, "blob:", "data:")) for url in asked)


@NEEDS_ORT
def test_what_is_downloaded_is_the_filled_picture_and_before_shows_the_first(page: Any) -> None:
    picture = photo(140, 200)
    opened(page, picture)
    drawn_by_mouse(page, 50, 10)
    page.click("#fill")
    page.locator("#status", has_text="Filled in").wait_for()
    filled = wait_until(page, lambda found: len(np.unique(found[(found != picture).any(axis=2)])) > 3)
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "filled.png"
    np.testing.assert_array_equal(np.asarray(Image.open(download.value.path()).convert("RGB")), filled)
    page.click("#compare")
    wait_until(page, same_as(picture))
    assert page.is_disabled("#undo")
    page.click("#compare")
    wait_until(page, same_as(filled))
    page.click("#compare")
    other = photo(90, 80)
    opened(page, other)  # a new photo is shown as it is now
    wait_until(page, same_as(other))
    assert page.get_attribute("#compare", "aria-pressed") == "false"


@NEEDS_ORT
def test_keys_alone_paint_undo_and_fill(page: Any) -> None:
    picture = photo(160, 180)
    opened(page, picture)
    page.focus("canvas")
    page.keyboard.press("ArrowLeft")
    wait_until(page, same_as(picture))  # only the brush has moved
    page.keyboard.press("Space")
    spot = wait_until(page, lambda found: not np.array_equal(found, picture))
    page.keyboard.press("Shift+ArrowDown")
    line = wait_until(page, lambda found: not np.array_equal(found, spot))
    assert (line != picture).any(axis=2).sum() > (spot != picture).any(axis=2).sum()
    page.keyboard.press("Control+z")
    wait_until(page, same_as(spot))
    page.wait_for_selector("#fill:not([disabled])")
    page.keyboard.press("Enter")
    page.locator("#status", has_text="Filled in").wait_for()
    hole = (spot != picture).any(axis=2)
    filled = wait_until(page, lambda found: not np.array_equal(found, spot))
    np.testing.assert_array_equal(filled[~hole], picture[~hole])
    size = page.input_value("#brush")
    page.keyboard.press("]")
    page.wait_for_function("size => Number(document.querySelector('#brush').value) > Number(size)", arg=size)


def test_one_finger_paints_and_a_second_does_not(page: Any) -> None:
    picture = photo(200, 300)
    opened(page, picture)
    x, y = middle_of(page)
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        places = [{"x": x + across, "y": y + down, "id": name} for name, (across, down) in enumerate(points)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    touch("touchStart", (-60, 0))
    spot = wait_until(page, lambda found: not np.array_equal(found, picture))
    touch("touchStart", (-60, 0), (60, 60))
    touch("touchMove", (0, 0), (60, 60))
    line = wait_until(page, lambda found: not np.array_equal(found, spot))
    touch("touchEnd")
    assert not (line != picture)[150:, 200:].any()
    page.locator("#undo").click()
    wait_until(page, same_as(picture))
    assert page.is_disabled("#undo")


def test_the_example_opens_and_a_file_that_is_no_picture_is_refused(page: Any) -> None:
    page.click("#example")
    page.locator('canvas[width="600"][height="400"]').wait_for()
    before = shown(page)
    page.set_input_files("#open", {"name": "a.png", "mimeType": "image/png", "buffer": b"not a picture"})
    page.locator("#status", has_text="no picture that the browser can show").wait_for()
    np.testing.assert_array_equal(shown(page), before)


@pytest.mark.parametrize(
    ("files", "status", "words"),
    [
        ("**/medfe-small.onnx", 404, "medfe-small.onnx is missing on this server (404)"),
        ("**/medfe-small.onnx", 200, "medfe-small.onnx cannot be used"),
        ("**/ort/*", 404, "the folder ort/ is missing on this server"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(
    blank: Any, address: str, files: str, status: int, words: str
) -> None:
    if "onnx" in files and not ORT_THERE:
        pytest.skip("onnxruntime-web is not there")
    blank.route(files, lambda route: route.fulfill(status=status, body="<p>not here"))
    blank.goto(address)
    blank.locator("#status[data-kind=bad]", has_text=words).wait_for()
    assert blank.text_content("#status").startswith("The network cannot be started: ")
    opened(blank, photo(60, 80))
    drawn_by_mouse(blank, 20, 0)
    assert blank.is_disabled("#fill")
