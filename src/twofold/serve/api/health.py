"""What runs and watches the server asks for: health, readiness, metrics."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from twofold.serve.api.services import services_of
from twofold.serve.api.v1 import errors
from twofold.serve.errors import unavailable
from twofold.serve.metrics import MEDIA_TYPE

router = APIRouter(tags=["server"])


@router.get("/health", responses=errors())
async def health() -> dict[str, Any]:
    """That the process lives; needs no token."""
    from twofold import __version__

    return {"status": "ok", "version": __version__}


@router.get("/ready", responses=errors())
async def ready(request: Request) -> dict[str, Any]:
    """Whether the default model is loaded: 503 before; needs no token."""
    services = services_of(request)
    if services.leaving:
        raise unavailable("the server is stopping; ask another one", 10)
    if not services.pool.ready:
        raise unavailable(f"the model {services.pool.default} is not loaded yet; ask again in a second", 1)
    return {"status": "ready"}


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        **errors(),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' form."},
    },
)
async def metrics(request: Request) -> Response:
    """What has been counted, for Prometheus."""
    return Response(services_of(request).metrics.text(), media_type=MEDIA_TYPE)
