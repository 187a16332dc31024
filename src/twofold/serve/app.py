"""The application: the parts put together, and the errors of all in one form."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from twofold.errors import TwofoldError
from twofold.serve import iopaint, routes, service
from twofold.serve.bodies import Intake
from twofold.serve.cupboard import Cupboard
from twofold.serve.desk import Desk
from twofold.serve.gauges import Gauges
from twofold.serve.guard import Guard, answer_of
from twofold.serve.queue import FillQueue
from twofold.serve.refusals import Refusal, refusal_of
from twofold.serve.rules import rules_of
from twofold.serve.schema import ComposeRequest, FillRequest
from twofold.serve.settings import Settings

logger = logging.getLogger("twofold.serve")

WARM_UP_DELAY = 0.1
"""Seconds before a model is loaded: importing torch holds Python up, and the first answer goes first."""
READ_IN_THREADS: tuple[type[BaseModel], ...] = (
    FillRequest,
    ComposeRequest,
    iopaint.InpaintRequest,
    iopaint.ModelName,
)
"""Requests that FastAPI does not read itself, so it would not show them in ``/openapi.json``."""


def create_app(settings: Settings, cupboard: Cupboard | None = None) -> FastAPI:
    """Make the application; it starts its threads when it is served, and stops them at the end.

    Args:
        settings: how to serve.
        cupboard: the models; None: those that the settings name.

    Raises:
        TwofoldError: if a model that the settings name is not there.
    """
    from twofold import __version__

    cupboard = cupboard or Cupboard(settings)
    gauges = Gauges()
    queue = FillQueue(settings, cupboard, gauges)
    desk = Desk(settings, cupboard, queue, gauges, Intake(settings.queue_bytes))
    app = FastAPI(
        title="twofold",
        version=__version__,
        summary="Fills holes in photographs.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    app.state.desk = desk
    app.state.page = service.read_page() if settings.page else {}
    app.include_router(routes.router)
    app.include_router(iopaint.router)
    app.include_router(service.router)
    app.include_router(service.page_router)
    app.add_exception_handler(Refusal, _answer)
    app.add_exception_handler(TwofoldError, _answer)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_middleware(Guard, rules=rules_of(settings), intake=desk.intake, gauges=gauges)
    app.openapi = lambda: _schema(app)  # type: ignore[method-assign]  # FastAPI's way to extend it
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start the queue and load the default model beside; at the end let what runs finish."""
    desk: Desk = app.state.desk
    desk.queue.start()
    warming = threading.Timer(WARM_UP_DELAY, desk.cupboard.warm_up)
    warming.daemon = True
    warming.start()
    try:
        yield
    finally:
        warming.cancel()
        await desk.leave()
        desk.decoders.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(desk.cupboard.close)


def _answer(request: Request, error: Exception) -> Response:
    """An error of ours as an answer."""
    return answer_of(refusal_of(error))


def _answer_http(request: Request, error: Exception) -> Response:
    """An error of the framework, such as a path that is not there, in our form."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        refusal = Refusal(404, "not_found", "there is nothing at this address; see /openapi.json for what is")
    elif error.status_code == 405:
        refusal = Refusal(
            405, "method", f"{request.method[:20]} is not understood here; see /openapi.json", error.headers
        )
    else:
        refusal = Refusal(error.status_code, "bad_request", str(error.detail), error.headers)
    return answer_of(refusal)


def _schema(app: FastAPI) -> dict[str, Any]:
    """What ``/openapi.json`` shows: FastAPI's own, and the requests that are read in threads."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        parts = schema.setdefault("components", {}).setdefault("schemas", {})
        for kind in READ_IN_THREADS:
            own = kind.model_json_schema(ref_template="#/components/schemas/{model}")
            parts.update(own.pop("$defs", {}))
            parts[kind.__name__] = own
        app.openapi_schema = schema
    return app.openapi_schema
