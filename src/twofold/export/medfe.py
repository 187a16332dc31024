"""MEDFE as one ONNX graph, from pixels and a hole to pixels."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from twofold.checkpoints.format import Weights
from twofold.devices import exact_arithmetic
from twofold.export.document import Exporter, Graphs
from twofold.export.int8 import quantize_medfe
from twofold.export.nodes import Nodes, composited, diffused, missing_of, replaced, to_pixels, to_range
from twofold.export.parity import UNROUNDED, Differences, close, one_level, open_graph, trial
from twofold.export.tracing import Axes, drop_output, halve_weights, trace
from twofold.medfe.config import MedfeConfig
from twofold.medfe.fill import FEATURE_FACTOR
from twofold.medfe.network import SIZE_MULTIPLE, MedfeNetwork
from twofold.tensors import hole_to_tensor, image_to_tensor, tensor_to_image

LEVELS = 12
"""Of the pyramid that diffuses known colors into the hole: enough for 4096 pixels a side."""
VIEWS = ("structure", "texture")


class _Complete(nn.Module):
    """All of MEDFE but the prefill."""

    def __init__(self, network: MedfeNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, prefilled: Tensor, missing: Tensor) -> tuple[Tensor, ...]:
        output = self.network.complete(prefilled, missing)
        views = [view for view in (output.structure, output.texture) if view is not None]
        return (output.image.clamp(-1, 1), *views)


def medfe_graph(network: MedfeNetwork) -> onnx.ModelProto:
    """Write MEDFE down, prefill, rounding and compositing included.

    ============= ==================== ===========================================================
    ``image``     uint8 [b h w 3]      RGB; what it holds in the hole has no influence
    ``hole``      uint8 [b h w]        above 0 = missing
    ``filled``    uint8 [b h w 3]      the image with its hole filled; known pixels are as they were
    ``answer``    uint8 [b h w 3]      the network's own picture, known pixels too
    ``structure`` uint8 [b h/8 w/8 3]  the structure branch seen as a picture, if there is one
    ``texture``   uint8 [b h/8 w/8 3]  the same of the texture branch
    ============= ==================== ===========================================================

    In paper mode b is any number and height and width are multiples of 64; in official mode b is 1 and both
    are the native size. ``unrounded`` comes last.

    Args:
        network: on the CPU, in evaluation mode.
    """
    config = network.config
    sides = (config.native_size,) * 2 if config.mode == "official" else (3 * SIZE_MULTIPLE, 2 * SIZE_MULTIPLE)
    batch = 1 if config.mode == "official" else 2
    inputs = {"prefilled": torch.zeros(batch, 3, *sides), "missing": torch.zeros(batch, 1, *sides)}
    inputs["missing"][..., 30:60, 30:60] = 1
    branches = zip(VIEWS, (config.structure_branch, config.texture_branch), strict=True)
    views = [name for name, on in branches if on]
    axes: dict[str, Axes] = {}
    if config.mode != "official":
        rows, columns = (torch.export.Dim(name, min=1, max=64) for name in ("rows", "columns"))
        varying = {0: torch.export.Dim("batch"), 2: SIZE_MULTIPLE * rows, 3: SIZE_MULTIPLE * columns}
        axes = dict.fromkeys(inputs, varying)
    planes = [_plane(view) for view in views]
    model = trace(_Complete(network), inputs, [UNROUNDED, *planes], axes=axes)
    _surround(model.graph, network, views)
    _declare(model.graph, config, views)
    return model


def _plane(view: str) -> str:
    """Name of a view before it is rounded."""
    return f"{view}/plane"


def _surround(graph: onnx.GraphProto, network: MedfeNetwork, views: list[str]) -> None:
    """Put what turns pixels into planes before the traced graph, and the way back behind it."""
    config = network.config
    before, after = Nodes("before"), Nodes("after")
    planes = to_range(before, "image")
    missing, hidden = missing_of(before, "hole", "missing")
    if config.prefill == "diffusion":
        diffused(before, planes, missing, "prefilled", LEVELS)
    else:
        replaced(before, planes, missing, "prefilled", network.mean_color)
    answer = to_pixels(after, UNROUNDED, "answer")
    composited(after, answer, "image", hidden, "filled")
    for view in views:
        to_pixels(after, _plane(view), view)
    nodes = [*before.nodes, *graph.node, *after.nodes]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*before.initializers, *after.initializers])


def _declare(graph: onnx.GraphProto, config: MedfeConfig, views: list[str]) -> None:
    """Say what goes in and what comes out."""
    batch: int | str = "batch"
    sides: list[int | str] = ["height", "width"]
    small: list[int | str] = ["height/8", "width/8"]
    if config.mode == "official":
        batch, sides, small = 1, [config.native_size] * 2, [config.native_size // FEATURE_FACTOR] * 2
    pictures = {"filled": sides, "answer": sides, **dict.fromkeys(views, small)}
    declared = helper.make_tensor_value_info
    del graph.input[:], graph.output[:]
    graph.input.append(declared("image", TensorProto.UINT8, [batch, *sides, 3]))
    graph.input.append(declared("hole", TensorProto.UINT8, [batch, *sides]))
    for name, size in pictures.items():
        graph.output.append(declared(name, TensorProto.UINT8, [batch, *size, 3]))
    graph.output.append(declared(UNROUNDED, TensorProto.FLOAT, [batch, 3, *sides]))


def check_medfe(model: onnx.ModelProto, network: MedfeNetwork, source: str) -> Differences:
    """The largest difference of ``medfe_graph``'s answers from a network's on the CPU, by size of picture.

    Args:
        model: with its output ``unrounded``.
        network: on the CPU.
        source: what to call it in errors.

    Raises:
        CheckpointError: if they differ by more than the tolerance, or pixels by more than one level.
    """
    run = open_graph(model)
    names = [output.name for output in model.graph.output]
    side = network.native_size
    sizes = [(1, side, side)]
    if network.config.mode != "official":
        step = network.size_multiple
        sizes += [(2, 3 * step, 5 * step), (1, step, 2 * step), (1, network.largest_size, side)]
    differences = {}
    for number, size in enumerate(sizes):
        image, hole = trial(*size, seed=number)
        with exact_arithmetic():
            batch = network.fill(image_to_tensor(image), hole_to_tensor(hole), [0] * len(image))
        given = {"image": image, "hole": hole.astype(np.uint8)}
        found = dict(zip(names, run(names, given), strict=True))
        what = f"a picture of {size[2]}x{size[1]}"
        differences[f"{size[2]}x{size[1]}"] = close(found[UNROUNDED], batch.image, source, what)
        for name, view in zip(("answer", *VIEWS), (batch.image, batch.structure, batch.texture), strict=True):
            if view is not None:
                one_level(found[name], tensor_to_image(view), source, f"{name} of {what}")
        one_level(found["filled"], np.where(hole[..., None], found["answer"], image), source, what)
    return differences


def _export(network: MedfeNetwork, weights: Weights, int8: Path | None) -> Graphs:
    model = medfe_graph(network)
    differences = check_medfe(model, network, weights.name)
    drop_output(model, UNROUNDED)
    facts: dict[str, object] = {}
    if int8 is not None:
        model, psnr = quantize_medfe(model, int8, network.native_size, weights.name)
        facts["int8"] = {"psnr_to_float": round(psnr, 1)}
    halve_weights(model)
    facts["views"] = [output.name for output in model.graph.output if output.name in VIEWS]
    return Graphs({"network": model}, differences, facts)


EXPORTER = Exporter(_export, one_file=True)
"""MEDFE's entry in ``twofold.families``."""
