"""Tiny pictures as a client sends them, and models that do what a test wants."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.engine.model_name import Typed
from twofold.inpainter import Progress, Result, Sample
from twofold.pixels import Photo, composite
from twofold.serve.images import encode_picture
from twofold.serve.jobs.fill import FillTask
from twofold.serve.jobs.model_pool import ModelPool
from twofold.serve.schema import FillRequest
from twofold.serve.settings import Settings

PATIENCE = 20.0
"""Seconds that a test waits for what should happen at once."""
Pixels = npt.NDArray[np.generic]


def noise(
    height: int = 12, width: int = 16, channels: int = 3, dtype: str = "uint8", seed: int = 0
) -> Pixels:
    shape = (height, width) if channels == 0 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def hole_in(height: int = 12, width: int = 16) -> npt.NDArray[np.bool_]:
    """A hole of 3 rows and 5 columns from (4, 6) on."""
    hole = np.zeros((height, width), np.bool_)
    hole[4:7, 6:11] = True
    return hole


def png(pixels: Pixels) -> bytes:
    if pixels.dtype == np.bool_:
        pixels = np.where(pixels, np.uint8(255), np.uint8(0))
    return encode_picture(Photo(pixels), "png")


def file_of(pixels: Pixels, format: str, **options: Any) -> bytes:
    """A file as Pillow writes it."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def text(data: bytes | Pixels) -> str:
    return base64.b64encode(data if isinstance(data, bytes) else png(data)).decode()


def task_of(**options: Any) -> FillTask:
    """A task with a small picture; what is no field of it is the request's."""
    own = {"photo": Photo(noise()), "hole": hole_in(), "model": "grey", "deadline": PATIENCE}
    given = {name: options.pop(name, value) for name, value in own.items()}
    return FillTask(**given, request=FillRequest.model_construct(**options))


class Grey:
    """Fills holes with the grey level ``seed`` + index; a step each, held up where a test wants."""

    name = "grey"

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.filled: list[int] = []
        self.before: Callable[[], None] = lambda: None
        self.steps = 4
        self.check: Callable[[], None] = lambda: None

    def fill(
        self,
        image: Any,
        mask: Any,
        samples: int = 1,
        seed: int = 0,
        *,
        options: Any = None,
        detail: Any = None,
        progress: Progress | None = None,
        on_sample: Callable[[Sample], None] | None = None,
    ) -> Result:
        self.entered.set()
        while not self.gate.wait(0.005):
            if progress is not None:
                progress(0, self.steps * samples)
        self.before()
        answers = []
        for index in range(samples):
            for step in range(self.steps):
                if progress is not None:
                    progress(index * self.steps + step + 1, self.steps * samples)
            level = np.full((*mask.shape, 3), min(255, seed + index), np.uint8)
            view = np.full((2, 3, 3), index, np.uint8)
            answers.append(
                Sample(
                    composite(image.pixels, level, mask),
                    structure=view,
                    score=float(index),
                    log_likelihood=float("-inf"),
                    index=index,
                )
            )
            if on_sample is not None:
                on_sample(answers[-1])
        self.filled.append(seed)
        return Result(answers, "grey", seed, {"temperature": 0.5})


class OneModel(ModelPool):
    """A pool with one model in it, which any number of jobs may have at once."""

    def __init__(self, inpainter: Any = None) -> None:
        super().__init__(Settings(models=(Typed("grey=cmd: true {image} {mask} {out}"),)))
        self.inpainter = inpainter or Grey()

    @contextmanager
    def lease(self, *arguments: Any) -> Iterator[Any]:
        yield SimpleNamespace(inpainter=self.inpainter, paused=nullcontext)
