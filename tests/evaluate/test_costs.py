"""Seconds and memory of a call."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from twofold.evaluate import costs
from twofold.evaluate.costs import measured


def test_result_and_seconds_of_a_call():
    result, seconds, _ = measured(lambda: time.sleep(0.05) or "done")
    assert result == "done"
    assert 0.05 <= seconds < 5


HELD = """
import numpy as np
from twofold.evaluate.costs import measured

np.ones(192 << 20, np.uint8)  # An earlier peak, which must not count.
for _ in range(2):
    print(measured(lambda: np.ones(96 << 20, np.uint8).size)[2])
print(measured(lambda: None)[2])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own record")
def test_memory_is_what_the_call_held_at_most_however_much_was_held_before():
    # In a process of its own: one that has run much else may keep freed memory, and a call that is served
    # from there adds nothing.
    child = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    first, second, little = map(int, child.stdout.split())
    assert 90 << 20 <= first < 130 << 20
    assert 90 << 20 <= second < 130 << 20
    assert little < 16 << 20


def test_memory_is_unknown_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.setattr(costs, "_resident", lambda field: None)
    assert measured(lambda: 1)[2] is None
