"""Cores and memory are counted as the container gives them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twofold.batch import cores

GIB = 1024**3


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "_GROUP", tmp_path)
    monkeypatch.setattr(cores, "_MEMORY", tmp_path / "meminfo")
    return tmp_path


def test_a_bare_machine_gets_a_worker_a_core(machine: Path) -> None:
    assert cores.usable_cores() == 8
    assert cores.usable_memory() is None
    assert cores.default_workers() == 8
    assert cores.default_workers(threads=3) == 2
    assert cores.default_workers(threads=9) == 1


def test_a_container_has_its_share(machine: Path) -> None:
    (machine / "cpu.max").write_text("350000 100000\n")
    assert cores.usable_cores() == 3
    (machine / "cpu.max").write_text("50000 100000\n")
    assert cores.usable_cores() == 1
    (machine / "cpu.max").write_text("max 100000\n")
    assert cores.usable_cores() == 8


def test_memory_limits_the_workers(machine: Path) -> None:
    (machine / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable:   {6 * GIB // 1024} kB\n")
    assert cores.usable_memory() == 6 * GIB
    assert cores.default_workers() == 4
    (machine / "memory.max").write_text(f"{4 * GIB}\n")
    (machine / "memory.current").write_text(f"{GIB}\n")
    assert cores.usable_memory() == 3 * GIB
    assert cores.default_workers() == 2
    (machine / "memory.current").write_text(f"{4 * GIB}\n")
    assert cores.default_workers() == 1
