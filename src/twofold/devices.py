"""Where a network runs and how exactly: devices, arithmetic, seeds.

PyTorch is imported when one of its devices is asked for: seeds are derived without it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np

from twofold.errors import InputError

if TYPE_CHECKING:
    import torch


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
