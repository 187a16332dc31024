"""``twofold serve`` as a process of its own."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 40.0


class Process:
    """``twofold serve`` with its address."""

    def __init__(self, *arguments: str) -> None:
        self.started = time.perf_counter()
        command = [sys.executable, "-m", "twofold", "serve", "--port", "0", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        address = self.line.split()[2]
        self.port = int(address.split(":")[2].partition("/")[0])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory(self, what: str = "VmHWM") -> int:
        """Bytes of memory that it has held at most; 0 where the system does not tell."""
        try:
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        except OSError:
            return 0
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))

    def get(self, path: str, **headers: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def wait_until_ready(self) -> None:
        while self.get("/ready") != 200:
            assert self.seconds() < PATIENCE
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def process(*arguments: str) -> Iterator[Process]:
    server = Process(*arguments)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()
