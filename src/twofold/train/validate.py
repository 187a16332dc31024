"""Validation during training: fill fixed photographs, measure, keep a few to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from twofold.features.lpips import Distance
from twofold.metrics.fidelity import psnr
from twofold.network import FillingNetwork
from twofold.tensors import tensor_to_image


@dataclass(frozen=True, eq=False)
class Validation:
    """What validation found.

    Attributes:
        figures: means over the photographs: ``psnr`` in dB over the whole composited picture, and
            ``lpips`` where a distance was given.
        pictures: for the first photographs: the picture with its hole in grey, the fill and the
            photograph side by side, uint8 [h 3w 3].
    """

    figures: dict[str, float]
    pictures: list[npt.NDArray[np.uint8]]


@torch.inference_mode()
def validate(
    network: FillingNetwork,
    examples: Sequence[Mapping[str, Tensor]],
    *,
    device: torch.device,
    distance: Distance | None = None,
    shown: int = 4,
) -> Validation:
    """Fill every example and compare the composited pictures with the photographs.

    Args:
        network: with the weights to validate.
        examples: dicts of ``image`` [3 h w] in [-1, 1] and ``hole`` [1 h w].
        device: where the network is.
        distance: LPIPS, or None to go without.
        shown: how many examples to return as pictures.
    """
    quality: list[float] = []
    looks: list[float] = []
    pictures = []
    for number, example in enumerate(examples):
        image, hole = example["image"][None].to(device), example["hole"][None].to(device)
        fill = network.fill(image, hole, seeds=[0]).image.float()
        answer = torch.where(hole > 0, fill, image)
        ours, truth = tensor_to_image(answer)[0], tensor_to_image(image)[0]
        quality.append(psnr(ours, truth))
        if distance is not None:
            looks.append(float(distance(answer, image)))
        if number < shown:
            masked = tensor_to_image(image * (1 - hole))[0]
            pictures.append(np.concatenate([masked, ours, truth], axis=1))
    figures = {"psnr": float(np.mean(quality))}
    if looks:
        figures["lpips"] = float(np.mean(looks))
    return Validation(figures, pictures)
