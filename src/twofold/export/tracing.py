"""Turn a module of PyTorch into an ONNX graph, quietly, and make the graph small."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from twofold.errors import CheckpointError, require

OPSET = 18
"""Version of ONNX's operators: old enough for every runtime of the last years."""
LEAST_HALVED = 64
"""Weights of fewer numbers stay as they are."""
Axes = Mapping[int, Any]
"""Which axes may vary, as ``torch.export`` names them."""


def trace(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], *, axes: Mapping[str, Axes]
) -> onnx.ModelProto:
    """Trace a module with tensors in and tensors out.

    Args:
        module: in evaluation mode; its forward takes the inputs in their order.
        inputs: examples by name; every axis that may vary should be longer than 1.
        outputs: names of what the module gives.
        axes: of each input by name, those of its axes that may vary; inputs that are left out have none.

    Raises:
        MissingExtraError: if the exporter's libraries are not installed.
        CheckpointError: if this PyTorch cannot trace the module.
    """
    require("onnxscript", "export", "export", package="onnx and onnxscript")
    varying = tuple(dict(axes[name]) if name in axes else None for name in inputs)
    try:
        with quiet("torch.onnx"), torch.no_grad():
            program = torch.onnx.export(
                module,
                tuple(inputs.values()),
                dynamo=True,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=varying,
                opset_version=OPSET,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        cause = error.__cause__ or error
        raise CheckpointError(
            f"PyTorch {torch.__version__} cannot trace this network ({str(cause).strip().splitlines()[0]}); "
            "try another version of it, such as 2.13"
        ) from error
    assert program is not None  # of the newer exporter
    model: onnx.ModelProto = program.model_proto
    _forget_sources(model)
    return model


def _forget_sources(model: onnx.ModelProto) -> None:
    """Drop what the tracer notes of source files and lines: it is most of a small file."""
    graph = model.graph
    tensors = [*graph.value_info, *graph.input, *graph.output]
    noted: list[Any] = [*graph.node, *graph.initializer]
    for described in noted:
        described.doc_string = ""
    for part in (graph, *tensors, *noted, *model.functions):
        del part.metadata_props[:]


@contextlib.contextmanager
def quiet(logger_name: str) -> Iterator[None]:
    """Keep a library's hints for its developers off the terminal."""
    logger = logging.getLogger(logger_name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def halve_weights(model: onnx.ModelProto) -> int:
    """Store float32 weights as float16 where every number of them is one; the graph widens them again.

    Trained weights that were saved as float16 are such numbers. Runtimes widen them once, when they load
    the file, so that answers stay the same in every bit.

    Returns:
        How many bytes were saved.
    """
    saved, widening = 0, []
    weights = list(model.graph.initializer)
    for position, weight in enumerate(weights):
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < LEAST_HALVED:
            continue
        values = numpy_helper.to_array(weight)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        saved += half.nbytes
        name = f"{weight.name}/half"
        weights[position] = numpy_helper.from_array(half, name)
        widening.append(helper.make_node("Cast", [name], [weight.name], to=TensorProto.FLOAT))
    if widening:
        nodes = [*widening, *model.graph.node]
        del model.graph.initializer[:], model.graph.node[:]
        model.graph.initializer.extend(weights)
        model.graph.node.extend(nodes)
    return saved


def drop_output(model: onnx.ModelProto, name: str) -> None:
    """Take away an output that only the check needs."""
    kept = [output for output in model.graph.output if output.name != name]
    del model.graph.output[:]
    model.graph.output.extend(kept)
