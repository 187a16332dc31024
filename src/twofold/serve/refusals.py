"""Why a request is not answered: a status, a short code for programs, and a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping

from twofold.errors import CheckpointError, InputError, MissingExtraError, TwofoldError

INTERNAL = "the server failed while it worked on this; its log says why, and the same may work again later"


class Refusal(Exception):  # noqa: N818  # it is what the server answers, and not always an error
    """A request that is not answered as it wished.

    Attributes:
        status: of HTTP.
        code: one of the contract's slugs, such as ``bad_input``.
        detail: one sentence: what was seen, what was needed, the way out.
        headers: to be sent with the answer.
    """

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, str]:
        """What the client reads."""
        return {"code": self.code, "detail": self.detail}


class Busy(Refusal):
    """Too much is waiting.

    Attributes:
        retry_after: seconds after which it is worth to come again.
    """

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(429, "busy", detail, {"Retry-After": str(retry_after)})
        self.retry_after = retry_after


class Draining(Refusal):
    """The server is about to stop.

    Attributes:
        retry_after: seconds after which another server may be there.
    """

    def __init__(self, retry_after: int = 10) -> None:
        detail = "the server is stopping and takes no new work; send this again in a moment"
        super().__init__(503, "unavailable", detail, {"Retry-After": str(retry_after)})
        self.retry_after = retry_after


def bad_input(detail: str) -> Refusal:
    """What was sent cannot be used: 400."""
    return Refusal(400, "bad_input", detail)


def too_large(detail: str) -> Refusal:
    """What was sent or asked for is beyond a limit of the server: 413."""
    return Refusal(413, "too_large", detail)


def unavailable(detail: str, retry_after: int = 5) -> Refusal:
    """The server cannot do this now: 503."""
    return Refusal(503, "unavailable", detail, {"Retry-After": str(retry_after)})


def stopped(code: str) -> Refusal:
    """Work that was given up: ``deadline`` is 504, ``cancelled`` is 409."""
    if code == "deadline":
        return Refusal(
            504, code, "this was not ready in time; ask for fewer samples or a smaller picture, or come later"
        )
    return Refusal(409, "cancelled", "this was cancelled before it was ready; send it again if it is wanted")


def refusal_of(error: BaseException) -> Refusal:
    """What a client is told of any error; those that are not meant for users say nothing of the inside."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, InputError):
        return bad_input(str(error))
    if isinstance(error, CheckpointError | MissingExtraError):
        return unavailable(
            "this model cannot be used here now; choose another one, or ask who runs the server"
        )
    if isinstance(error, TwofoldError):
        return Refusal(500, "internal", str(error))
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return unavailable("the memory did not suffice; ask for fewer samples or send a smaller picture", 30)
    return Refusal(500, "internal", INTERNAL)
