"""What one job does: from the request to pictures, and from the answers to events."""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twofold.engine.crops.windows import Box, bounding_box
from twofold.inpainter import Sample
from twofold.pixels import Photo
from twofold.serve.errors import bad_input, too_large
from twofold.serve.images import (
    MEDIA_TYPES,
    check_format,
    encode_text,
    hole_from,
    picture_of,
)
from twofold.serve.jobs.job import Event, Job
from twofold.serve.jobs.model_pool import ModelPool
from twofold.serve.schema import FillRequest
from twofold.serve.settings import Settings

PROGRESS_EVERY = 0.1
"""Seconds between two events of progress, at least."""


@dataclass(frozen=True, eq=False)
class FillTask:
    """A request whose pictures are decoded and checked.

    Attributes:
        photo: what is to be filled.
        hole: [h w] of it, True = missing; somewhere at least.
        model: one of the pool's names.
        deadline: seconds from the moment that it is submitted.
        request: the rest of it; its pictures are left out.
    """

    photo: Photo
    hole: npt.NDArray[np.bool_]
    model: str
    deadline: float
    request: FillRequest

    @property
    def nbytes(self) -> int:
        """Bytes of its decoded pictures."""
        return int(self.photo.pixels.nbytes + self.hole.nbytes)

    @property
    def region(self) -> Box:
        """Where the answers lie."""
        box = bounding_box(self.hole) if self.request.region == "hole" else None
        return box or Box(0, 0, self.photo.height, self.photo.width)


def decode_task(
    request: FillRequest, settings: Settings, pool: ModelPool, *, same_format: bool = False
) -> FillTask:
    """Decode and check a request; takes a while for large pictures.

    Args:
        request: as it came.
        settings: what the server gives.
        pool: which models there are.
        same_format: whether a JPEG or WebP is answered as what it is, whatever format the request names.

    Raises:
        ApiError: if it asks for more than the server gives, or for a model that is not served.
        TwofoldError: if picture or mask cannot be used.
    """
    options = request.options.given() if request.options is not None else {}
    model = pool.check(request.model, options, request.detail)
    if request.samples > settings.max_samples:
        raise bad_input(f"samples is {request.samples}; this server gives up to {settings.max_samples}")
    photo, kind = picture_of(request.image, "image", settings)
    hole = hole_from(request.mask, photo, settings)
    if request.samples * photo.pixels.nbytes > settings.answer_bytes:
        most = max(1, settings.answer_bytes // photo.pixels.nbytes)
        raise too_large(
            f"{request.samples} answers of {photo.width}x{photo.height} are too much at once; "
            f"ask for {most}, or send a smaller picture"
        )
    format = kind if same_format and kind in ("jpeg", "webp") else request.format
    task = FillTask(
        # A sample carries the colour profile; the rest is put back when the final picture is made.
        Photo(photo.pixels, icc_profile=photo.icc_profile),
        hole,
        model,
        min(settings.deadline, request.deadline or settings.deadline),
        request.model_copy(update={"image": "", "mask": "", "format": format}),
    )
    check_format(format, photo.with_pixels(photo.pixels[task.region.slices]))
    return task


def run_task(task: FillTask, pool: ModelPool, job: Job) -> None:
    """Fill and tell of it: events ``progress`` and ``sample``, and ``done`` at the end.

    Raises:
        ApiError: if the job is to end, or there is something else that the client must be told.
        TwofoldError: the same.
    """
    request, told_at = task.request, -math.inf

    def progress(done: int, total: int) -> None:
        nonlocal told_at
        job.done, job.total = done, total
        job.check()
        now = time.monotonic()
        if now - told_at >= PROGRESS_EVERY or done >= total:
            told_at = now
            job.tell(Event("progress", {"done": done, "total": total}))

    def on_sample(sample: Sample) -> None:
        with lease.paused():  # others may have the model while a file is written and its reader is slow
            job.tell(Event("sample", sample_data(sample, task)))

    with pool.lease(task.model, job.check) as lease:
        start = time.monotonic()
        result = lease.inpainter.fill(
            task.photo,
            task.hole,
            request.samples,
            request.seed,
            options=(request.options and request.options.given()) or None,
            detail=None if request.detail == "auto" else request.detail,
            progress=progress,
            on_sample=on_sample,
        )
    job.finish(
        {
            "id": job.id,
            "model": task.model,
            "seed": request.seed,
            "options": {name: _plain(value) for name, value in result.options.items()},
            "ranking": list(result.ranking),
            "seconds": round(time.monotonic() - start, 3),
            "width": task.photo.width,
            "height": task.photo.height,
        }
    )


def sample_data(sample: Sample, task: FillTask) -> dict[str, Any]:
    """What a client is told of a sample: the fields of ``schema.SampleAnswer``."""
    region, request = task.region, task.request
    shown = np.ascontiguousarray(sample.image[region.slices])

    def view(pixels: npt.NDArray[np.uint8] | None) -> str | None:
        return encode_text(Photo(pixels), "png") if request.structures and pixels is not None else None

    return {
        "index": sample.index,
        "image": encode_text(task.photo.with_pixels(shown), request.format),
        "media_type": MEDIA_TYPES[request.format],
        "left": region.left,
        "top": region.top,
        "width": region.width,
        "height": region.height,
        "structure": view(sample.structure),
        "texture": view(sample.texture),
        "score": _plain(sample.score),
        "log_likelihood": _plain(sample.log_likelihood),
        "duplicate_of": sample.duplicate_of,
        "attempt": sample.attempt,
    }


def _plain(value: Any) -> Any:
    """A value for JSON, which has no infinity and nothing that is not a number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
