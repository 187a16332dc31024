"""Where a network runs and how exactly: devices, arithmetic, seeds.

PyTorch is imported when one of its devices is asked for: seeds are derived without it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from twofold.errors import InputError

if TYPE_CHECKING:
    import torch
    from threadpoolctl import ThreadpoolController


def use_threads(count: int) -> None:
    """Let networks compute with so many threads: PyTorch, and onnxruntime after it.

    Raises:
        InputError: if there is to be none.
    """
    if count < 1:
        raise InputError(f"threads is {count}; give 1 or more")
    os.environ["OMP_NUM_THREADS"] = str(count)  # for what is imported from now on
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy's matrix products use one thread inside the block.

    Those of the engine are small, and threads of OpenBLAS that wait for each other spin: where other programs
    want the cores as well, a fill spent most of its time so.
    """
    with _thread_pools().limit(limits=1, user_api="blas"):
        yield


@lru_cache
def _thread_pools() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def return_freed_memory() -> None:
    """Give what was freed back to the system, where the C library keeps it and can be asked for it: glibc."""
    with suppress(OSError, AttributeError, TypeError):  # elsewhere
        ctypes.CDLL(None).malloc_trim(0)


def choose_device(name: str = "auto") -> torch.device:
    """Turn a name into a device that this machine has; ``auto`` is CUDA where there is one, else the CPU.

    Args:
        name: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or another name that PyTorch knows.

    Raises:
        InputError: if PyTorch does not know the name or cannot use the device here.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)  # says whether it is really there
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {name!r} cannot be used here ({reason}); use cpu or auto") from error
    return device


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Compute without gradients, in full float32 and with reproducible kernels, inside the block."""
    import torch

    with (
        torch.inference_mode(),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
    ):
        yield


def derive_seed(seed: int, *path: int) -> int:
    """Derive one of many independent seeds, for example of sample 3 of crop 2; in [0, 2**63).

    Args:
        seed: 0 or above.
        path: which of the derived seeds, numbers of 0 or above.
    """
    high, low = np.random.SeedSequence((seed, *path)).generate_state(2)
    return (int(high) << 32 | int(low)) >> 1
