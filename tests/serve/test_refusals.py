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
from twofold.serve.refusals import INTERNAL, Busy, Draining, Refusal, refusal_of, stopped


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
        (Busy("full", 7), 429, "busy"),
        (Draining(), 503, "unavailable"),
        (stopped("deadline"), 504, "deadline"),
        (stopped("cancelled"), 409, "cancelled"),
    ],
)
def test_every_error_has_a_status_and_a_code(error: BaseException, status: int, code: str) -> None:
    refusal = refusal_of(error)
    assert (refusal.status, refusal.code) == (status, code)
    assert refusal.body == {"code": code, "detail": refusal.detail}
    assert refusal.detail


def test_the_inside_of_the_server_is_not_told() -> None:
    assert "secret" not in refusal_of(CheckpointError("/srv/secret.safetensors is damaged")).detail
    assert refusal_of(KeyError("/srv/secret")).detail == INTERNAL


def test_who_comes_too_early_is_told_when_to_come_again() -> None:
    assert Busy("full", 7).headers == {"Retry-After": "7"}
    assert (Busy("full", 7).retry_after, Draining(3).retry_after) == (7, 3)
    assert Draining(3).headers["Retry-After"] == "3"
    assert isinstance(Busy("full", 7), Refusal)
