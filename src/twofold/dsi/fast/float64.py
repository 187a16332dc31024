"""The last word on near ties: the autoregressive network in float64."""

from copy import deepcopy

from jaxtyping import Float, Int
from torch import Tensor

from twofold.dsi.structure import PixelCnn


class ExactLogits:
    """Logits in float64 by the plain network, for positions where rounding of float32 might decide.

    Every procedure asks this way, one sample at a time, so a near tie falls the same whatever the
    procedure, the batch and the number of threads. The network is copied when it is first asked for.

    Args:
        network: is only read.
        vectors: the codes' vectors.
        condition: features of the condition network.
    """

    def __init__(
        self, network: PixelCnn, vectors: Float[Tensor, "k d"], condition: Float[Tensor, "1 c h w"]
    ) -> None:
        self.network = network
        self.vectors = vectors
        self.condition = condition
        self.copy: PixelCnn | None = None

    def last_row(self, codes: Int[Tensor, "r w"]) -> Float[Tensor, "w k"]:
        """Logits of the last of these rows; a column's depend on the codes before it alone."""
        if self.copy is None:
            self.copy = deepcopy(self.network).double().eval()
        vectors = self.vectors.double()[codes].permute(2, 0, 1)[None].contiguous()
        condition = self.condition[:, :, : len(codes)].double()
        logits: Tensor = self.copy(vectors, condition)
        return logits[0, :, -1].T
