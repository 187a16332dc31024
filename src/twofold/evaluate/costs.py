"""What one call costs: seconds, and the memory that the process takes for it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

T = TypeVar("T")

_RESET_PEAK = "5"
"""What Linux wants written to ``clear_refs`` to forget the largest resident memory so far."""


def measured(call: Callable[[], T]) -> tuple[T, float, int | None]:
    """Make a call; give its result, its wall time, and the most memory it added.

    Returns:
        The result; seconds; bytes: on a CUDA device that was used, the most that tensors held there; else,
        on Linux, the largest resident memory of the process during the call less that before it, of whole
        pages and with what the allocator keeps for later; None where the system does not tell.
    """
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    before = _resident("VmRSS") if _forget_peak() else None
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    if cuda and (on_device := torch.cuda.max_memory_allocated()):
        return result, seconds, on_device
    peak = _resident("VmHWM")
    return result, seconds, None if before is None or peak is None else max(0, peak - before)


def _forget_peak() -> bool:
    """Let the system count the largest resident memory anew; False if it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def _resident(field: str) -> int | None:
    """Bytes that Linux tells under a name of ``/proc/self/status``."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(found[0]) * 1024 if found else None
