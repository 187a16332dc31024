"""Programs run to their end: status, memory, time limit, and nothing left running."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from twofold.engine.external import child_process
from twofold.engine.external.child_process import run_child

posix = pytest.mark.skipif(not hasattr(os, "wait4"), reason="the system tells no memory of children")


def run(folder: Path, code: str, limit: float = 60.0):
    return run_child([sys.executable, "-c", code], folder, limit=limit)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def gone(file: Path) -> bool:
    """Whether the process that wrote its number here has ended; it is given a while."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        text = file.read_text() if file.exists() else ""
        if text and not alive(int(text)):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("code", "status"),
    [("pass", 0), ("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", -9)],
)
def test_the_exit_status_is_that_of_the_program(tmp_path, code, status):
    assert run(tmp_path, code).status == status


def test_output_is_kept_apart_and_input_is_empty(tmp_path):
    run(tmp_path, "import sys; print('out', repr(sys.stdin.read())); print('err', file=sys.stderr)")
    assert (tmp_path / "stdout.txt").read_text() == "out ''\n"
    assert (tmp_path / "stderr.txt").read_text() == "err\n"


@posix
def test_memory_is_that_of_the_program_not_of_whoever_starts_it(tmp_path):
    ballast = np.ones(150_000_000 // 8)  # a starter of well over 150 MB
    small = run(tmp_path, "pass").memory
    large = run(tmp_path, "b = b'x' * 80_000_000").memory
    assert ballast.nbytes == 150_000_000
    assert 1_000_000 < small < 60_000_000
    assert 80_000_000 < large - small + 5_000_000 < 110_000_000


@posix
def test_memory_counts_what_the_program_starts_and_waits_for(tmp_path):
    inner = "b = b'x' * 80_000_000"
    ending = run(tmp_path, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])")
    assert ending.memory > 80_000_000


LINGER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({file!r}, "w").write(str(child.pid))
{then}
"""


def test_the_time_limit_ends_the_program_and_what_it_started(tmp_path):
    file = tmp_path / "pid"
    start = time.monotonic()
    ending = run(tmp_path, LINGER.format(file=str(file), then="time.sleep(600)"), limit=1.5)
    assert ending.status is None
    assert ending.memory is None
    assert time.monotonic() - start < 30
    assert gone(file)


def test_a_failure_ends_what_the_program_started(tmp_path):
    file = tmp_path / "pid"
    assert run(tmp_path, LINGER.format(file=str(file), then="sys.exit(3)")).status == 3
    assert gone(file)


def test_an_exception_ends_the_program_and_what_it_started(tmp_path, monkeypatch):
    file = tmp_path / "pid"
    popen = child_process.subprocess.Popen

    class Interrupted(popen):
        waits = 0

        def wait(self, timeout=None):
            self.waits += 1
            if self.waits > 1:
                return super().wait(timeout)
            while not (file.exists() and file.read_text()):
                time.sleep(0.02)
            raise KeyboardInterrupt

    monkeypatch.setattr(child_process.subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, LINGER.format(file=str(file), then="time.sleep(600)"))
    assert gone(file)


def test_no_timer_is_left_behind(tmp_path):
    before = set(threading.enumerate())  # some of which may end meanwhile
    run(tmp_path, "pass")
    end = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < end:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before


@posix
def test_what_cannot_be_run_says_so(tmp_path):
    script = tmp_path / "script"
    script.write_bytes(b"\x00\x01 no program")
    script.chmod(0o755)
    assert run_child([str(script)], tmp_path, limit=10).status == 127
    assert "cannot be run" in (tmp_path / "stderr.txt").read_text()
