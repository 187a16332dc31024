"""Export a network: trace it, check it, and only then write it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from twofold.checkpoints.format import Weights, build_network, load_weights
from twofold.checkpoints.released import find_weights
from twofold.dsi.model import Dsi
from twofold.engine.backends.onnx.manifest import MANIFEST, read_exported
from twofold.engine.backends.onnx.raster import SamplerSizes
from twofold.engine.fingerprints import file_digest
from twofold.errors import CheckpointError, InputError
from twofold.export.compact import halve_weights
from twofold.export.document import describe, licence_of, stamp
from twofold.export.dsi import UNROUNDED, Parts, dsi_graphs
from twofold.export.int8 import quantize_medfe
from twofold.export.medfe import VIEWS, medfe_graph
from twofold.export.parity import Differences, check_dsi, check_medfe
from twofold.medfe.model import Medfe
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
    if int8 is not None and weights.family != "medfe":
        raise InputError(f"{weights.name} has no form in 8-bit integers, only MEDFE has; leave int8 out")
    usual = weights.name if int8 is None else f"{weights.name}-int8"
    weights = replace(weights, name=usual if name is None else name)
    _check_place(out, weights)
    network = build_network(weights).requires_grad_(False)
    if isinstance(network, Medfe):
        return _export_medfe(network, weights, file, out, int8)
    if isinstance(network, Dsi):
        return _export_dsi(network, weights, file, out)
    raise CheckpointError(f"{weights.name} is of the family {weights.family!r}, which cannot be exported yet")


def _check_place(out: Path, weights: Weights) -> None:
    if not out.absolute().parent.is_dir():
        raise InputError(f"folder {out.parent} does not exist; make it first, or choose another place")
    if weights.family == "medfe":
        if out.suffix != ".onnx" or out.is_dir():
            raise InputError(f"{weights.name} becomes one file, and {out} is no name for it; end it in .onnx")
    elif out.suffix == ".onnx" or out.is_file():
        raise InputError(f"{weights.name} becomes several files, and {out} is no name for their folder")
    elif out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise InputError(f"folder {out} holds other things; choose another place")


def _export_medfe(network: Medfe, weights: Weights, file: Path, out: Path, int8: Path | None) -> Export:
    model = medfe_graph(network)
    differences = check_medfe(model, network, weights.name)
    _drop_output(model, UNROUNDED)
    document = describe(file, weights, network, _parameters(weights), differences)
    if int8 is not None:
        model, psnr = quantize_medfe(model, int8, network.native_size, weights.name)
        document["int8"] = {"psnr_to_float": round(psnr, 1)}
    halve_weights(model)
    document["views"] = [output.name for output in model.graph.output if output.name in VIEWS]
    stamp(model, document, licence_of(file, weights)[1])
    _write(model, out)
    assert read_exported(out) is not None
    return Export(out, out.stat().st_size, differences, document.get("int8", {}).get("psnr_to_float"))


def _export_dsi(network: Dsi, weights: Weights, file: Path, out: Path) -> Export:
    parts = Parts(network)
    models = dsi_graphs(parts)
    for model in models.values():
        halve_weights(model)
    sizes = _sampler_sizes(network)
    differences = check_dsi(models, parts, sizes, weights.name)
    _drop_output(models["paint"], UNROUNDED)
    document = describe(file, weights, network, _parameters(weights), differences)
    document["sampling"] = weights.config.get("sampling", {})
    document |= {"order": "parallel"} if sizes is None else {"order": "raster", "sampler": vars(sizes)}
    text = licence_of(file, weights)[1]
    out.mkdir(exist_ok=True)
    for graph, model in models.items():
        stamp(model, {**document, "graph": graph}, text)
        _write(model, out / f"{graph}.onnx")
    if text:
        _write_text(text, out / "LICENSE")
    files = {graph: out / f"{graph}.onnx" for graph in models}
    # Last, with the digests of the others: a folder that is half of one export and half of another says so.
    document["files"] = {graph: file_digest(path) for graph, path in files.items()}
    _write_text(json.dumps(document, indent=1), out / MANIFEST)
    return Export(out, sum(path.stat().st_size for path in files.values()), differences)


def _sampler_sizes(network: Dsi) -> SamplerSizes | None:
    """Of the sampler's caches; None where it decodes in parallel, without any."""
    config = network.config.structure
    assert config is not None  # Parts has seen it
    if config.order == "parallel":
        return None
    return SamplerSizes(
        layers=config.groups * config.layers,
        channels=config.channels,
        codes=network.config.vqvae.codes,
        attentions=config.groups,
        key_size=config.heads * config.key_channels,
        value_size=config.heads * config.value_channels,
    )


def _parameters(weights: Weights) -> int:
    return sum(tensor.numel() for tensor in weights.state.values())


def _drop_output(model: onnx.ModelProto, name: str) -> None:
    kept = [output for output in model.graph.output if output.name != name]
    del model.graph.output[:]
    model.graph.output.extend(kept)


def _write(model: onnx.ModelProto, path: Path) -> None:
    onnx.checker.check_model(model)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def _write_text(text: str, path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
