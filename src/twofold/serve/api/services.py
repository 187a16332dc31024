"""What the routes of one application share, and how they read a request and send an answer."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from twofold.serve.errors import ApiError, busy
from twofold.serve.jobs.job import Event, Job
from twofold.serve.jobs.model_pool import ModelPool
from twofold.serve.jobs.queue import FillQueue
from twofold.serve.metrics import Metrics
from twofold.serve.security.request_body import Body, BodyLimit
from twofold.serve.settings import Settings

DECODERS = 2
"""Pictures that are decoded at the same time; each may take several times its body's memory."""
PIECE = 256 * 1024
"""Bytes of an answer that are handed on at once; the next ones wait until the client has read."""
COMPLAINTS = 3
"""Faults of a request that are named at most."""

Asked = TypeVar("Asked", bound=BaseModel)
Answer = TypeVar("Answer")
Events = AsyncIterator[Event]


@dataclass
class Services:
    """The parts of one application."""

    settings: Settings
    pool: ModelPool
    queue: FillQueue
    metrics: Metrics
    body_limit: BodyLimit
    decoders: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(DECODERS, thread_name_prefix="twofold-decode")
    )
    chosen_model: str = ""
    """The model of IOPaint's routes; any of its clients may change it."""
    leaving: bool = False
    """Whether the server is about to stop."""

    def __post_init__(self) -> None:
        """Begin with the default model."""
        self.chosen_model = self.chosen_model or self.pool.default

    def check_room(self) -> None:
        """Refuse early, before a body is read and decoded for nothing.

        Raises:
            ApiError: 429 if as many jobs wait as may.
        """
        if self.queue.waiting >= self.settings.queue:
            raise busy(f"{self.queue.waiting} requests wait already, as many as may; come again later", 2)

    async def read(self, request: Request, kind: type[Asked], decode: Callable[[Asked], Answer]) -> Answer:
        """Read a request's JSON and decode it, both in a thread: bodies are large.

        Args:
            request: its body is read within the limits of its ``Body``.
            kind: what it must be.
            decode: from that to what is wanted; called in the thread.

        Raises:
            ApiError: 422 if the body is not of this kind, and what reading or ``decode`` refuses.
        """
        chunks = [chunk async for chunk in request.stream()]

        def work() -> Answer:
            data = b"".join(chunks)
            chunks.clear()
            try:
                asked = kind.model_validate_json(data)
            except ValidationError as error:
                raise _not_of_schema(error) from None
            del data
            return decode(asked)

        try:
            return await self.in_thread(work)
        finally:
            body: Body = request.scope["twofold.body"]
            body.release()

    async def leave(self) -> None:
        """Take no more work and let what there is end, within the time of the settings; once."""
        if not self.leaving:
            self.leaving = True
            await self.queue.drain(self.settings.drain_seconds)

    async def in_thread(self, work: Callable[[], Answer]) -> Answer:
        """Do something that takes a moment without keeping other requests waiting."""
        return await asyncio.get_running_loop().run_in_executor(self.decoders, work)


def services_of(request: Request) -> Services:
    """The services of the application that got this request."""
    services: Services = request.app.state.services
    return services


class InPieces(Response):
    """An answer that goes out piece by piece, as fast as its client reads."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send_pieces(send, bytes(self.body))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_pieces(send: Send, data: bytes) -> None:
    """Send bytes in pieces; more of the answer follows."""
    for start in range(0, len(data), PIECE):
        await send({"type": "http.response.body", "body": data[start : start + PIECE], "more_body": True})


@asynccontextmanager
async def events_of(
    job: Job, receive: Receive, beat: float = math.inf
) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a job, for its one reader; a client that leaves, or the block's end, cancels the job."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        job.cancel()

    watching = asyncio.create_task(watch())
    try:
        async with aclosing(job.events(beat)) as events:
            yield events
    finally:
        watching.cancel()
        job.cancel()


def _not_of_schema(error: ValidationError) -> ApiError:
    """What is wrong with a body, in one sentence, without repeating what was sent."""
    complaints = [
        f"{'.'.join(map(str, complaint['loc'])) or 'the body'}: {complaint['msg'][:200]}"
        for complaint in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    more = f"; and {len(complaints) - COMPLAINTS} more" if len(complaints) > COMPLAINTS else ""
    return ApiError(422, "schema", "; ".join(complaints[:COMPLAINTS]) + more + "; see /openapi.json")
