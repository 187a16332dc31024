"""How good each part of DSI is by itself: codes, structure, texture; for training and model cards."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from twofold.dsi.model import Dsi
from twofold.dsi.objective import BITS, code_loss
from twofold.dsi.parallel.network import MaskedStructureGenerator
from twofold.dsi.quantize import CodeUse, code_use
from twofold.errors import CheckpointError
from twofold.features.lpips import Distance
from twofold.metrics.fidelity import psnr
from twofold.tensors import tensor_to_image

Examples = Iterable[Mapping[str, Tensor]]
"""Dicts of ``image`` [3 h w] in [-1, 1] and ``hole`` [1 h w]."""


@dataclass(frozen=True, eq=False)
class PartValidation:
    """What was found.

    Attributes:
        figures: means over the photographs.
        pictures: of the first photographs, side by side, uint8 [h w 3].
    """

    figures: dict[str, float]
    pictures: list[npt.NDArray[np.uint8]] = field(default_factory=list)


@torch.inference_mode()
def validate_vqvae(
    dsi: Dsi, examples: Examples, *, device: torch.device, distance: Distance | None = None, shown: int = 4
) -> PartValidation:
    """Reconstruct photographs from their codes.

    Figures: ``psnr`` and ``lpips`` of the reconstruction, ``structure perplexity`` and ``texture
    perplexity`` over all photographs together. Pictures: photograph, reconstruction, structure alone.
    """
    means, pictures = _Means(), []
    uses: dict[str, CodeUse] = {}
    for number, example in enumerate(examples):
        image = example["image"][None].to(device)
        reconstruction, encoding = dsi.vqvae(image)
        answer = reconstruction.float().clamp(-1, 1)
        means.add(_quality(answer, image, distance))
        for name, level in (("structure", encoding.structure), ("texture", encoding.texture)):
            use = code_use(level, dsi.config.vqvae.codes)
            seen = uses.get(name)
            uses[name] = use if seen is None else CodeUse(seen.counts + use.counts, seen.sums + use.sums)
        if number < shown:
            structure = dsi.vqvae.structure_picture(encoding.structure.vectors)
            pictures.append(_side_by_side(image, answer, structure))
    perplexities = {f"{name} perplexity": float(use.perplexity) for name, use in uses.items()}
    return PartValidation(means.figures() | perplexities, pictures)


@torch.inference_mode()
def validate_structure(dsi: Dsi, examples: Examples, *, device: torch.device) -> PartValidation:
    """Let the structure generator guess the true codes of photographs with holes.

    Figures: ``bits per code`` over all positions, as the paper counts, and ``bits per missing code`` over
    those whose 8x8 pixels the hole touches. A generator that decodes in parallel guesses the latter with
    all of them hidden, which is harder than one after the other: ``bits per missing code, all hidden``.
    """
    means = _Means()
    if dsi.structure is None:
        raise CheckpointError("these weights hold no structure generator; validate others")
    for example in examples:
        image, hole = example["image"][None].to(device), example["hole"][None].to(device)
        quantized = dsi.vqvae.encode(image).structure
        missing = torch.nn.functional.max_pool2d(hole, 8)[:, 0] > 0
        if isinstance(dsi.structure, MaskedStructureGenerator):
            if bool(missing.any()):
                logits = dsi.structure(quantized.vectors, missing, image * (1 - hole), hole)
                nats = code_loss(logits, quantized.codes)[missing]
                means.add({"bits per missing code, all hidden": float(nats.mean() * BITS)})
            continue
        loss = code_loss(dsi.structure(quantized.vectors, image * (1 - hole), hole), quantized.codes) * BITS
        means.add({"bits per code": float(loss.mean())})
        if bool(missing.any()):
            means.add({"bits per missing code": float(loss[missing].mean())})
    return PartValidation(means.figures())


@torch.inference_mode()
def validate_texture(
    dsi: Dsi, examples: Examples, *, device: torch.device, distance: Distance | None = None, shown: int = 4
) -> PartValidation:
    """Paint the true structure of photographs with holes.

    Figures: ``psnr`` and ``lpips`` of the composited pictures. Pictures: damaged, filled, photograph.
    """
    means, pictures = _Means(), []
    if dsi.texture is None:
        raise CheckpointError("these weights hold no texture generator; validate others")
    for number, example in enumerate(examples):
        image, hole = example["image"][None].to(device), example["hole"][None].to(device)
        structure = dsi.vqvae.encode(image).structure.vectors
        answer = torch.where(hole > 0, dsi.texture(image * (1 - hole), hole, structure).float(), image)
        means.add(_quality(answer, image, distance))
        if number < shown:
            pictures.append(_side_by_side(image * (1 - hole), answer, image))
    return PartValidation(means.figures(), pictures)


class _Means:
    """Means of figures by name."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._values.setdefault(name, []).append(value)

    def figures(self) -> dict[str, float]:
        return {name: float(np.mean(values)) for name, values in self._values.items()}


def _quality(answer: Tensor, image: Tensor, distance: Distance | None) -> dict[str, float]:
    figures = {"psnr": psnr(tensor_to_image(answer)[0], tensor_to_image(image)[0])}
    return figures if distance is None else figures | {"lpips": float(distance(answer, image))}


def _side_by_side(*images: Tensor) -> npt.NDArray[np.uint8]:
    return np.concatenate([tensor_to_image(image)[0] for image in images], axis=1)
