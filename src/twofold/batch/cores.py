"""How many workers this machine can feed: cores and memory that are really ours."""

import os
from pathlib import Path

MEMORY_A_WORKER = 1536 * 1024 * 1024
"""Bytes: twice what a worker takes with medfe-small and pictures of 400x300 pixels."""
_GROUP = Path("/sys/fs/cgroup")
_MEMORY = Path("/proc/meminfo")


def usable_cores() -> int:
    """Cores that this process may use: of the machine, of its affinity, of its container's share."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    words = _words(_GROUP / "cpu.max")  # "200000 100000": microseconds of time in so many
    if len(words) == 2 and words[0].isdigit():
        cores = min(cores, max(1, int(words[0]) // int(words[1])))
    return cores


def usable_memory() -> int | None:
    """Bytes that are free, of the machine or the container; None if the system does not tell."""
    words = _words(_MEMORY)
    free = None
    if "MemAvailable:" in words:
        free = int(words[words.index("MemAvailable:") + 1]) * 1024
    limit, used = _words(_GROUP / "memory.max"), _words(_GROUP / "memory.current")
    if limit and used and limit[0].isdigit():
        left = int(limit[0]) - int(used[0])
        free = left if free is None else min(free, left)
    return free


def default_workers(threads: int = 1) -> int:
    """So many that each core has one thread, as far as memory goes; at least one."""
    cores, memory = usable_cores() // threads, usable_memory()
    return max(1, cores if memory is None else min(cores, memory // MEMORY_A_WORKER))


def _words(path: Path) -> list[str]:
    """The words of a small file of the system; none where there is no such file."""
    try:
        return path.read_text().split()
    except OSError:
        return []
