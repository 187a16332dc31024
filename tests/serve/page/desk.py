"""The page as someone uses it: open, paint, fill, look; in picture pixels."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Point = tuple[float, float]
WIDTH, HEIGHT = 320, 240
PROBES = Path(__file__).with_name("probes.js")


def photograph(width: int = WIDTH, height: int = HEIGHT) -> npt.NDArray[np.uint8]:
    """A smooth picture in which nearly every pixel is another colour, none of them a fill's."""
    rows, columns = np.mgrid[:height, :width]
    channels = [columns * 255 // width, rows * 255 // height, (rows + columns) % 128 + 100]
    return np.stack(channels, axis=2).astype(np.uint8)


def file_of(pixels: npt.NDArray[Any], kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


class Desk:
    """One tab."""

    def __init__(self, page: Any, fake: Any) -> None:
        self.page, self.fake = page, fake
        self.problems: list[str] = []
        page.set_default_timeout(10_000)
        page.add_init_script(path=PROBES)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def visit(self) -> None:
        self.page.goto(self.fake.url)
        self.page.wait_for_selector("#model option", state="attached")

    def open(self, data: bytes | None = None, name: str = "photo.png", kind: str = "image/png") -> Desk:
        """Open a photo by the file dialog's way, and wait until it is drawn."""
        if not self.page.url.startswith("http"):
            self.visit()
        data = file_of(photograph()) if data is None else data
        self.page.set_input_files("#photo-file", {"name": name, "mimeType": kind, "buffer": data})
        self.page.wait_for_selector("body[data-photo=open]")
        self.page.wait_for_selector("#stage[data-scale]")
        self.settle()
        return self

    def probe(self, name: str, given: Any = None) -> Any:
        """Ask one of the functions in ``probes.js``."""
        return self.page.evaluate(f"(given) => probes.{name}(given)", given)

    def settle(self) -> None:
        """Wait until all that is due has been drawn."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def place(self, x: float, y: float) -> Point:
        """Where a picture point is in the window."""
        left, top, scale = self.probe("place")
        return left + x * scale, top + y * scale

    def drag(self, points: Sequence[Point], *, lift: bool = True, button: Any = "left") -> None:
        mouse = self.page.mouse
        mouse.move(*self.place(*points[0]))
        mouse.down(button=button)
        for point in points[1:]:
            mouse.move(*self.place(*point), steps=2)
        if lift:
            mouse.up(button=button)
        self.settle()

    def tap(self, selector: str, effect: str) -> None:
        """Tap until what the tap brings about is there.

        A tap returns before the browser has made a click of it, and where a busy machine holds the finger
        down for half a second it is no tap.
        """
        from playwright.sync_api import TimeoutError as NotThere

        for _ in range(5):
            self.page.tap(selector)
            with contextlib.suppress(NotThere):
                self.page.wait_for_selector(effect, state="attached", timeout=4_000)
                return
        raise AssertionError(f"tapping {selector} brought no {effect}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def set_size(self, pixels: int) -> None:
        """Set the brush's diameter with the keys."""
        for _ in range(200):
            now = int(self.text("#size-text").split()[0])
            if now == pixels:
                return
            step = "]" if now < pixels else "["
            self.press(step)
            after = int(self.text("#size-text").split()[0])
            if (after - pixels) * (now - pixels) < 0:
                return
        raise AssertionError(f"no size near {pixels}")

    @property
    def size(self) -> int:
        return int(self.text("#size-text").split()[0])

    def text(self, selector: str) -> str:
        return str(self.page.text_content(selector) or "").strip()

    def mode(self) -> str:
        return str(self.page.evaluate("document.body.dataset.mode"))

    def steps(self) -> list[str]:
        """The list of steps, oldest first."""
        return [str(text) for text in self.page.locator("#step-list button").all_text_contents()][::-1]

    def step(self) -> str:
        """The present step."""
        return self.text("#step-list [aria-current]")

    def hole(self) -> npt.NDArray[np.bool_]:
        """The hole as its downloaded PNG says."""
        with self.page.expect_download() as waiting:
            self.page.evaluate("document.querySelector('#mask-save').click()")
        mask = Image.open(waiting.value.path())
        assert mask.mode == "L"
        levels = np.asarray(mask)
        assert set(np.unique(levels)) <= {0, 255}
        return levels == 255

    def download(self) -> tuple[str, npt.NDArray[np.uint8]]:
        """Name and pixels of the downloaded picture."""
        with self.page.expect_download() as waiting:
            self.page.click("#download")
        with Image.open(waiting.value.path()) as image:
            return str(waiting.value.suggested_filename), np.asarray(image.convert("RGB"))

    def seen(self, x: float, y: float) -> tuple[int, ...]:
        """The colour that the stage shows at a picture point."""
        self.settle()
        return tuple(self.probe("seen", [x, y]))

    def rectangle(self, left: float, top: float, right: float, bottom: float) -> None:
        """Paint a rectangle and go back to the brush."""
        self.press("r")
        self.drag([(left, top), (right, bottom)])
        self.press("b")

    def choose_many(self, count: int = 4) -> None:
        self.page.click("#kinds >> text=Many")
        self.probe("setCount", count)

    def fill(self, *, wait: bool = True) -> None:
        self.page.click("#fill")
        if wait:
            self.page.wait_for_selector("#progress", state="hidden")
            self.settle()

    def answers(self) -> list[str]:
        """What a screen reader is told of each answer, in the order of the list."""
        thumbs = self.page.locator("#thumbs [role=radio]")
        return [str(thumbs.nth(at).get_attribute("aria-label")) for at in range(thumbs.count())]

    def pick(self, answer: int | str) -> None:
        self.page.click(f"[data-answer='{answer}']")
        self.settle()
