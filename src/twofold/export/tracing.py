"""Turn a module of PyTorch into an ONNX graph, quietly."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from twofold.errors import CheckpointError, MissingExtraError

OPSET = 18
"""Version of ONNX's operators: old enough for every runtime of the last years."""
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
    except ImportError as error:
        raise MissingExtraError(
            f"export needs onnx and onnxscript, which cannot be imported ({error}); "
            "pip install 'twofold[export]'"
        ) from error
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
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:]
    for tensor in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del tensor.metadata_props[:]
    for weight in model.graph.initializer:
        del weight.metadata_props[:]
        weight.doc_string = ""
    for function in model.functions:
        del function.metadata_props[:]


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
