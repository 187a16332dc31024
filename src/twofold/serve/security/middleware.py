"""Around the whole application: every request is checked and measured, every answer protects pages.

Cross-origin requests are answered here: starlette's ``CORSMiddleware`` does not refuse what other pages send,
and refuses preflights in plain text with status 400; a test shows it.
"""

import asyncio
import logging
import secrets
import time
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twofold.serve.errors import ApiError, stopping
from twofold.serve.metrics import Metrics
from twofold.serve.security.policy import SAFE_METHODS, Policy
from twofold.serve.security.request_body import Body, BodyLimit

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
CROSS_ORIGIN_HEADERS = {
    "access-control-allow-methods": "GET, POST, DELETE",
    "access-control-allow-headers": "Authorization, Content-Type",
    "access-control-expose-headers": "Content-Disposition, Retry-After, X-Seed",
    "access-control-max-age": "600",
}
"""For pages of other origins that are allowed."""


class SecurityMiddleware:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, policy: Policy, body_limit: BodyLimit, metrics: Metrics) -> None:
        self._app, self._policy, self._body_limit, self._metrics = app, policy, body_limit, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it; whatever goes wrong becomes an answer without details of ours."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, policy, headers = time.perf_counter(), self._policy, Headers(scope=scope)
        body = Body(receive, headers, self._body_limit, limit=policy.max_body, seconds=policy.body_seconds)
        origin = headers.get("origin")
        answer = _Answer(send, body, origin if origin is not None and policy.is_allowed(origin) else None)
        scope["twofold.body"] = body
        with self._metrics.under_way.track_inprogress():
            try:
                app = self._answer_early(scope, headers) or self._app
                await app(scope, body.receive, answer.send)
            except Exception as error:
                await answer.after(error, scope)
            except asyncio.CancelledError:  # the server stops and waits no longer for a job that does not end
                await answer.after(stopping(), scope)
            finally:
                body.release()
                seconds = time.perf_counter() - start
                self._metrics.count_request(
                    scope, answer.status, seconds=seconds, received=body.received, sent=answer.sent
                )

    def _answer_early(self, scope: Scope, headers: Headers) -> Response | None:
        """What is said without asking the application; None if it is to be asked."""
        policy, method, path = self._policy, scope["method"], scope["path"]
        if path in OPEN_PATHS and method in SAFE_METHODS:
            return None
        try:
            policy.check_host(headers)
            policy.check_origin(method, headers)
            if method == "OPTIONS" and "access-control-request-method" in headers:
                return Response(status_code=204)
            if path == "/" and method == "GET" and policy.token is not None:
                given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
                if given:
                    return self._enter(given[-1], secure=scope.get("scheme") == "https")
            policy.check_token(headers)
            policy.check_kind(method, headers)
        except ApiError as error:
            return error.response()
        return None

    def _enter(self, given: str, secure: bool) -> Response:
        """Take the token from the address, where others might read it, into a cookie."""
        value = self._policy.cookie_for(given)
        response = Response(status_code=303, headers={"location": "/"})
        response.set_cookie(self._policy.cookie, value, httponly=True, samesite="strict", secure=secure)
        return response


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
        if not isinstance(error, ApiError):
            name = secrets.token_hex(8)
            logger.error("error %s in %s %s", name, scope["method"], scope["path"], exc_info=error)
            error = ApiError(
                500, "internal", f"something went wrong in the server; its log has more under {name}"
            )
        if self.status is None:
            await error.response()(scope, self._body.receive, self.send)

    def _add_headers(self, headers: MutableHeaders) -> None:
        for name, value in ANSWER_HEADERS.items():
            headers[name] = value
        headers.setdefault("cache-control", "no-store")
        if not self._body.finished:
            headers["connection"] = "close"
        if self._origin is not None:
            headers["access-control-allow-origin"] = self._origin
            headers.update(CROSS_ORIGIN_HEADERS)
            headers.add_vary_header("Origin")
