"""Our own interface, ``/api/v1``: fill, follow and cancel jobs, compose the final picture, models, limits."""

import json
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from twofold.serve.api.compose import compose
from twofold.serve.api.services import InPieces, events_of, send_pieces, services_of
from twofold.serve.api.sse import BEAT, encode_event
from twofold.serve.api.sse import HEADERS as STREAM_HEADERS
from twofold.serve.api.sse import MEDIA_TYPE as STREAM_TYPE
from twofold.serve.errors import ApiError
from twofold.serve.images import MEDIA_TYPES, READ_FORMATS
from twofold.serve.jobs.fill import FillTask, decode_task
from twofold.serve.jobs.job import Job
from twofold.serve.schema import (
    CancelAnswer,
    ComposeRequest,
    ErrorAnswer,
    FillAnswer,
    FillRequest,
    JobAnswer,
    LimitsAnswer,
    ModelAnswer,
)

router = APIRouter(prefix="/api/v1")


def body_of(model: str) -> dict[str, Any]:
    """How a route whose body is read in a thread shows in ``/openapi.json``."""
    reference = {"$ref": f"#/components/schemas/{model}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How errors show in ``/openapi.json``; those of the middleware can come from everywhere."""
    return {status: {"model": ErrorAnswer} for status in (401, 403, 500, 503, *statuses)}


BODY_ERRORS = (400, 408, 413, 415, 422, 429)


@router.post(
    "/fill",
    response_model=FillAnswer,
    responses={
        **errors(*BODY_ERRORS, 404, 409, 504),
        200: {"content": {STREAM_TYPE: {"schema": {"type": "string"}}}, "description": "The answers."},
    },
    openapi_extra=body_of("FillRequest"),
    tags=["fill"],
)
async def fill(request: Request) -> Response:
    """Fill the hole, with as many answers as asked for.

    With ``"stream": true``, or if only ``text/event-stream`` is accepted, the answer is a stream of
    server-sent events: ``queued``, ``started``, ``progress``, ``sample``, and ``done`` or ``error`` at
    the end. A client that leaves cancels its job.
    """
    services = services_of(request)
    services.check_room()

    def decode(asked: FillRequest) -> FillTask:
        return decode_task(asked, services.settings, services.pool)

    task = await services.read(request, FillRequest, decode)
    job, as_stream = services.queue.submit(task), task.request.stream
    del task  # its pixels are the queue's to hold
    if as_stream or request.headers.get("accept", "").partition(";")[0].strip().lower() == STREAM_TYPE:
        return EventStream(job)
    content = await services.in_thread(partial(_encode, await whole_answer(request, job)))
    return InPieces(content, media_type="application/json")


def _encode(answer: dict[str, Any]) -> bytes:
    """JSON as it is sent."""
    return json.dumps(answer, separators=(",", ":")).encode()


class EventStream(Response):
    """The events of a job, as they come; whatever ends the answer early cancels the job.

    starlette's ``StreamingResponse`` notices a client that has left only when it next sends, where the server
    speaks ASGI 2.4; a job may be silent for long.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(headers=STREAM_HEADERS, media_type=STREAM_TYPE)
        del self.headers["content-length"]
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send."""
        async with events_of(self._job, receive, BEAT) as events:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            async for event in events:
                await send_pieces(send, encode_event(event))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def whole_answer(request: Request, job: Job) -> dict[str, Any]:
    """Wait until a job is done; if its client leaves meanwhile, it is cancelled.

    Returns:
        The data of a ``FillAnswer``.

    Raises:
        ApiError: how the job ended, if not well.
    """
    samples: list[dict[str, Any]] = []
    async with events_of(job, request.receive) as events:
        async for event in events:
            if event.name == "sample":
                samples.append(event.data)
            elif event.name == "done":
                return {**event.data, "samples": samples}
            elif event.name == "error":
                raise ApiError(**event.data)
    raise RuntimeError(f"job {job.id} ended without a last event")


@router.get("/jobs/{id}", response_model=JobAnswer, responses=errors(404), tags=["jobs"])
async def job(request: Request, id: str) -> Job:
    """How a job stands, as long as it lives; nothing is kept of those that have ended."""
    return _find(request, id)


@router.delete(
    "/jobs/{id}", status_code=202, response_model=CancelAnswer, responses=errors(404), tags=["jobs"]
)
async def cancel(request: Request, id: str) -> Job:
    """Cancel a job: at once if it waits, at its next step if it runs."""
    found = _find(request, id)
    found.cancel()
    return found


def _find(request: Request, id: str) -> Job:
    found = services_of(request).queue.job(id)
    if found is None:
        raise ApiError(404, "not_found", "there is no such job; it may have ended, and nothing is kept of it")
    return found


@router.post(
    "/compose",
    responses={
        **errors(*BODY_ERRORS),
        200: {
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()
            },
            "description": "The file.",
        },
    },
    response_class=Response,
    openapi_extra=body_of("ComposeRequest"),
    tags=["fill"],
)
async def compose_picture(request: Request) -> Response:
    """Lay chosen answers, or parts of them, over the original file, inside the hole only.

    Depth, EXIF data and ICC profile of the original are kept.
    """
    services = services_of(request)
    content, media_type, name = await services.read(
        request, ComposeRequest, lambda asked: compose(asked, services.settings)
    )
    return InPieces(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.get("/models", response_model=list[ModelAnswer], responses=errors(), tags=["server"])
async def models(request: Request) -> list[ModelAnswer]:
    """The models that can be asked for, and how they stand."""
    return services_of(request).pool.describe()


@router.get("/limits", response_model=LimitsAnswer, responses=errors(), tags=["server"])
async def limits(request: Request) -> LimitsAnswer:
    """What the server takes."""
    from twofold import __version__

    settings = services_of(request).settings
    return LimitsAnswer(
        max_megapixels=settings.max_megapixels,
        max_body=settings.max_body,
        max_samples=settings.max_samples,
        formats=list(READ_FORMATS),
        version=__version__,
    )
