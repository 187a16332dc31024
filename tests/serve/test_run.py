"""The server as a process: how it starts, where it listens, and how it leaves."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serve.live import order
from serve.process import PATIENCE, Process, process
from twofold.errors import InputError
from twofold.serve.run import address_of, announce, listen
from twofold.serve.settings import Settings


def seconds_of_torch() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - start


def test_the_page_is_there_before_the_model_and_the_model_soon_after_torch() -> None:
    """Measured in CPU seconds: listening after 0.6, ready after 3.2, where importing torch takes 1.6."""
    with process() as server:
        assert server.line.startswith("twofold serves http://127.0.0.1:")
        assert server.line.endswith("  (Ctrl-C stops)\n")
        assert server.get("/health") == 200
        first = server.seconds()
        ready = server.get("/ready")
        server.wait_until_ready()
        last = server.seconds()
        assert server.stop() == 0
    torch = min(seconds_of_torch() for _ in range(2))
    assert ready == 503
    assert first < last
    assert first < 3 * torch + 3
    assert last < 3 * (torch + 2) + 3


def slow_model(folder: Path, seconds: float) -> str:
    """A model that copies the picture after a while, and leaves a trace when it begins."""
    script = folder / "slow.py"
    script.write_text(
        "import pathlib, shutil, sys, time\n"
        f"pathlib.Path({str(folder / 'begun')!r}).touch()\n"
        f"time.sleep({seconds})\nshutil.copy(sys.argv[1], sys.argv[3])\n"
    )
    return f"slow=cmd: {sys.executable} {script} {{image}} {{mask}} {{out}}"


def ask(server: Process) -> socket.socket:
    """Send a request to fill, without waiting for the answer."""
    import json

    body = json.dumps(order(1)).encode()
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    connection.sendall(
        b"POST /api/v1/fill HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        + f"content-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return connection


def wait_for(path: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_runs_is_finished_and_the_status_is_0(tmp_path: Path, number: signal.Signals) -> None:
    with process("--model", slow_model(tmp_path, 1.0)) as server, ask(server) as connection:
        wait_for(tmp_path / "begun")
        assert server.stop(number) == 0
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        assert server.process.stderr is not None
        assert "Traceback" not in server.process.stderr.read()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_the_status_is_0_also_while_a_model_is_loaded() -> None:
    """PyTorch's threads would abort an interpreter that ends while they begin."""
    for pause in (0.3, 0.6, 0.9):
        with process() as server:
            time.sleep(pause)
            assert server.stop() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_second_signal_ends_everything_at_once(tmp_path: Path) -> None:
    with process("--model", slow_model(tmp_path, 20.0)) as server, ask(server):
        wait_for(tmp_path / "begun")
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert server.process.poll() is None
        start = time.monotonic()
        assert server.stop(signal.SIGINT) == 128 + signal.SIGINT
        assert time.monotonic() - start < 5


def test_a_server_that_others_can_reach_makes_up_a_token() -> None:
    with process("--host", "0.0.0.0", "--model", "opencv-telea") as server:
        token = server.line.split("/?token=")[1].split()[0]
        assert len(token) >= 32
        assert server.get("/health") == 200
        assert server.get("/api/v1/models") == 401
        assert server.get("/api/v1/models", Authorization=f"Bearer {token}") == 200
        assert server.get(f"/?token={token}") == 303
        assert server.get("/api/v1/models", Host="evil.example", Authorization=f"Bearer {token}") == 403
        assert server.stop() == 0


# --- listening ----------------------------------------------------------------------------------


def test_a_port_in_use_is_one_sentence() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port} of 127\.0\.0\.1 cannot be used .*--port 0"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no.such.name.invalid", "x" * 300, "a..b", "192.0.2.77"])
def test_a_host_that_is_not_this_machines_is_one_sentence(host: str) -> None:
    with pytest.raises(InputError, match=r"cannot be (found|used)"):
        listen(host, 0)


def test_the_address_can_be_opened() -> None:
    assert address_of(Settings(port=80)) == "http://127.0.0.1:80"
    assert address_of(Settings(host="::1", port=80)) == "http://[::1]:80"
    assert address_of(Settings(token="abcdefgh")).endswith(":7860/?token=abcdefgh")
    assert "0.0.0.0" not in address_of(Settings(host="0.0.0.0"))


def test_a_token_that_the_user_gave_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    announce("http://127.0.0.1:7860/?token=mine", False)
    assert capsys.readouterr().out == "twofold serves http://127.0.0.1:7860  (Ctrl-C stops)\n"
    announce("http://127.0.0.1:7860/?token=made-up", True)
    assert "token=made-up" in capsys.readouterr().out
