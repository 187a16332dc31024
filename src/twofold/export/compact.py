"""Store weights of a graph in half the space where nothing is lost by it."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LEAST = 64
"""Weights of fewer numbers stay as they are."""


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
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < LEAST:
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
