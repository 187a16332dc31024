"""Validate each part of a DSI model by itself, on the crops and holes of a protocol.

Where a model is weak shows here: its codes may lose too much of the picture, its structures may be
hard to guess, or its texture may not follow a true structure.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from torch import Tensor

from twofold.checkpoints.format import build_network, load_weights
from twofold.checkpoints.released import find_weights
from twofold.devices import choose_device
from twofold.dsi.config import SIZE_MULTIPLE
from twofold.dsi.model import Dsi
from twofold.dsi.validation import validate_structure, validate_texture, validate_vqvae
from twofold.engine.external.classical import CLASSICAL
from twofold.errors import InputError
from twofold.evaluate.items import Item
from twofold.evaluate.protocol import Protocol
from twofold.evaluate.results import hash_of_items, library_versions
from twofold.features.lpips import pretrained_lpips
from twofold.pixels import replacing
from twofold.tensors import hole_to_tensor, image_to_tensor

Progress = Callable[[str, int, int], None]
"""Called before each photograph with the part's name, photographs done, and how many there are."""

DEFAULT_PROTOCOL = Protocol()
"""That of the bundled weights."""

_LINES = (
    ("VQ-VAE", "psnr", "reconstruction: PSNR in dB", "{:.2f}"),
    ("VQ-VAE", "lpips", "reconstruction: LPIPS", "{:.3f}"),
    ("VQ-VAE", "structure perplexity", "structure codes: perplexity", "{:.1f}"),
    ("VQ-VAE", "texture perplexity", "texture codes: perplexity", "{:.1f}"),
    ("structure generator", "bits per code", "bits per structure code, all", "{:.3f}"),
    ("structure generator", "bits per missing code", "bits per structure code, missing", "{:.3f}"),
    ("texture generator", "psnr", "painted on the true structure: PSNR in dB", "{:.2f}"),
    ("texture generator", "lpips", "painted on the true structure: LPIPS", "{:.3f}"),
)
"""Part, name of the figure in ``twofold.dsi.validation``, what the table calls it, format."""
_LEGEND = "Means over {photos} photographs. PSNR and LPIPS v0.1 on AlexNet are over the whole picture."
_LEGENDS = {
    "VQ-VAE": "Perplexity: how many of {codes} codes are in use, over all photographs together.",
    "structure generator": "Bits: for the true code, given the true codes before it ({uniform:.4g} if all "
    "codes were equally likely); missing: the hole touches the code's 8x8 pixels.",
    "texture generator": "Painted pictures are composited.",
}
"""Part -> what its figures are."""


@dataclass(frozen=True)
class PartsReport:
    """What was found of the parts of one model.

    Attributes:
        model: its name.
        protocol: tag of the protocol.
        cases_hash: as in ``Report``: equal means comparable.
        photos: number of photographs.
        codes: entries of each codebook.
        figures: part -> name of the figure -> mean; only of the parts that the weights hold.
        versions: library -> version.
    """

    model: str
    protocol: str
    cases_hash: str
    photos: int
    codes: int
    figures: Mapping[str, Mapping[str, float]]
    versions: Mapping[str, str]

    def markdown(self) -> str:
        """A table with one line per figure, with its legend."""
        lines = [f"| {self.model} | figure | mean |", "| --- | --- | --- |"]
        for part, name, shown, form in _LINES:
            value = self.figures.get(part, {}).get(name)
            if value is not None:
                lines.append(f"| {part} | {shown} | {form.format(value)} |")
        legend = " ".join([_LEGEND, *(_LEGENDS[part] for part in self.figures)])
        legend = legend.format(photos=self.photos, codes=self.codes, uniform=math.log2(self.codes))
        versions = ", ".join(f"{name}: {seen}" for name, seen in self.versions.items())
        origin = f"Protocol `{self.protocol}`, cases `{self.cases_hash[:16]}`. {versions}."
        return "\n".join([*lines, "", legend, "", origin]) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``parts.md`` and ``parts.json``, each whole or not at all; the folder is created."""
        folder.mkdir(parents=True, exist_ok=True)
        content = asdict(self)
        for figures in content["figures"].values():
            figures |= {name: None for name, value in figures.items() if not math.isfinite(value)}
        texts = {
            "parts.json": json.dumps(content, indent=1, allow_nan=False) + "\n",
            "parts.md": self.markdown(),
        }
        for name, text in texts.items():
            with replacing(folder / name) as part:
                part.write_text(text, encoding="utf-8")


def validate_parts(
    images: Path,
    model: str,
    out: Path | None = None,
    *,
    protocol: Protocol = DEFAULT_PROTOCOL,
    device: str = "auto",
    progress: Progress | None = None,
) -> PartsReport:
    """Validate the parts of a DSI model, those that its weights hold, on a folder of photographs.

    Args:
        images: folder of photographs, at any depth.
        model: a bundled model, a folder or file of weights; of DSI, whole or of one training stage.
        out: folder for ``parts.md`` and ``parts.json``; None writes nothing.
        protocol: which crops and holes; its samples are not read.
        device: for the networks; see ``twofold.engine.load.load``.
        progress: called before each photograph.

    Raises:
        InputError: if the model is not of DSI, or cannot take crops of the protocol's size.
        CheckpointError: if weights of the model or of LPIPS cannot be found or used.
        TrainingError: if ``images`` holds no photograph that can be read.
    """
    dsi, name = _load_dsi(model)
    if protocol.size % SIZE_MULTIPLE:
        raise InputError(f"size is {protocol.size}; DSI needs crops of a multiple of {SIZE_MULTIPLE} pixels")
    place = choose_device(device)
    dsi = dsi.to(place)
    distance = pretrained_lpips("alex").to(place)
    all_items = protocol.items(images)
    items = [all_items[index] for index in range(len(all_items))]

    def shown(part: str) -> Iterator[dict[str, Tensor]]:
        return _examples(items, part, progress)

    parts = {"VQ-VAE": validate_vqvae(dsi, shown("VQ-VAE"), device=place, distance=distance, shown=0)}
    if dsi.structure is not None:
        part = "structure generator"
        parts[part] = validate_structure(dsi, shown(part), device=place)
    if dsi.texture is not None:
        part = "texture generator"
        parts[part] = validate_texture(dsi, shown(part), device=place, distance=distance, shown=0)
    report = PartsReport(
        model=name,
        protocol=replace(protocol, samples=1).tag,
        cases_hash=hash_of_items((item.photo, item.key) for item in items),
        photos=len(items),
        codes=dsi.config.vqvae.codes,
        figures={part: found.figures for part, found in parts.items()},
        versions=library_versions(),
    )
    if out is not None:
        report.write(out)
    return report


def _load_dsi(model: str) -> tuple[Dsi, str]:
    """The network of a DSI model and the model's name."""
    family, name, network = "classical", model, None
    if model not in CLASSICAL:
        weights = load_weights(find_weights(model))
        family, name = weights.family, weights.name
        network = build_network(weights) if family == "dsi" else None
    if not isinstance(network, Dsi):
        raise InputError(
            f"{model} is a {family} model and has no parts to look at; give a dsi model, such as dsi-small"
        )
    return network.requires_grad_(False), name


def _examples(items: Sequence[Item], part: str, progress: Progress | None) -> Iterator[dict[str, Tensor]]:
    """The items as validation wants them, telling how far it is."""
    for done, item in enumerate(items):
        if progress is not None:
            progress(part, done, len(items))
        yield {"image": image_to_tensor(item.image)[0], "hole": hole_to_tensor(item.hole)[0]}
    if progress is not None:
        progress(part, len(items), len(items))
