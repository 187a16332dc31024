"""What an exported file says of itself: the network, its origin, its licence, and how it was checked."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from twofold.checkpoints.format import Weights
from twofold.engine.backends.onnx.manifest import FORMAT, KEY
from twofold.engine.fingerprints import file_digest, twofold_version
from twofold.export.parity import TOLERANCE, Differences
from twofold.network import FillingNetwork

_CARD_LICENCE = re.compile(r"^license:\s*(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Graphs:
    """A network as ONNX graphs that answer as it does.

    Attributes:
        models: the graphs by name.
        differences: the largest ones from PyTorch, by what was compared.
        facts: what the document says of these graphs beside what it says of every network.
    """

    models: Mapping[str, onnx.ModelProto]
    differences: Differences
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Exporter:
    """How networks of one family are exported.

    Attributes:
        graphs: makes and checks the graphs of a network with these weights; in 8-bit integers if a folder of
            photographs is given.
        one_file: whether that is one graph, which becomes a file, not a folder of several.
    """

    graphs: Callable[[Any, Weights, Path | None], Graphs]
    one_file: bool


def licence_of(file: Path, weights: Weights) -> tuple[str, str]:
    """Name and text of the weights' licence, from the card and the LICENSE beside them; empty if unknown."""
    card, text = file.with_name("README.md"), file.with_name("LICENSE")
    named = str(weights.about.get("licence", ""))
    if not named and card.is_file() and (found := _CARD_LICENCE.search(card.read_text("utf-8"))):
        named = found[1]
    return named, text.read_text("utf-8") if text.is_file() else ""


def describe(file: Path, weights: Weights, network: FillingNetwork, graphs: Graphs) -> dict[str, Any]:
    """The document of an export; ``twofold/engine/backends/onnx/manifest.py`` says where it lies."""
    return {
        "format": FORMAT,
        "family": weights.family,
        "name": weights.name,
        "weights": file_digest(file),
        "size_multiple": network.size_multiple,
        "native_size": network.native_size,
        "largest_size": network.largest_size,
        "parameters": sum(tensor.numel() for tensor in weights.state.values()),
        "licence": licence_of(file, weights)[0],
        "made_by": twofold_version(),
        "mode": weights.config.get("mode", "paper"),
        "parity": {"tolerance": TOLERANCE, "largest_differences": graphs.differences},
        "config": weights.config,
        **graphs.facts,
    }


def stamp(model: onnx.ModelProto, document: Mapping[str, Any], licence_text: str) -> None:
    """Write the document and the licence into a file's metadata."""
    model.producer_name, _, model.producer_version = twofold_version().partition(" ")
    model.graph.name = str(document["name"])
    entries = {KEY: json.dumps(document), "licence": str(document["licence"]), "licence_text": licence_text}
    onnx.helper.set_model_props(model, {key: value for key, value in entries.items() if value})
