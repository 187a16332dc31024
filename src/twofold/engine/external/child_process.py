"""Run another program to its end: with a time limit, its peak of memory, and nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# The kernel counts the memory of whoever starts a program as that program's own, up to its first step.
# So a small interpreter of our own stands in between: it starts the program, waits, and writes down how
# it ended. 10 MiB instead of what PyTorch and pictures take.
_BETWEEN = """
import os, sys
report, *words = sys.argv[1:]
child = os.fork()
if child == 0:
    try:
        os.execvp(words[0], words)
    except OSError as error:
        os.write(2, f"{words[0]} cannot be run: {error.strerror}".encode())
    os._exit(127)
_, status, usage = os.wait4(child, 0)
with open(report, "w") as file:
    file.write(f"{os.waitstatus_to_exitcode(status)} {usage.ru_maxrss}")
"""


@dataclass(frozen=True)
class Ending:
    """How a program ended.

    Attributes:
        status: its exit status; negative: the signal that ended it; None: it ran into the time limit.
        memory: most bytes that it, or one process that it started and waited for, held at a time;
            None where the system does not tell.
    """

    status: int | None
    memory: int | None


def run_child(words: Sequence[str], folder: Path, *, limit: float) -> Ending:
    """Run a program, without a shell and without input.

    On the time limit, on a failure and on any exception, Ctrl-C among them, the program and all that it
    started in its process group are killed.

    Args:
        words: the program and its arguments.
        folder: an existing folder that receives ``stdout.txt``, ``stderr.txt`` and a report.
        limit: seconds.

    Raises:
        OSError: if the program cannot be started.
    """
    report = folder / "ending.txt"
    measured = hasattr(os, "wait4")
    command = [sys.executable, "-I", "-S", "-c", _BETWEEN, str(report), *words] if measured else list(words)
    with (folder / "stdout.txt").open("wb") as out, (folder / "stderr.txt").open("wb") as err:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
    late = threading.Event()

    def stop() -> None:
        late.set()
        _kill(process)

    # A timer, not a wait in small steps, which would round up every time that is measured.
    timer = threading.Timer(limit, stop)
    timer.daemon = True
    timer.start()
    try:
        status = process.wait()
    except BaseException:
        _kill(process)
        process.wait()
        raise
    finally:
        timer.cancel()
    if late.is_set():
        return Ending(None, None)
    memory = None
    if report.is_file():
        ended, peak = report.read_text().split()
        status = int(ended)
        memory = int(peak) * (1 if sys.platform == "darwin" else 1024)  # Linux counts in KiB
    if status != 0:
        _kill(process)
    return Ending(status, memory)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with its process group; it may have ended."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session, and so a group, of its own
        else:
            process.kill()
