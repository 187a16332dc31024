"""Ask a network of PyTorch for tiles: the border between the engine's numpy and its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from twofold.devices import exact_arithmetic
from twofold.engine.tile_network import TileAnswers
from twofold.engine.wrapped import WrappedNetwork
from twofold.inpainter import Progress
from twofold.network import FillingNetwork
from twofold.tensors import hole_to_tensor, image_to_tensor, tensor_to_image


class TorchTiles(WrappedNetwork):
    """A ``TileNetwork`` around a ``FillingNetwork``; its sizes and options are the network's own.

    Args:
        network: on ``device``.
        device: where it is.
    """

    def __init__(self, network: FillingNetwork, device: torch.device) -> None:
        super().__init__(network)
        self._device = device

    @property
    def options(self) -> Any:
        """How the network samples; None for networks that take no options."""
        return getattr(self._network, "options", None)

    def fill(
        self,
        image: npt.NDArray[np.uint8],
        hole: npt.NDArray[np.bool_],
        seeds: Sequence[int],
        *,
        progress: Progress | None = None,
    ) -> TileAnswers:
        """Fill one tile, once for each seed; see ``TileNetwork.fill``."""
        picture = image_to_tensor(image).to(self._device)
        missing = hole_to_tensor(hole).to(self._device)
        with exact_arithmetic():
            batch = self._network.fill(picture, missing, seeds, progress=progress)
        codes = None if batch.codes is None else batch.codes.cpu().numpy().astype(np.int64)
        return TileAnswers(
            tensor_to_image(batch.image),
            None if batch.structure is None else tensor_to_image(batch.structure),
            None if batch.texture is None else tensor_to_image(batch.texture),
            _numbers(batch.log_likelihood),
            codes,
            _numbers(batch.score),
        )


def _numbers(values: Tensor | None) -> npt.NDArray[np.float64] | None:
    return None if values is None else values.cpu().numpy().astype(np.float64)
