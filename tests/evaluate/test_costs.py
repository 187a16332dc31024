"""Seconds and memory of a call."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest

from twofold.evaluate import costs
from twofold.evaluate.costs import measured


def test_result_and_seconds_of_a_call():
    result, seconds, _ = measured(lambda: time.sleep(0.05) or "done")
    assert result == "done"
    assert 0.05 <= seconds < 5


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own record")
def test_memory_is_what_the_call_held_at_most_however_much_was_held_before():
    # An earlier peak, which must not count. Blocks of more than 32 MiB are always the system's own; smaller
    # ones may come from what the process has kept, and then add nothing.
    np.ones(192 << 20, np.uint8)

    def hold() -> int:
        return np.ones(96 << 20, np.uint8).size

    for _ in range(2):
        _, _, memory = measured(hold)
        assert 90 << 20 <= memory < 130 << 20
    _, _, little = measured(lambda: None)
    assert little < 16 << 20


def test_memory_is_unknown_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.setattr(costs, "_resident", lambda field: None)
    assert measured(lambda: 1)[2] is None
