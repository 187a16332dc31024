"""How exactly a network computes, and what makes it ready to answer fast."""

from typing import Literal

import torch

from twofold.errors import InputError
from twofold.medfe.fast.pack import prepack
from twofold.medfe.network import MedfeNetwork
from twofold.network import FillingNetwork

Precision = Literal["fp32", "bf16", "auto"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "auto")


def prepare(network: FillingNetwork, precision: Precision, device: torch.device) -> FillingNetwork:
    """Rearrange a network for inference, in place, where that pays.

    Args:
        network: nobody else may hold it; it can be neither trained nor saved afterwards.
        precision: ``fp32``: pictures are the same everywhere but for rounding. ``bf16``: convolutions
            multiply in bfloat16, of MEDFE on a CPU. ``auto``: bfloat16 where this is possible and the
            CPU has instructions for it.
        device: where it will run.

    Raises:
        InputError: if there is no such precision, or the network does not run in it there.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; choose from {', '.join(PRECISIONS)}")
    if not isinstance(network, MedfeNetwork) or device.type != "cpu":
        if precision == "bf16":
            raise InputError(
                "bf16 is for MEDFE on a CPU; leave precision out, or choose medfe-small and device cpu"
            )
        return network
    if precision == "auto":
        precision = "bf16" if multiplies_bfloat16() else "fp32"
    return prepack(network, precision)


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for products in bfloat16; without, they are slower than float32."""
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in asked)
