"""From a request to a task, and from answers to events."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from serve.small import PATIENCE, Grey, OneModel, file_of, hole_in, noise, task_of, text
from serve.test_images import ICC
from twofold.engine.crops.windows import Box
from twofold.errors import ImageError, InputError, MaskError
from twofold.inpainter import Sample
from twofold.pixels import Photo
from twofold.serve.errors import ApiError
from twofold.serve.images import decode_base64, read_picture
from twofold.serve.jobs.fill import FillTask, decode_task, run_task, sample_data
from twofold.serve.jobs.job import Event, Job
from twofold.serve.schema import DoneAnswer, FillRequest, SampleAnswer, SamplingRequest
from twofold.serve.settings import Settings

LIMITS = Settings(max_megapixels=0.01, deadline=50, max_samples=4)


def decoded_task(limits: Settings = LIMITS, **change: Any) -> FillTask:
    body = {"image": text(noise()), "mask": text(hole_in()), **change}
    return decode_task(FillRequest.model_validate(body), limits, OneModel())


def run(task: FillTask, inpainter: Any = None) -> list[Event]:
    """All events of an order; a reader is there from the start."""
    job = Job(PATIENCE)

    async def both() -> list[Event]:
        work = asyncio.create_task(asyncio.to_thread(run_task, task, OneModel(inpainter), job))
        events = [event async for event in job.events()]
        await work
        return events

    return asyncio.run(both())


def decoded(sample: dict[str, Any]) -> Photo:
    return read_picture(decode_base64(sample["image"], "image", 10**6), "image", 10**6)[0]


def test_a_request_becomes_a_task_with_its_pictures_decoded() -> None:
    asked = decoded_task(samples=3, seed=7, region="hole", format="webp", structures=True)
    np.testing.assert_array_equal(asked.photo.pixels, noise())
    np.testing.assert_array_equal(asked.hole, hole_in())
    request = asked.request
    assert (asked.model, request.samples, request.seed, request.region) == ("grey", 3, 7, "hole")
    assert (request.format, request.structures, request.options) == ("webp", True, None)
    assert (request.image, request.mask) == ("", "")  # their text is not kept
    assert asked.nbytes == 12 * 16 * 3 + 12 * 16


def test_the_shorter_deadline_holds() -> None:
    assert decoded_task().deadline == 50
    assert decoded_task(deadline=3.0).deadline == 3
    assert decoded_task(deadline=3000).deadline == 50


def test_what_cannot_be_filled_is_refused() -> None:
    with pytest.raises(ApiError, match="no such model here; choose from grey") as caught:
        decoded_task(model="/etc/passwd")
    assert (caught.value.status, caught.value.code) == (404, "unknown_model")
    with pytest.raises(ApiError, match="samples is 5; this server gives up to 4"):
        decoded_task(samples=5)
    with pytest.raises(InputError, match="grey takes no sampling options"):
        decoded_task(options={"temperature": 0.5})
    with pytest.raises(InputError, match="takes no detail"):
        decoded_task(detail="always")
    with pytest.raises(MaskError, match="no hole"):
        decoded_task(mask=text(np.zeros((12, 16), np.bool_)))
    with pytest.raises(ImageError, match="image"):
        decoded_task(image=text(b"no picture"))
    with pytest.raises(ImageError, match="transparency"):
        decoded_task(image=text(noise(channels=4)), format="jpeg")
    with pytest.raises(ImageError, match="16 bits"):
        decoded_task(image=text(noise(dtype="uint16")), format="webp")


def test_answers_that_would_not_fit_are_refused_with_the_number_that_would() -> None:
    small = Settings(answer_bytes=3 * 12 * 16 * 3)
    assert decoded_task(small, samples=3).request.samples == 3
    with pytest.raises(ApiError, match="4 answers of 16x12 are too much at once; ask for 3") as caught:
        decoded_task(small, samples=4)
    assert caught.value.status == 413


def test_the_region_is_the_bounding_box_of_the_hole() -> None:
    assert task_of(region="hole").region == Box(4, 6, 7, 11)
    assert task_of().region == Box(0, 0, 12, 16)
    corners = np.zeros((12, 16), np.bool_)
    corners[0, 2] = corners[11, 0] = True
    assert task_of(hole=corners, region="hole").region == Box(0, 0, 12, 3)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_samples_of_the_region_put_back_are_those_of_the_whole(channels: int, dtype: str) -> None:
    pixels = noise(channels=channels, dtype=dtype)
    whole = [event.data for event in run(task_of(photo=Photo(pixels), samples=2)) if event.name == "sample"]
    part = [
        event.data
        for event in run(task_of(photo=Photo(pixels), samples=2, region="hole"))
        if event.name == "sample"
    ]
    for one, other in zip(whole, part, strict=True):
        picture, box = decoded(one).pixels, decoded(other).pixels
        assert (picture.shape, picture.dtype) == (pixels.shape, pixels.dtype)
        put_back = pixels.copy()
        put_back[other["top"] :][: other["height"], other["left"] :][:, : other["width"]] = box
        np.testing.assert_array_equal(put_back, picture)
        np.testing.assert_array_equal(picture[~hole_in()], pixels[~hole_in()])


def test_events_are_those_of_the_schema() -> None:
    events = run(task_of(samples=3, seed=5, structures=True))
    names = [event.name for event in events]
    assert [name for name in names if name != "progress"] == ["sample"] * 3 + ["done"]
    assert names[0] == "progress"
    samples = [SampleAnswer.model_validate(event.data) for event in events if event.name == "sample"]
    assert [sample.index for sample in samples] == [0, 1, 2]
    assert (samples[0].media_type, samples[0].score, samples[0].log_likelihood) == ("image/png", 0.0, None)
    assert decoded(events[1].data).pixels[5, 7].tolist() == [5, 5, 5]
    structure, _ = read_picture(decode_base64(samples[2].structure or "", "view", 999), "view", 99)
    np.testing.assert_array_equal(structure.pixels, np.full((2, 3, 3), 2, np.uint8))
    assert samples[2].texture is None
    done = DoneAnswer.model_validate(events[-1].data)
    assert (done.model, done.seed, done.options) == ("grey", 5, {"temperature": 0.5})
    assert (done.ranking, done.width, done.height) == ([2, 1, 0], 16, 12)
    for event in events:
        json.dumps(event.data, allow_nan=False)


def test_structures_are_sent_only_if_asked_for() -> None:
    assert all("structure" not in event.data or event.data["structure"] is None for event in run(task_of()))


def test_samples_carry_the_colour_profile_but_no_exif() -> None:
    original = file_of(noise(), "PNG", icc_profile=ICC, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    (sample,) = [event.data for event in run(decoded_task(image=text(original))) if event.name == "sample"]
    assert decoded(sample).icc_profile == ICC
    assert decoded(sample).exif is None


def test_samples_are_told_as_soon_as_they_are_known() -> None:
    job, inpainter, seen = Job(PATIENCE), Grey(), []

    async def follow() -> None:
        work = asyncio.create_task(asyncio.to_thread(run_task, task_of(samples=4), OneModel(inpainter), job))
        async for event in job.events():
            if event.name == "sample":
                seen.append((event.data["index"], len(inpainter.filled)))
        await work

    asyncio.run(follow())
    assert seen[0] == (0, 0)  # while the inpainter is still at it


def test_progress_is_told_about_ten_times_a_second_and_at_the_end() -> None:
    inpainter, told = Grey(), []
    inpainter.steps = 500
    job = Job(PATIENCE)
    job.tell = told.append  # type: ignore[method-assign, assignment]
    run_task(task_of(), OneModel(inpainter), job)
    steps = [event.data["done"] for event in told if event.name == "progress"]
    assert steps[-1] == 500
    assert steps[0] == 1
    assert len(steps) < 20
    assert (job.done, job.total) == (500, 500)


@pytest.mark.parametrize("code", ["cancelled", "deadline"])
def test_a_job_that_is_to_end_ends_at_the_next_step(code: Any) -> None:
    inpainter, job = Grey(), Job(PATIENCE)
    job.start()
    inpainter.before = lambda: job.cancel(code)
    with pytest.raises(ApiError) as caught:
        run_task(task_of(samples=4), OneModel(inpainter), job)
    assert caught.value.code == code
    assert inpainter.filled == []


@pytest.mark.parametrize(("score", "told"), [(float("nan"), None), (float("-inf"), None), (1.5, 1.5)])
def test_what_is_no_number_becomes_null(score: float, told: float | None) -> None:
    data = sample_data(Sample(noise(), score=score, log_likelihood=None), task_of())
    assert (data["score"], data["log_likelihood"]) == (told, None)


class Recorder(Grey):
    """Writes down how it is asked."""

    def fill(self, *arguments: Any, options: Any = None, detail: Any = None, **more: Any) -> Any:
        self.asked = options, detail
        return super().fill(*arguments, **more)


@pytest.mark.parametrize(
    ("request_options", "detail", "asked"),
    [
        (None, "auto", (None, None)),
        (SamplingRequest(), "none", (None, "none")),
        (SamplingRequest(temperature=0.5, top_k=0), "always", ({"temperature": 0.5, "top_k": 0}, "always")),
    ],
)
def test_only_what_was_sent_is_asked_of_the_model(request_options: Any, detail: str, asked: Any) -> None:
    inpainter = Recorder()
    run(task_of(options=request_options, detail=detail), inpainter)
    assert inpainter.asked == asked
