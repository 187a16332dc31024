"""What this machine can do at most: products a second in float32 and in bfloat16, and what it is."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from twofold.errors import InputError

SIDE, CHANNELS, SPATIAL = 1024, 256, 32
"""Of the square matrices, and of the 3x3 convolution that are timed; the faster of both is the rate."""
TELLING = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16", "sve")
"""Flags of a processor that say how fast it multiplies."""


def matrix_rates(repeats: int = 5) -> dict[str, float]:
    """10**9 additions and multiplications a second, by precision, with the threads that are set."""
    return {
        name: max(_product_rate(dtype, repeats), _convolution_rate(dtype, repeats))
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    }


def _product_rate(dtype: torch.dtype, repeats: int) -> float:
    left, right = torch.randn(SIDE, SIDE).to(dtype), torch.randn(SIDE, SIDE).to(dtype)
    return 2 * SIDE**3 / _fastest(lambda: left @ right, repeats) / 1e9


def _convolution_rate(dtype: torch.dtype, repeats: int) -> float:
    features = torch.randn(2, CHANNELS, SPATIAL, SPATIAL).to(dtype)
    weight = torch.randn(CHANNELS, CHANNELS, 3, 3).to(dtype)
    seconds = _fastest(lambda: F.conv2d(features, weight, padding=1), repeats)
    return 2 * 2 * SPATIAL**2 * CHANNELS**2 * 9 / seconds / 1e9


def _fastest(work: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest repeat, by clock or processor, whichever tells fewer."""
    with torch.inference_mode():
        work()
        seconds = []
        for _ in range(repeats):
            wall, processor = time.perf_counter(), time.process_time()
            work()
            seconds.append(min(time.perf_counter() - wall, time.process_time() - processor))
    return min(seconds)


def describe_machine(threads: int) -> dict[str, Any]:
    """Processor, flags, system and versions; nothing that names the machine or its user."""
    from twofold import __version__

    model, flags = platform.machine(), ""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        fields = dict(line.split(":", 1) for line in information.read_text().splitlines() if ":" in line)
        named = {key.strip(): value.strip() for key, value in fields.items()}
        model = named.get("model name", model)
        flags = named.get("flags", named.get("Features", ""))
    return {
        "processor": model,
        "flags": sorted(set(flags.split()) & set(TELLING)),
        "system": platform.system(),
        "threads": threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "twofold": __version__,
    }


def peak_megabytes(command: Sequence[str], what: str, way_out: str) -> float:
    """Peak resident memory in 10**6 bytes of a fresh process that prints it in bytes as its last word.

    Args:
        command: the process.
        what: it is, for the error.
        way_out: what helps where memory does not suffice.

    Raises:
        InputError: if the process fails.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last_words = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(
            f"{what} stopped with status {done.returncode} ({last_words}) while its memory was measured; "
            f"{way_out}"
        )
    return int(done.stdout.split()[-1]) / 1e6
