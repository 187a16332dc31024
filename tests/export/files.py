"""Tiny networks, saved and exported once for all tests of a run: tracing takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from twofold.checkpoints.format import save_weights
from twofold.dsi import config as dsi_config
from twofold.dsi.model import build_dsi
from twofold.medfe import config as medfe_config
from twofold.medfe.build import build_medfe


def exported_medfe(factory: pytest.TempPathFactory) -> Path:
    """A folder with ``model.safetensors`` and ``tiny.onnx``: paper mode, everything of the bundled model."""
    return _made_once(factory, "medfe", _medfe)


def exported_official(factory: pytest.TempPathFactory) -> Path:
    """The same of official mode."""
    return _made_once(factory, "official", _official)


def exported_dsi(factory: pytest.TempPathFactory) -> Path:
    """A folder with ``model.safetensors`` and the folder ``tiny``."""
    return _made_once(factory, "dsi", _dsi)


def exported_parallel(factory: pytest.TempPathFactory) -> Path:
    """The same of a DSI that decodes in parallel."""
    return _made_once(factory, "parallel", _parallel)


def _medfe(folder: Path) -> None:
    config = replace(
        medfe_config.tiny(),
        norm="group",
        upsampling="resize",
        prefill="diffusion",
        residual_output=True,
        detail_channels=4,
        refined_stages=1,
        fill_kernels=(3,),
        native_size=128,
    )
    torch.manual_seed(1)
    _save(folder, "medfe", config, build_medfe(config), "tiny-medfe")
    (folder / "LICENSE").write_text("Do as you like.\n")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    _export(folder, "tiny.onnx")


def _official(folder: Path) -> None:
    config = replace(medfe_config.tiny("official"), native_size=192)
    torch.manual_seed(2)
    _save(folder, "medfe", config, build_medfe(config), "tiny-official")
    _export(folder, "tiny.onnx", "--name", "quirks")


def _dsi(folder: Path) -> None:
    config = dsi_config.tiny()
    torch.manual_seed(3)
    network = build_dsi(config)
    # Fresh logits are nearly equal: make some codes likelier than others.
    assert network.structure is not None
    with torch.no_grad():
        network.structure.pixelcnn.to_logits.g.mul_(20)
    _save(folder, "dsi", config, network, "tiny-dsi")
    _export(folder, "tiny")


def _parallel(folder: Path) -> None:
    config = dsi_config.tiny()
    assert config.structure is not None
    config = replace(config, structure=replace(config.structure, order="parallel"))
    torch.manual_seed(4)
    _save(folder, "dsi", config, build_dsi(config), "tiny-parallel")
    _export(folder, "tiny")


def _export(folder: Path, out: str, *options: str) -> None:
    """By the command, in a process of its own: what checks shapes in tests cannot follow a trace."""
    words = [sys.executable, "-m", "twofold", "export", str(folder), str(folder / out), *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "printed.txt").write_text(done.stdout + done.stderr)


def _save(folder: Path, family: str, config: object, network: nn.Module, name: str) -> None:
    save_weights(
        folder / "model.safetensors", family=family, config=config, state=network.state_dict(), name=name
    )


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Let one of the test processes make a folder, and the others wait for it."""
    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder, lock = root / f"export-{name}", root / f"export-{name}.lock"
    for _ in range(3000):
        if (folder / "ready").exists():
            return folder
        try:
            lock.mkdir()
        except FileExistsError:
            time.sleep(0.1)
            continue
        try:
            folder.mkdir(exist_ok=True)
            make(folder)
            (folder / "ready").touch()
        finally:
            lock.rmdir()
    raise TimeoutError(f"{folder} was never made")


def tampered(model: onnx.ModelProto, output: str, offset: float) -> onnx.ModelProto:
    """A copy of a model whose output is off by so much, as by another runtime's mistake."""
    wrong = onnx.ModelProto()
    wrong.CopyFrom(model)
    nodes = list(wrong.graph.node)
    place = next(index for index, node in enumerate(nodes) if output in node.output)
    nodes[place].output[list(nodes[place].output).index(output)] = "right"
    nodes.insert(place + 1, onnx.helper.make_node("Add", ["right", "offset"], [output]))
    del wrong.graph.node[:]
    wrong.graph.node.extend(nodes)
    wrong.graph.initializer.append(onnx.numpy_helper.from_array(np.array(offset, np.float32), "offset"))
    return wrong


def with_output(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """A copy of a model that also gives one of its inner results, float32."""
    more = onnx.ModelProto()
    more.CopyFrom(model)
    more.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return more


def with_floats(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model whose weights are stored as float32, as they were before ``halve_weights``."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    wide = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "Cast"}
    halves = {weight.name for weight in model.graph.initializer if weight.name.endswith("/half")}
    del whole.graph.initializer[:], whole.graph.node[:]
    for weight in model.graph.initializer:
        if weight.name in halves:
            values = onnx.numpy_helper.to_array(weight).astype(np.float32)
            weight = onnx.numpy_helper.from_array(values, wide[weight.name])
        whole.graph.initializer.append(weight)
    whole.graph.node.extend(node for node in model.graph.node if not halves.intersection(node.input))
    return whole
