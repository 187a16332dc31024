"""Put together the networks of a DSI stage: parts that are given and stay, parts that are trained."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from twofold.dsi.config import DsiConfig
from twofold.dsi.model import Dsi, build_dsi
from twofold.errors import CheckpointError


def build_with(config: DsiConfig, start: Mapping[str, Tensor], *, seed: int, trained: Sequence[str]) -> Dsi:
    """Build ``Dsi`` from starting weights; parts to be trained may be absent from them and begin fresh.

    Everything else must be in ``start``, and is frozen. Parts of ``start`` that the configuration does not
    have are left out.

    Args:
        config: with the parts of this stage.
        start: a state of ``Dsi``.
        seed: of fresh weights.
        trained: names of the parts to train.

    Raises:
        CheckpointError: if a frozen part is missing, or a tensor has another shape.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        dsi = build_dsi(config)
    ours = dsi.state_dict()
    taken = {name: value for name, value in start.items() if name in ours}
    absent = {name.split(".")[0] for name in ours if name not in taken}
    frozen = {name.split(".")[0] for name in ours} - set(trained)
    if lacking := sorted(absent & frozen):
        raise CheckpointError(
            f"the starting weights lack {', '.join(lacking)}; train dsi-vqvae first and start from "
            "its weights"
        )
    misshapen = [name for name, value in taken.items() if value.shape != ours[name].shape]
    if misshapen:
        raise CheckpointError(
            f"the starting weights have another shape of {', '.join(misshapen[:3])}; "
            "start from weights of the same preset"
        )
    dsi.load_state_dict(taken, strict=False)
    for name, parameter in dsi.named_parameters():
        parameter.requires_grad_(name.split(".")[0] in trained)
    return dsi.eval()
