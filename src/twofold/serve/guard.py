"""The door: every request is checked and measured, every answer carries the headers that protect pages."""

from __future__ import annotations

import asyncio
import logging
import secrets
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twofold.serve.bodies import Body, Intake
from twofold.serve.gauges import Gauges
from twofold.serve.refusals import Draining, Refusal
from twofold.serve.rules import (
    SAFE_METHODS,
    Rules,
    check_host,
    check_kind,
    check_origin,
    check_token,
    cookie_value,
    equal,
    plain_origin,
    wrong_token,
)

logger = logging.getLogger("twofold.serve")

OPEN_PATHS = ("/health", "/ready")
"""Asked by machines that watch the server, under any name; they tell no secret."""
ANSWER_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
EXPOSED = "Content-Disposition, Retry-After, X-Seed"
"""Headers of answers that pages of other origins may read."""


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, rules: Rules, intake: Intake, gauges: Gauges) -> None:
        self._app, self._rules, self._intake, self._gauges = app, rules, intake, gauges

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it; whatever goes wrong becomes an answer without details of ours."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = Body(
            receive, headers, self._intake, limit=self._rules.max_body, seconds=self._rules.body_seconds
        )
        answer = _Answer(send, body, self._of_other_origin(headers))
        scope["twofold.body"] = body
        with self._gauges.request(scope, body, answer):
            try:
                early = self._answer_early(scope, headers)
                if early is None:
                    await self._app(scope, body.receive, answer.send)
                else:
                    await early(scope, body.receive, answer.send)
            except Exception as error:
                await answer.after(error, scope)
            except asyncio.CancelledError:  # the server stops and waits no longer for a job that does not end
                await answer.after(Draining(), scope)
            finally:
                body.release()

    def _answer_early(self, scope: Scope, headers: Headers) -> Response | None:
        """What is said without asking the application; None if it is to be asked."""
        if scope["path"] in OPEN_PATHS and scope["method"] in SAFE_METHODS:
            return None
        try:
            check_host(self._rules, headers)
            check_origin(self._rules, scope["method"], headers)
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                return Response(status_code=204)
            if scope["path"] == "/" and scope["method"] == "GET" and self._rules.token is not None:
                given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
                if given:
                    return self._enter(scope, given[-1])
            check_token(self._rules, headers)
            check_kind(self._rules, scope["method"], headers)
        except Refusal as refusal:
            return answer_of(refusal)
        return None

    def _enter(self, scope: Scope, given: str) -> Response:
        """Take the token from the address, where others might read it, into a cookie."""
        if not equal(given, self._rules.token or ""):
            raise wrong_token()
        response = Response(status_code=303, headers={"location": "/"})
        response.set_cookie(
            self._rules.cookie,
            cookie_value(self._rules),
            httponly=True,
            samesite="strict",
            secure=scope.get("scheme") == "https",
        )
        return response

    def _of_other_origin(self, headers: Headers) -> str | None:
        """The origin of a page that is allowed though it is not ours."""
        origin = headers.get("origin")
        return origin if origin is not None and plain_origin(origin) in self._rules.origins else None


class _Answer:
    """ASGI's ``send`` of one request, which adds headers and closes connections with unread bodies.

    Attributes:
        status: of the answer; None before it starts.
        sent: bytes of its body.
    """

    def __init__(self, send: Send, body: Body, origin: str | None) -> None:
        self._send, self._body, self._origin = send, body, origin
        self.status: int | None = None
        self.sent = 0

    async def send(self, message: Message) -> None:
        """Send one part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message.setdefault("headers", [])
            self._add_headers(MutableHeaders(scope=message))
        elif message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
            if not message.get("more_body", False) and not self._body.finished:
                await self._send({**message, "more_body": True})
                await self._body.linger()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def after(self, error: Exception, scope: Scope) -> None:
        """Answer after an exception that nobody expected, or end the answer that has begun."""
        if isinstance(error, ClientDisconnect):
            return
        if isinstance(error, Refusal):
            refusal = error
        else:
            name = secrets.token_hex(8)
            logger.error("error %s in %s %s", name, scope["method"], scope["path"], exc_info=error)
            refusal = Refusal(
                500, "internal", f"something went wrong in the server; its log has more under {name}"
            )
        if self.status is None:
            await answer_of(refusal)(scope, self._body.receive, self.send)

    def _add_headers(self, headers: MutableHeaders) -> None:
        for name, value in ANSWER_HEADERS.items():
            headers[name] = value
        headers.setdefault("cache-control", "no-store")
        if not self._body.finished:
            headers["connection"] = "close"
        if self._origin is not None:
            headers["access-control-allow-origin"] = self._origin
            headers["access-control-allow-methods"] = "GET, POST, DELETE"
            headers["access-control-allow-headers"] = "Authorization, Content-Type"
            headers["access-control-expose-headers"] = EXPOSED
            headers["access-control-max-age"] = "600"
            headers.add_vary_header("Origin")


def answer_of(refusal: Refusal) -> JSONResponse:
    """A refusal as an answer."""
    return JSONResponse(refusal.body, refusal.status, headers=dict(refusal.headers))
