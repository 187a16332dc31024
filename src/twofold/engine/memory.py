"""Keep the memory of a fill within what the user allows: smaller tiles, fewer answers at once, less detail.

The figures are peaks of resident memory, measured on a CPU with PyTorch 2.13; see ``docs/full-size.md``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError
from twofold.inpainter import Detail

if TYPE_CHECKING:
    from twofold.engine.backends.tile_network import TileNetwork

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30}
"""What a number of bytes may be followed by, before an optional B."""
FIRST = {False: 1500, True: 2300}
"""Bytes that a network of ``PARAMETERS`` weights takes for each pixel of a tile, for one answer: one of
those with one best answer, and one that samples."""
FURTHER = 300
"""The same for each further answer to the same tile at once, of a network that samples."""
PARAMETERS = 9_000_000
"""Weights of the larger bundled network; of larger ones, memory grows as the root of their number."""
DETAIL = 1500
"""Bytes that carrying detail takes for each pixel of a tile."""
REST = 80_000_000
"""Bytes for what neither grows with the tile nor with the picture: strips, blocks of the search, kernels."""


@dataclass(frozen=True)
class Plan:
    """How one picture is filled.

    Attributes:
        largest_size: side of the largest tiles.
        at_once: most answers that are drawn as one batch.
        detail: as asked for, or ``none`` where it does not fit.
    """

    largest_size: int
    at_once: int
    detail: Detail


def read_bytes(text: str) -> int:
    """Read an amount of memory such as ``2GB``, ``1.5 GiB`` or ``800m``.

    Raises:
        InputError: if it is none.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?|)b?\s*", text.lower())
    if found is None or found[2] not in UNITS:
        raise InputError(f"memory {text!r} is no amount of memory; write it as 2GB, 800MB or 1.5GiB")
    return int(float(found[1]) * UNITS[found[2]])


def choose_plan(
    network: TileNetwork,
    pixels: npt.NDArray[np.generic],
    samples: int,
    *,
    diverse: bool,
    limit: int | None,
    at_once: int,
    detail: Detail,
) -> Plan:
    """Choose how to fill a picture within a limit; what costs the least quality is given up first.

    First fewer answers at once, then smaller tiles down to the network's native size, then detail.

    Args:
        network: that fills.
        pixels: the picture.
        samples: answers that are kept.
        diverse: whether each is computed.
        limit: bytes beside the picture itself, the network's weights and the program; None: no limit.
        at_once: most answers at once without a limit.
        detail: as asked for.

    Raises:
        InputError: if the least that is needed is more.
    """
    together = min(at_once, samples) if diverse else 1
    if limit is None:
        return Plan(network.largest_size, at_once, detail)
    fixed = samples * pixels.nbytes + 3 * pixels.shape[0] * pixels.shape[1] + REST
    scale = max(1.0, math.sqrt(network.weight_count / PARAMETERS))

    def needed(plan: Plan) -> int:
        area = plan.largest_size**2
        working = scale * (FIRST[diverse] + FURTHER * (plan.at_once - 1)) * area
        return fixed + int(max(working, 0 if plan.detail == "none" else DETAIL * area))

    least = Plan(network.largest_size, together, detail)
    for least in _plans(network, together, detail):
        if needed(least) <= limit:
            return least
    raise InputError(
        f"this picture takes about {_megabytes(needed(least))} of memory beside the program itself and may "
        f"take {_megabytes(limit)}; allow more memory, ask for fewer samples, or scale the picture down"
    )


def _plans(network: TileNetwork, together: int, detail: Detail) -> list[Plan]:
    """All plans in the order of preference."""
    largest, native, multiple = network.largest_size, network.native_size, network.size_multiple
    counts = [2**power for power in range(together.bit_length()) if 2**power < together]
    plans = [Plan(largest, count, detail) for count in (together, *reversed(counts))]
    smaller = range(largest - multiple, native - 1, -multiple)
    plans += [Plan(size, 1, detail) for size in smaller]
    plans += [Plan(size, 1, "none") for size in (largest, *smaller)]
    return plans


def _megabytes(count: int) -> str:
    return f"{-(-count // 10**6)} MB"
