"""Who may ask: the checks of one request's host, origin, token and kind.

The server often runs on someone's own computer, where any page that they visit can send requests to
it. So a request must name this server as its host (a page that makes its own name point here, DNS
rebinding, does not), must not come from another page, and needs the token if there is one.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address

from starlette.datastructures import Headers

from twofold.serve.bodies import body_too_large
from twofold.serve.refusals import Refusal
from twofold.serve.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "::1")
WILDCARDS = ("0.0.0.0", "::")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Rules:
    """What the guard holds requests against.

    Attributes:
        hosts: names and addresses that requests may call this server by, without port; ``*``: any.
        addresses: whether any numeric address will do: the server listens on all of its own.
        origins: other origins whose pages may ask, for example ``https://paint.example.org``.
        token: needed with each request; None: not needed.
        cookie: name of the cookie that stands for the token.
        max_body: bytes.
        body_seconds: in which a body must come.
    """

    hosts: frozenset[str]
    addresses: bool
    origins: frozenset[str]
    token: str | None
    cookie: str
    max_body: int
    body_seconds: float


def rules_of(settings: Settings) -> Rules:
    """The rules that follow from the settings."""
    return Rules(
        hosts=frozenset(
            name.lower().strip("[]") for name in (*LOOPBACK, settings.host, *settings.allow_hosts)
        ),
        addresses=settings.host in WILDCARDS,
        origins=frozenset(plain_origin(origin) for origin in settings.origins),
        token=settings.token,
        cookie=f"twofold_{settings.port}",  # cookies do not know ports, and two servers may share a host
        max_body=settings.max_body,
        body_seconds=settings.body_seconds,
    )


def check_host(rules: Rules, headers: Headers) -> None:
    """Refuse requests that call this server by a name that is not its own.

    Raises:
        Refusal: 403.
    """
    given = headers.getlist("host")
    host = _without_port(given[0]) if len(given) == 1 else ""
    if "*" in rules.hosts or host in rules.hosts or (rules.addresses and _is_address(host)):
        return
    raise Refusal(
        403,
        "forbidden",
        f"the request is for host {host[:100]!r}, which is none of this server's names; "
        "start it with --allow-host NAME if it is",
    )


def check_origin(rules: Rules, method: str, headers: Headers) -> None:
    """Refuse requests that pages of other origins send.

    Raises:
        Refusal: 403.
    """
    origin = headers.get("origin")
    if origin is None:
        if method in SAFE_METHODS or headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
            return
    elif plain_origin(origin) in rules.origins or _is_own(origin, headers.get("host", "")):
        return
    raise Refusal(
        403,
        "forbidden",
        f"the request comes from a page of {(origin or 'another site')[:100]!r}, not of this server; "
        "start it with --origin to allow that page",
    )


def check_token(rules: Rules, headers: Headers) -> None:
    """Refuse requests without the token, if one is needed.

    Raises:
        Refusal: 401.
    """
    if rules.token is None:
        return
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and equal(given.strip(), rules.token):
        return
    try:
        cookies = SimpleCookie("; ".join(headers.getlist("cookie")))
    except CookieError:
        cookies = SimpleCookie()
    if rules.cookie in cookies and equal(cookies[rules.cookie].value, cookie_value(rules)):
        return
    raise wrong_token()


def check_kind(rules: Rules, method: str, headers: Headers) -> None:
    """Refuse bodies that are not JSON or are said to be too large, before they are read.

    Raises:
        Refusal: 413 or 415.
    """
    if method in (*SAFE_METHODS, "DELETE"):
        return
    kind = headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(
            415,
            "media_type",
            f"the body's content type is {kind[:100]!r}; send JSON as application/json",
        )
    declared = headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > rules.max_body:
        raise body_too_large(int(declared), rules.max_body)


def cookie_value(rules: Rules) -> str:
    """What the cookie holds: it stands for the token and does not tell it."""
    return hmac.new((rules.token or "").encode(), b"twofold cookie", "sha256").hexdigest()


def wrong_token() -> Refusal:
    """The answer to a request without the token."""
    return Refusal(
        401,
        "token",
        "the request has no token or a wrong one; open the address that twofold serve printed, or send "
        "the header Authorization: Bearer TOKEN",
        {"WWW-Authenticate": "Bearer"},
    )


def equal(given: str, expected: str) -> bool:
    """Compare in a time that does not tell how much was right."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def _without_port(host: str) -> str:
    """``[::1]:80`` -> ``::1``, ``Name:80`` -> ``name``."""
    name = host.lower().strip()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def plain_origin(origin: str) -> str:
    """An origin as it is compared."""
    return origin.lower().rstrip("/")


def _is_own(origin: str, host: str) -> bool:
    """Whether an origin is this server under the name of the request.

    The scheme does not count: behind a proxy that speaks https the server itself speaks http.
    """
    scheme, separator, place = plain_origin(origin).partition("://")
    default = {"http": ":80", "https": ":443"}.get(scheme)
    if not separator or default is None or not host:
        return False
    return place.removesuffix(default) == host.lower().strip().removesuffix(default)
