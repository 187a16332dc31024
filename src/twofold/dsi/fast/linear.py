"""A matrix product with fixed weights, prepacked for the processor where PyTorch can."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

SMALL_PRODUCT = 2**18
"""Products of fewer multiplications are faster by ``torch.addmm``: calling oneDNN has its price."""


class PrepackedLinear:
    """A matrix product with fixed weights, prepacked for it where PyTorch can.

    On CPUs with oneDNN, prepacked weights make products of a few rows about twice as fast as
    ``torch.addmm``; elsewhere, and for very small products, that is what runs.

    Args:
        weight: plain weights.
        bias: None adds none.
        dtype: of the product's factors and of what comes out; None: the weights'.
    """

    def __init__(
        self,
        weight: Float[Tensor, "o i"],
        bias: Float[Tensor, " o"] | None = None,
        *,
        dtype: torch.dtype | None = None,
    ) -> None:
        weight = weight.to(dtype or weight.dtype)
        self.prepacked = prepacked(weight)
        self.small_rows = SMALL_PRODUCT // weight.numel() if weight.dtype == torch.float32 else 0
        needed = self.prepacked is None or self.small_rows > 0
        self.weight = weight.T.contiguous() if needed else weight.new_empty(0)
        self.bias = None if bias is None else bias.to(weight.dtype).contiguous()

    def __call__(
        self, rows: Float[Tensor, "n i"], plus: Float[Tensor, "n o"] | None = None
    ) -> Float[Tensor, "n o"]:
        """``rows @ weight.T + bias + plus``."""
        if self.prepacked is not None and len(rows) > self.small_rows:
            if plus is None:
                return LINEAR(rows, self.prepacked, self.bias, "none", [], "")
            return LINEAR.binary(rows, plus, self.prepacked, self.bias, "add")
        if plus is None:
            return rows @ self.weight if self.bias is None else torch.addmm(self.bias, rows, self.weight)
        product = torch.addmm(plus, rows, self.weight)
        return product if self.bias is None else product.add_(self.bias)


LINEAR = torch.ops.mkldnn._linear_pointwise
"""oneDNN's product with prepacked weights, which PyTorch's own compiler uses."""


def prepacked(weight: Tensor) -> Tensor | None:
    """Weights prepacked by oneDNN; None where this PyTorch or this device cannot."""
    if weight.device.type != "cpu" or weight.dtype not in (torch.float32, torch.bfloat16):
        return None
    row, other = weight.new_zeros(1, weight.shape[1]), weight.new_zeros(1, weight.shape[0])
    try:
        reordered = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
        # The operators are not part of PyTorch's public face: try before trusting.
        LINEAR(row, reordered, None, "none", [], "")
        LINEAR.binary(row, other, reordered, None, "add")
    except (RuntimeError, AttributeError, TypeError):
        return None
    return cast(Tensor, reordered)
