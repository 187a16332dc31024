"""The application: the parts put together, and the errors of all in one form."""

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
from twofold.serve.api import health, iopaint, static, v1
from twofold.serve.api.services import Services
from twofold.serve.errors import ApiError, api_error_of
from twofold.serve.jobs.model_pool import ModelPool
from twofold.serve.jobs.queue import FillQueue
from twofold.serve.metrics import Metrics
from twofold.serve.schema import ComposeRequest, FillRequest
from twofold.serve.security.middleware import SecurityMiddleware
from twofold.serve.security.policy import Policy
from twofold.serve.security.request_body import BodyLimit
from twofold.serve.settings import Settings

WARM_UP_DELAY = 0.1
"""Seconds before a model is loaded: importing torch holds Python up, and the first answer goes first."""
READ_IN_THREADS: tuple[type[BaseModel], ...] = (
    FillRequest,
    ComposeRequest,
    iopaint.InpaintRequest,
    iopaint.ModelName,
)
"""Requests that FastAPI does not read itself, so it would not show them in ``/openapi.json``."""


def create_app(settings: Settings, pool: ModelPool | None = None) -> FastAPI:
    """Make the application; it starts its threads when it is served, and stops them at the end.

    Args:
        settings: how to serve.
        pool: the models; None: those that the settings name.

    Raises:
        TwofoldError: if a model that the settings name is not there.
    """
    from twofold import __version__

    pool = pool or ModelPool(settings)
    metrics = Metrics()
    pool.on_load = lambda model, seconds: metrics.load.labels(model).set(seconds)
    queue, body_limit = FillQueue(settings, pool, metrics), BodyLimit(settings.queue_bytes)
    app = FastAPI(
        title="twofold",
        version=__version__,
        summary="Fills holes in photographs.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    app.state.services = Services(settings, pool, queue, metrics, body_limit)
    for part in (v1, iopaint, health, *([static] if settings.page else [])):
        app.include_router(part.router)
    app.add_exception_handler(ApiError, _answer)
    app.add_exception_handler(TwofoldError, _answer)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_middleware(SecurityMiddleware, policy=Policy(settings), body_limit=body_limit, metrics=metrics)
    app.openapi = lambda: _schema(app)  # type: ignore[method-assign]  # FastAPI's way to extend it
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start the queue and load the default model beside; at the end let what runs finish."""
    services: Services = app.state.services
    services.queue.start()
    warming = threading.Timer(WARM_UP_DELAY, services.pool.warm_up)
    warming.daemon = True
    warming.start()
    try:
        yield
    finally:
        warming.cancel()
        await services.leave()
        services.decoders.shutdown(wait=False, cancel_futures=True)


def _answer(request: Request, error: Exception) -> Response:
    """An error of ours as an answer."""
    return api_error_of(error).response()


def _answer_http(request: Request, error: Exception) -> Response:
    """An error of the framework, such as a path that is not there, in our form."""
    assert isinstance(error, HTTPException)
    status, headers = error.status_code, error.headers
    if status == 404:
        answer = ApiError(404, "not_found", "there is nothing at this address; see /openapi.json for what is")
    elif status == 405:
        shown = request.method[:20]
        answer = ApiError(405, "method", f"{shown} is not understood here; see /openapi.json", headers)
    else:
        answer = ApiError(status, "bad_request", str(error.detail), headers)
    return answer.response()


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
