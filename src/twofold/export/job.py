"""Export a network: trace it, check it, and only then write it."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import onnx

from twofold.checkpoints.format import Weights, build_network, load_weights
from twofold.checkpoints.released import find_weights
from twofold.engine.backends.onnx.manifest import MANIFEST
from twofold.engine.fingerprints import file_digest
from twofold.errors import CheckpointError, InputError
from twofold.export.document import Exporter, describe, licence_of, stamp
from twofold.export.parity import Differences
from twofold.families import FAMILIES
from twofold.network import FillingNetwork
from twofold.pixels import replacing


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        path: the file, or the folder.
        size: bytes of the ONNX files.
        differences: the largest ones of the float graph from PyTorch, by what was compared.
        int8_psnr: of answers in 8-bit integers against those in float, in dB; None: it is in float.
    """

    path: Path
    size: int
    differences: Differences
    int8_psnr: float | None = None


def export_model(
    model: str | os.PathLike[str], out: Path, *, name: str | None = None, int8: Path | None = None
) -> Export:
    """Write a network as ONNX, with all that comes before and after it; checked first, whole or not at all.

    MEDFE becomes one file, ``OUT.onnx``; DSI a folder of several and a manifest.

    Args:
        model: a bundled model, a folder that holds ``model.safetensors``, or such a file.
        out: what to write; an earlier export is replaced.
        name: what reports call the export; None: the model's own name.
        int8: a folder of photographs; MEDFE is then written in 8-bit integers, see ``quantize_medfe``.

    Raises:
        CheckpointError: if there is no such model, it cannot be exported, or the export does not answer
            as PyTorch does; nothing is written then.
        InputError: if ``out`` cannot be written, or there is no int8 of this model.
        MissingExtraError: if a library is not installed.
    """
    file = find_weights(model)
    weights = load_weights(file)
    usual = weights.name if int8 is None else f"{weights.name}-int8"
    weights = replace(weights, name=usual if name is None else name)
    exporter = _exporter_of(weights)
    _check_place(out, weights.name, exporter)
    network = build_network(weights).requires_grad_(False)
    graphs = exporter.graphs(network, weights, int8)
    document = describe(file, weights, cast("FillingNetwork", network), graphs)
    licence_text = licence_of(file, weights)[1]
    if exporter.one_file:
        files = dict.fromkeys(graphs.models, out)
    else:
        out.mkdir(exist_ok=True)
        files = {graph: out / f"{graph}.onnx" for graph in graphs.models}
    for graph, made in graphs.models.items():
        stamp(made, document if exporter.one_file else {**document, "graph": graph}, licence_text)
        onnx.checker.check_model(made)
        _write(made.SerializeToString(deterministic=True), files[graph])
    if not exporter.one_file:
        if licence_text:
            _write(licence_text.encode(), out / "LICENSE")
        # Last, with the digests of the others: a folder of halves of two exports says so.
        document["files"] = {graph: file_digest(path) for graph, path in files.items()}
        _write(json.dumps(document, indent=1).encode(), out / MANIFEST)
    size = sum(path.stat().st_size for path in files.values())
    return Export(out, size, graphs.differences, document.get("int8", {}).get("psnr_to_float"))


def _exporter_of(weights: Weights) -> Exporter:
    family = FAMILIES.get(weights.family)
    if family is None or family.export is None:
        raise CheckpointError(
            f"{weights.name} is of the family {weights.family!r}, which cannot be exported yet"
        )
    return cast("Exporter", family.export())


def _check_place(out: Path, name: str, exporter: Exporter) -> None:
    if not out.absolute().parent.is_dir():
        raise InputError(f"folder {out.parent} does not exist; make it first, or choose another place")
    if exporter.one_file:
        if out.suffix != ".onnx" or out.is_dir():
            raise InputError(f"{name} becomes one file, and {out} is no name for it; end it in .onnx")
    elif out.suffix == ".onnx" or out.is_file():
        raise InputError(f"{name} becomes several files, and {out} is no name for their folder")
    elif out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise InputError(f"folder {out} holds other things; choose another place")


def _write(content: bytes, path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
