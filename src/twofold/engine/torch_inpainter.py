"""An inpainter around a network of PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import torch
from torch import nn

from twofold.devices import choose_device
from twofold.engine.backends.torch_tiles import TorchTiles
from twofold.engine.network_inpainter import NetworkInpainter, Settings
from twofold.network import FillingNetwork


class TorchInpainter(NetworkInpainter):
    """Fills holes of any size in pictures of any size with one network of PyTorch.

    Float32, without gradients, with reproducible kernels: the same seed gives the same pictures
    on the same machine.
    """

    def __init__(
        self,
        network: FillingNetwork,
        name: str,
        *,
        device: str = "auto",
        files: Sequence[Path] = (),
        **settings: Unpack[Settings],
    ) -> None:
        """Take a network; a torch module is moved to the device and set to evaluation.

        Args:
            network: fills batches of tiles.
            name: for reports.
            device: see ``twofold.devices.choose_device``.
            files: see ``NetworkInpainter``.
            settings: see ``Settings``.

        Raises:
            InputError: if the device cannot be used, there is no such detail, or the network does not take
                the options.
        """
        place = choose_device(device)
        if isinstance(network, nn.Module):
            network.to(place).float().eval().requires_grad_(False)
        precision = ", bf16" if getattr(network, "prepacked", None) == "bf16" else ""
        super().__init__(
            TorchTiles(network, place),
            name,
            # Answers in another precision are other answers.
            runtime=f"torch {torch.__version__}, {place.type}{precision}",
            files=files,
            **settings,
        )
