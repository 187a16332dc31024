"""A hang fails its test instead of the whole run; and memory has an end."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class HungError(BaseException):
    """Work took longer than it may; no ``except Exception`` swallows it."""


@contextmanager
def within(seconds: float, what: object = "") -> Iterator[None]:
    """Break off what computes for longer, or waits for ten times as long: other work may slow this one."""

    def ring(number: int, frame: object) -> None:
        raise HungError(f"{what} took more than {seconds} seconds")

    clocks = {
        signal.SIGPROF: (signal.ITIMER_PROF, seconds),
        signal.SIGALRM: (signal.ITIMER_REAL, 10 * seconds),
    }
    before = {number: signal.signal(number, ring) for number in clocks}
    for timer, limit in clocks.values():
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for number, (timer, _) in clocks.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def run_with_little(program: str, *arguments: str, gigabytes: float, seconds: float) -> str:
    """Run Python code in a process of its own with bounded memory; what it prints."""
    limit = int(gigabytes * (1 << 30))
    bounded = f"import resource\nresource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", bounded, *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
