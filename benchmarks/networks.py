"""The networks that ``benchmarks/speed.py`` measures, in all forms: pixels in, pixels out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from dsi_speed import seeded_generator
from medfe_speed import seeded_networks
from reference_medfe import reference_generator
from twofold.checkpoints.format import build_network, load_weights
from twofold.checkpoints.from_medfe import convert_generator
from twofold.checkpoints.released import find_weights
from twofold.dsi import config as dsi_sizes
from twofold.dsi.model import Dsi, build_dsi
from twofold.engine.backends.precision import prepare
from twofold.errors import InputError
from twofold.medfe import config as medfe_sizes
from twofold.medfe.official import OfficialMedfe
from twofold.tensors import hole_to_tensor, image_to_tensor, tensor_to_image

Form = Literal["reference", "plain", "fp32", "bf16"]
Pixels = npt.NDArray[np.uint8]
MODELS: dict[str, tuple[Form, ...]] = {
    "medfe-small": ("plain", "fp32", "bf16"),
    "dsi-small": ("reference", "fp32"),
    "medfe-full": ("reference", "fp32", "bf16"),
    "dsi-full": ("reference", "fp32"),
}
"""Models and their forms, the one that all others are compared with first.

``reference``: the papers' procedures word by word; ``plain``: the network as it is trained, module by
module. Full-size networks have seeded random weights. For DSI, reference is extrapolated from single passes
of the autoregressive network, see ``measuring.py``.
"""


@dataclass(frozen=True, eq=False)
class Subject:
    """One network in one form.

    Attributes:
        network: the torch module, for its parts; None for reference forms.
        fill: answers pictures uint8 [b h w 3] with holes bool [b h w] by so many seeds.
        side: of the pictures that it is measured with.
    """

    network: nn.Module | None
    fill: Callable[[Pixels, npt.NDArray[np.bool_], Sequence[int]], Pixels]
    side: int


def open_subject(model: str, form: Form, seed: int = 1) -> Subject:
    """Build a network in one form; the same seed gives the same weights in all forms.

    Raises:
        InputError: if there is no such model.
    """
    if model not in MODELS:
        raise InputError(f"there is no model {model!r} to measure; choose from {', '.join(MODELS)}")
    if model == "medfe-full" and form == "reference":
        return _reference_medfe(seed)
    network = _network(model, seed)
    if form != "plain":
        network = prepare(network, "bf16" if form == "bf16" else "fp32", torch.device("cpu"))

    def fill(pixels: Pixels, hole: npt.NDArray[np.bool_], seeds: Sequence[int]) -> Pixels:
        with torch.inference_mode():
            answered = network.fill(image_to_tensor(pixels), hole_to_tensor(hole), seeds).image
        return _pasted(tensor_to_image(answered), pixels, hole)

    return Subject(network, fill, network.native_size)


def _network(model: str, seed: int) -> Any:
    """A bundled network with its weights, or a full-size one with seeded ones."""
    if model.endswith("-small"):
        return build_network(load_weights(find_weights(model))).requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if model == "medfe-full":
            config = medfe_sizes.paper("official")
            medfe = OfficialMedfe(config)
            medfe.load_state_dict(convert_generator(seeded_networks(config, seed), config))
            return medfe.eval().requires_grad_(False)
        config_dsi = dsi_sizes.paper()
        dsi: Dsi = build_dsi(config_dsi)
        dsi.structure, dsi.vqvae.codebook = seeded_generator(config_dsi, seed)  # codes that vary
        return dsi.eval().requires_grad_(False)


def _reference_medfe(seed: int) -> Subject:
    config = medfe_sizes.paper("official")
    networks = seeded_networks(config, seed)

    def fill(pixels: Pixels, hole: npt.NDArray[np.bool_], seeds: Sequence[int]) -> Pixels:
        """One picture at a time, and anew for every sample, as the official code does."""
        images, holes = image_to_tensor(pixels), hole_to_tensor(hole)
        with torch.inference_mode():
            answers = [
                reference_generator(networks, images[place : place + 1], holes[place : place + 1]).image
                for place in (range(len(pixels)) if len(pixels) > 1 else [0] * len(seeds))
            ]
        return _pasted(tensor_to_image(torch.cat(answers)), pixels, hole)

    return Subject(None, fill, config.native_size)


def _pasted(answers: Pixels, pixels: Pixels, hole: npt.NDArray[np.bool_]) -> Pixels:
    return np.where(hole[..., None], answers, pixels).astype(np.uint8)


def picture(side: int, batch: int, seed: int) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """Smooth random pictures uint8 [b side side 3], and a centred square hole of a quarter of each."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (batch, side // 16, side // 16, 3), np.uint8)
    hole = np.zeros((batch, side, side), bool)
    hole[:, side // 4 : -side // 4, side // 4 : -side // 4] = True
    return coarse.repeat(16, 1).repeat(16, 2), hole
