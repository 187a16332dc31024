"""The files of the page, from the package."""

import mimetypes

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from twofold.serve.errors import ApiError

# What the machine's own tables say may be another kind, with which browsers run no scripts.
for _ending, _kind in {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}.items():
    mimetypes.add_type(_kind, _ending)

router = APIRouter(include_in_schema=False)
page = StaticFiles(packages=[("twofold.serve", "page")])


@router.api_route("/", methods=["GET", "HEAD"])
async def index(request: Request) -> Response:
    """The page."""
    return await page_file(request, "index.html")


@router.api_route("/page/{path:path}", methods=["GET", "HEAD"])
async def page_file(request: Request, path: str) -> Response:
    """One of its files, or word that the browser's copy is still the same."""
    # Its answers to parts that a file does not have would not be in our form, and files are small.
    request.scope["headers"] = [header for header in request.scope["headers"] if header[0] != b"range"]
    try:
        if path.endswith("/"):  # the file before it would be given, and what it names not found
            raise HTTPException(404)
        response = await page.get_response(path, request.scope)
    except HTTPException:
        raise ApiError(404, "not_found", "the page has no such file; see / for the page") from None
    response.headers["cache-control"] = "no-cache"
    return response
