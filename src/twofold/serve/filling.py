"""What one job does: from the request to pictures, and from the answers to events."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from twofold.inpainter import Sample
from twofold.pixels import Photo
from twofold.serve.jobs import Event, Job
from twofold.serve.pictures import (
    MEDIA_TYPES,
    check_format,
    encode_picture,
    encode_view,
    hole_from,
    picture_of,
    to_text,
)
from twofold.serve.refusals import bad_input, too_large

if TYPE_CHECKING:
    from twofold.serve.cupboard import Cupboard
    from twofold.serve.schema import FillRequest
    from twofold.serve.settings import Settings

PROGRESS_EVERY = 0.1
"""Seconds between two events of progress, at least."""


@dataclass(frozen=True, eq=False)
class Order:
    """A request, decoded and checked.

    Attributes:
        photo: what is to be filled.
        hole: [h w] of it, True = missing; somewhere at least.
        model: one of the cupboard's names.
        deadline: seconds from the moment that it is submitted.
        samples: how many answers.
        seed: 0 or more.
        options: what to change of how the model samples; empty: nothing.
        detail: see ``twofold.load``.
        region: whether answers show the whole picture, or the hole's bounding box.
        format: of the answers' files.
        structures: whether the model's own views are wanted.
    """

    photo: Photo
    hole: npt.NDArray[np.bool_]
    model: str
    deadline: float
    samples: int = 1
    seed: int = 0
    options: Mapping[str, Any] | None = None
    detail: Literal["auto", "none", "always"] = "auto"
    region: Literal["whole", "hole"] = "whole"
    format: Literal["png", "webp", "jpeg"] = "png"
    structures: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of its decoded pictures."""
        return int(self.photo.pixels.nbytes + self.hole.nbytes)


@dataclass(frozen=True)
class Region:
    """Where an answer lies in the whole picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The same as rows and columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def order_of(request: FillRequest, settings: Settings, cupboard: Cupboard) -> Order:
    """Decode and check a request; takes a while for large pictures.

    Raises:
        Refusal: if it asks for more than the server gives, or for a model that is not served.
        TwofoldError: if picture or mask cannot be used.
    """
    options = request.options.given() if request.options is not None else {}
    model = cupboard.check(request.model, options, request.detail)
    if request.samples > settings.max_samples:
        raise bad_input(f"samples is {request.samples}; this server gives up to {settings.max_samples}")
    photo, _ = picture_of(request.image, "image", settings)
    hole = hole_from(request.mask, photo, settings)
    if request.samples * photo.pixels.nbytes > settings.answer_bytes:
        most = max(1, settings.answer_bytes // photo.pixels.nbytes)
        raise too_large(
            f"{request.samples} answers of {photo.width}x{photo.height} are too much at once; "
            f"ask for {most}, or send a smaller picture"
        )
    order = Order(
        # A sample carries the colour profile; the rest is put back when the final picture is made.
        Photo(photo.pixels, icc_profile=photo.icc_profile),
        hole,
        model,
        min(settings.deadline, request.deadline or settings.deadline),
        request.samples,
        request.seed,
        options,
        request.detail,
        request.region,
        request.format,
        request.structures,
    )
    shown = region_of(order).slices
    check_format(order.format, photo.with_pixels(photo.pixels[shown]))
    return order


def region_of(order: Order) -> Region:
    """Where the answers to an order lie."""
    if order.region == "whole":
        return Region(0, 0, order.photo.width, order.photo.height)
    rows, columns = (np.flatnonzero(order.hole.any(axis=axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    return Region(left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)


def run_order(order: Order, painter: Any, job: Job) -> None:
    """Fill an order and tell of it: events ``progress`` and ``sample``, and ``done`` at the end.

    Raises:
        Stopped: if the job is to end.
        Refusal: if there is something that the client must be told instead.
        TwofoldError: the same.
    """
    start, told_at = time.monotonic(), -math.inf
    region = region_of(order)

    def progress(done: int, total: int) -> None:
        nonlocal told_at
        job.step(done, total)
        job.check()
        now = time.monotonic()
        if now - told_at >= PROGRESS_EVERY or done >= total:
            told_at = now
            job.tell(Event("progress", {"done": done, "total": total}))

    def on_sample(sample: Sample) -> None:
        job.tell(Event("sample", sample_data(sample, order, region)))

    result = painter.fill(
        order.photo.pixels, order.hole, order.samples, order.seed, progress=progress, on_sample=on_sample
    )
    job.finish(
        {
            "id": job.id,
            "model": order.model,
            "seed": order.seed,
            "options": {name: _plain(value) for name, value in result.options.items()},
            "ranking": list(result.ranking),
            "seconds": round(time.monotonic() - start, 3),
            "width": order.photo.width,
            "height": order.photo.height,
        }
    )


def sample_data(sample: Sample, order: Order, region: Region) -> dict[str, Any]:
    """What a client is told of a sample: the fields of ``schema.SampleAnswer``."""
    shown = np.ascontiguousarray(sample.image[region.slices])
    view = encode_view if order.structures else lambda pixels: None
    return {
        "index": sample.index,
        "image": to_text(encode_picture(order.photo.with_pixels(shown), order.format)),
        "media_type": MEDIA_TYPES[order.format],
        "left": region.left,
        "top": region.top,
        "width": region.width,
        "height": region.height,
        "structure": None if sample.structure is None else view(sample.structure),
        "texture": None if sample.texture is None else view(sample.texture),
        "score": _plain(sample.score),
        "log_likelihood": _plain(sample.log_likelihood),
        "duplicate_of": sample.duplicate_of,
        "attempt": sample.attempt,
    }


def _plain(value: Any) -> Any:
    """A value for JSON, which has no infinity and nothing that is not a number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
