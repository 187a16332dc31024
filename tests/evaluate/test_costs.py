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
    before = np.ones(64 << 20, np.uint8)  # an earlier peak, which must not count

    def hold() -> float:
        return float(np.ones(32 << 20, np.uint8).sum())

    for _ in range(2):
        _, _, memory = measured(hold)
        assert 30 << 20 <= memory < 60 << 20
    _, _, little = measured(lambda: None)
    assert little < 8 << 20
    assert before.size


def test_memory_is_unknown_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.setattr(costs, "_resident", lambda field: None)
    assert measured(lambda: 1)[2] is None
