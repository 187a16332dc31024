"""What runs and watches the server asks for: health, readiness, metrics; and the files of the page."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from twofold.serve.desk import desk_of
from twofold.serve.gauges import MEDIA_TYPE as METRICS_TYPE
from twofold.serve.refusals import Refusal, unavailable
from twofold.serve.routes import errors

router = APIRouter(tags=["server"])
page_router = APIRouter(include_in_schema=False)

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/vnd.microsoft.icon",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""Ending -> media type of the files that a page may have."""
INDEX = "index.html"


@dataclass(frozen=True)
class PageFile:
    """A file of the page, as it is sent."""

    content: bytes
    media_type: str
    tag: str


def read_page() -> dict[str, PageFile]:
    """The files of the page by name, from the package; no other file can be asked for.

    Returns:
        Nothing if the package has no page.
    """
    files: dict[str, PageFile] = {}
    folder = resources.files("twofold.serve") / "page"
    if not folder.is_dir():
        return files
    for entry in folder.iterdir():
        ending = "." + entry.name.rpartition(".")[2]
        if ending in MEDIA_TYPES and entry.is_file():
            content = entry.read_bytes()
            tag = f'"{sha256(content).hexdigest()[:20]}"'
            files[entry.name] = PageFile(content, MEDIA_TYPES[ending], tag)
    return files


@router.get("/health", responses=errors())
async def health() -> dict[str, Any]:
    """That the process lives; needs no token."""
    from twofold import __version__

    return {"status": "ok", "version": __version__}


@router.get("/ready", responses=errors())
async def ready(request: Request) -> dict[str, Any]:
    """Whether the default model is loaded: 503 before; needs no token."""
    desk = desk_of(request)
    if desk.leaving:
        raise unavailable("the server is stopping; ask another one", 10)
    if not desk.cupboard.ready:
        raise unavailable(f"the model {desk.cupboard.default} is not loaded yet; ask again in a second", 1)
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
    return Response(desk_of(request).gauges.text(), media_type=METRICS_TYPE)


@page_router.api_route("/", methods=["GET", "HEAD"])
async def index(request: Request) -> Response:
    """The page."""
    return _send(request, INDEX)


@page_router.api_route("/page/{name}", methods=["GET", "HEAD"])
async def page_file(request: Request, name: str) -> Response:
    """One of its files."""
    return _send(request, name)


def _send(request: Request, name: str) -> Response:
    """A file of the page, or word that the browser's copy is still the same."""
    file: PageFile | None = request.app.state.page.get(name)
    if file is None:
        raise Refusal(404, "not_found", "the page has no such file; see / for the page")
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match", "")
    if file.tag in [tag.strip().removeprefix("W/") for tag in known.split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
