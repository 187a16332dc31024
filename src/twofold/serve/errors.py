"""Why a request is not answered: a status, a short code for programs, and a sentence for people."""

from collections.abc import Mapping

from starlette.responses import JSONResponse

from twofold.errors import CheckpointError, InputError, MissingExtraError, TwofoldError

INTERNAL = "the server failed while it worked on this; its log says why, and the same may work again later"


class ApiError(Exception):
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

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.body, self.status, headers=self.headers)


def bad_input(detail: str) -> ApiError:
    """What was sent cannot be used: 400."""
    return ApiError(400, "bad_input", detail)


def too_large(detail: str) -> ApiError:
    """What was sent or asked for is beyond a limit of the server: 413."""
    return ApiError(413, "too_large", detail)


def busy(detail: str, retry_after: int) -> ApiError:
    """Too much is waiting: 429, and the seconds after which it is worth to come again."""
    return ApiError(429, "busy", detail, {"Retry-After": str(retry_after)})


def unavailable(detail: str, retry_after: int = 5) -> ApiError:
    """The server cannot do this now: 503."""
    return ApiError(503, "unavailable", detail, {"Retry-After": str(retry_after)})


def stopping() -> ApiError:
    """The server is about to stop: 503."""
    return unavailable("the server is stopping and takes no new work; send this again in a moment", 10)


def job_stopped(code: str) -> ApiError:
    """Work that was given up: ``deadline`` is 504, ``cancelled`` is 409."""
    if code == "deadline":
        return ApiError(
            504, code, "this was not ready in time; ask for fewer samples or a smaller picture, or come later"
        )
    return ApiError(409, "cancelled", "this was cancelled before it was ready; send it again if it is wanted")


def api_error_of(error: BaseException) -> ApiError:
    """What a client is told of any error; those that are not meant for users say nothing of the inside."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, InputError):
        return bad_input(str(error))
    if isinstance(error, CheckpointError | MissingExtraError):
        return unavailable(
            "this model cannot be used here now; choose another one, or ask who runs the server"
        )
    if isinstance(error, TwofoldError):
        return ApiError(500, "internal", str(error))
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return unavailable("the memory did not suffice; ask for fewer samples or send a smaller picture", 30)
    return ApiError(500, "internal", INTERNAL)
