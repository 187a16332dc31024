"""Ask a network of PyTorch for tiles: the border between the engine's numpy and its tensors."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from twofold.devices import exact_arithmetic
from twofold.inpainter import Progress, Sample
from twofold.network import FilledBatch, FillingNetwork
from twofold.tensors import hole_to_tensor, image_to_tensor, tensor_to_image


class TorchTiles:
    """A ``TileNetwork`` around a ``FillingNetwork``; its sizes and options are the network's own.

    Args:
        network: on ``device``; a torch module, or what behaves like one.
        device: where it is.
    """

    def __init__(self, network: FillingNetwork, device: torch.device) -> None:
        self._network, self._device = network, device
        self.size_multiple, self.native_size = network.size_multiple, network.native_size
        self.largest_size, self.default_options = network.largest_size, network.default_options
        parameters = getattr(network, "parameters", tuple)
        self.weight_count = sum(weight.numel() for weight in parameters())

    def check_options(self, options: Any) -> None:
        """Refuse options that the network cannot follow; see ``TileNetwork.check_options``."""
        self._network.check_options(options)

    def fill(
        self,
        image: npt.NDArray[np.uint8],
        hole: npt.NDArray[np.bool_],
        seeds: Sequence[int],
        options: Any = None,
        *,
        progress: Progress | None = None,
    ) -> list[Sample]:
        """Fill tiles, or one tile in several ways; see ``TileNetwork.fill``."""
        picture = image_to_tensor(image).to(self._device)
        missing = hole_to_tensor(hole).to(self._device)
        with exact_arithmetic():
            batch = self._network.fill(picture, missing, seeds, options, progress=progress)
        return _samples(batch)


def _samples(batch: FilledBatch) -> list[Sample]:
    """The answers of a batch as numpy; fields of both records have one name."""
    columns: dict[str, Any] = {}
    for field in fields(batch):
        values = getattr(batch, field.name)
        if values is None:
            continue
        if values.ndim == 4:
            columns[field.name] = tensor_to_image(values)
        elif values.ndim == 3:
            columns[field.name] = values.cpu().numpy().astype(np.int64)
        else:
            columns[field.name] = values.cpu().numpy().astype(np.float64).tolist()
    return [Sample(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
