"""Who may ask: the checks of one request's host, origin, token and kind.

The server often runs on someone's own computer, where any page that they visit can send requests to
it. So a request must name this server as its host (a page that makes its own name point here, DNS
rebinding, does not), must not come from another page, and needs the token if there is one.

starlette's ``TrustedHostMiddleware`` does not do: it refuses in plain text with status 400, takes no
``localhost.`` and knows no "any address"; a test shows it.
"""

import hmac
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address

from starlette.datastructures import Headers

from twofold.serve.errors import ApiError
from twofold.serve.security.request_body import body_too_large
from twofold.serve.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "::1")
WILDCARDS = ("0.0.0.0", "::")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Policy:
    """What requests are held against, as it follows from the settings.

    Attributes:
        hosts: names and addresses that requests may call this server by, without port; ``*``: any.
        origins: other origins whose pages may ask, for example ``https://paint.example.org``.
        token: needed with each request; None: not needed.
        cookie: name of the cookie that stands for the token.
        max_body: bytes.
        body_seconds: in which a body must come.
    """

    def __init__(self, settings: Settings) -> None:
        names = (*LOOPBACK, settings.host, *settings.allow_hosts)
        self.hosts = frozenset(name.lower().strip("[]") for name in names)
        self.origins = frozenset(_plain_origin(origin) for origin in settings.origins)
        self.token = settings.token
        self.cookie = (
            f"twofold_{settings.port}"  # cookies do not know ports, and two servers may share a host
        )
        self.max_body, self.body_seconds = settings.max_body, settings.body_seconds
        self._takes_addresses = settings.host in WILDCARDS

    def check_host(self, headers: Headers) -> None:
        """Refuse requests that call this server by a name that is not its own.

        Raises:
            ApiError: 403.
        """
        given = headers.getlist("host")
        host = _without_port(given[0]) if len(given) == 1 else ""
        if "*" in self.hosts or host in self.hosts or (self._takes_addresses and _is_address(host)):
            return
        raise ApiError(
            403,
            "forbidden",
            f"the request is for host {host[:100]!r}, which is none of this server's names; "
            "start it with --allow-host NAME if it is",
        )

    def check_origin(self, method: str, headers: Headers) -> None:
        """Refuse requests that pages of other origins send.

        Raises:
            ApiError: 403.
        """
        origin = headers.get("origin")
        if origin is None:
            if method in SAFE_METHODS or headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
                return
        elif self.is_allowed(origin) or _is_own(origin, headers.get("host", "")):
            return
        raise ApiError(
            403,
            "forbidden",
            f"the request comes from a page of {(origin or 'another site')[:100]!r}, not of this server; "
            "start it with --origin to allow that page",
        )

    def is_allowed(self, origin: str) -> bool:
        """Whether pages of this origin may ask though they are not ours."""
        return _plain_origin(origin) in self.origins

    def check_token(self, headers: Headers) -> None:
        """Refuse requests without the token, if one is needed.

        Raises:
            ApiError: 401.
        """
        if self.token is None:
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _equal(given.strip(), self.token):
            return
        try:
            cookies = SimpleCookie("; ".join(headers.getlist("cookie")))
        except CookieError:
            cookies = SimpleCookie()
        if self.cookie not in cookies or not _equal(
            cookies[self.cookie].value, self._cookie_value(self.token)
        ):
            raise _wrong_token()

    def cookie_for(self, given: str) -> str:
        """What the cookie holds of someone who shows this token; it does not tell the token.

        Raises:
            ApiError: 401 if it is the wrong one.
        """
        if self.token is None or not _equal(given, self.token):
            raise _wrong_token()
        return self._cookie_value(self.token)

    def check_kind(self, method: str, headers: Headers) -> None:
        """Refuse bodies that are not JSON or are said to be too large, before they are read.

        Raises:
            ApiError: 413 or 415.
        """
        if method in (*SAFE_METHODS, "DELETE"):
            return
        kind = headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() != "application/json":
            raise ApiError(
                415,
                "media_type",
                f"the body's content type is {kind[:100]!r}; send JSON as application/json",
            )
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self.max_body:
            raise body_too_large(int(declared), self.max_body)

    @staticmethod
    def _cookie_value(token: str) -> str:
        return hmac.new(token.encode(), b"twofold cookie", "sha256").hexdigest()


def _wrong_token() -> ApiError:
    return ApiError(
        401,
        "token",
        "the request has no token or a wrong one; open the address that twofold serve printed, or send "
        "the header Authorization: Bearer TOKEN",
        {"WWW-Authenticate": "Bearer"},
    )


def _equal(given: str, expected: str) -> bool:
    """Compare in a time that does not tell how much was right."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def _without_port(host: str) -> str:
    """``[::1]:80`` -> ``::1``, ``Name:80`` -> ``name``."""
    name = host.lower().strip()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach an address or name."""
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _plain_origin(origin: str) -> str:
    """An origin as it is compared."""
    return origin.lower().rstrip("/")


def _is_own(origin: str, host: str) -> bool:
    """Whether an origin is this server under the name of the request.

    The scheme does not count: behind a proxy that speaks https the server itself speaks http.
    """
    scheme, separator, place = _plain_origin(origin).partition("://")
    default = {"http": ":80", "https": ":443"}.get(scheme)
    if not separator or default is None or not host:
        return False
    return place.removesuffix(default) == host.lower().strip().removesuffix(default)
