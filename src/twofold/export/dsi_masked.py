"""The network of DSI that decodes in parallel as one ONNX graph: all hidden codes' logits at once.

``masked``, once for every pass:

================= ========================= ==============================================================
``codes``         int64 [h w]               of positions that are not hidden; anything of the others
``hidden``        bool [h w]                whether a position's code is to be guessed
``condition``     float32 [h w d]           of the picture
``logits``        float32 [h w k]           out: of every position
================= ========================= ==============================================================
"""

from __future__ import annotations

import onnx
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.dsi.masked import MaskedNetwork
from twofold.export.tracing import trace


class Masked(nn.Module):
    """One pass over a structure."""

    def __init__(self, network: MaskedNetwork, vectors: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("vectors", vectors.detach().float())
        self.vectors: Tensor

    def forward(self, codes: Tensor, hidden: Tensor, condition: Tensor) -> Tensor:
        """See the module."""
        vectors = rearrange(F.embedding(codes[None], self.vectors), "b h w d -> b d h w")
        features = rearrange(condition[None], "b h w d -> b d h w")
        return rearrange(self.network(vectors, hidden[None], features), "b k h w -> (b h) w k")


def masked_graph(network: MaskedNetwork, vectors: Tensor, side: int, condition_size: int) -> onnx.ModelProto:
    """The graph ``masked`` of a network.

    Args:
        network: on the CPU.
        vectors: [k d], of the codes.
        side: of the structure's grid.
        condition_size: channels of the condition.
    """
    inputs = {
        "codes": torch.zeros(side, side, dtype=torch.int64),
        "hidden": torch.ones(side, side, dtype=torch.bool),
        "condition": torch.zeros(side, side, condition_size),
    }
    return trace(Masked(network, vectors).eval(), inputs, ["logits"], axes={})
