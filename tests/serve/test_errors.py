"""Errors as clients are told of them."""

from __future__ import annotations

import pytest

from twofold.errors import (
    CheckpointError,
    ImageError,
    InputError,
    MaskError,
    MissingExtraError,
    TrainingError,
)
from twofold.serve.errors import INTERNAL, api_error_of, busy, job_stopped, stopping, unavailable


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ImageError("image is damaged"), 400, "bad_input"),
        (MaskError("mask is 3x3"), 400, "bad_input"),
        (InputError("samples is 0"), 400, "bad_input"),
        (CheckpointError("/srv/secret.safetensors is damaged"), 503, "unavailable"),
        (MissingExtraError("needs cv2"), 503, "unavailable"),
        (MemoryError(), 503, "unavailable"),
        (TrainingError("odd"), 500, "internal"),
        (KeyError("/srv/secret"), 500, "internal"),
        (busy("full", 7), 429, "busy"),
        (stopping(), 503, "unavailable"),
        (job_stopped("deadline"), 504, "deadline"),
        (job_stopped("cancelled"), 409, "cancelled"),
    ],
)
def test_every_error_has_a_status_and_a_code(error: BaseException, status: int, code: str) -> None:
    told = api_error_of(error)
    assert (told.status, told.code) == (status, code)
    assert told.body == {"code": code, "detail": told.detail}
    assert told.detail


def test_the_inside_of_the_server_is_not_told() -> None:
    assert "secret" not in api_error_of(CheckpointError("/srv/secret.safetensors is damaged")).detail
    assert api_error_of(KeyError("/srv/secret")).detail == INTERNAL


def test_who_comes_too_early_is_told_when_to_come_again() -> None:
    assert busy("full", 7).headers == {"Retry-After": "7"}
    assert unavailable("not yet", 3).response().headers["retry-after"] == "3"
    assert stopping().headers == {"Retry-After": "10"}
