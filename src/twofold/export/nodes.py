"""Write nodes of an ONNX graph by hand: what comes before and after a network that was traced.

Tracing a pyramid of unknown height and width takes PyTorch minutes; written down, it is a few nodes a level.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


class Nodes:
    """Nodes and constants under construction; ``prefix`` keeps their names apart from the network's."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._constants: dict[tuple[str, bytes, tuple[int, ...]], str] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str | np.ndarray, name: str = "", **attributes: Any) -> str:
        """Add a node with one result and return the result's name.

        Args:
            operator: of ONNX.
            inputs: names of earlier results, or constants.
            name: of the result; empty: one is made.
            attributes: of the operator.
        """
        result = name or f"{self._prefix}/{len(self.nodes)}"
        given = [one if isinstance(one, str) else self._constant(one) for one in inputs]
        self.nodes.append(helper.make_node(operator, given, [result], name=f"{result}/node", **attributes))
        return result

    def _constant(self, value: np.ndarray) -> str:
        key = (value.dtype.name, value.tobytes(), value.shape)
        if key not in self._constants:
            name = f"{self._prefix}/constant/{len(self._constants)}"
            self._constants[key] = name
            self.initializers.append(numpy_helper.from_array(value, name))
        return self._constants[key]


def real(value: float) -> np.ndarray:
    """A float32 constant."""
    return np.array(value, np.float32)


def whole(*values: int) -> np.ndarray:
    """A list of int64."""
    return np.array(values, np.int64)


def to_range(nodes: Nodes, image: str) -> str:
    """Pixels uint8 [b h w 3] to float32 [b 3 h w] in [-1, 1]."""
    floats = nodes.add("Cast", image, to=onnx.TensorProto.FLOAT)
    planes = nodes.add("Transpose", floats, perm=[0, 3, 1, 2])
    return nodes.add("Sub", nodes.add("Div", planes, real(127.5)), real(1))


def missing_of(nodes: Nodes, hole: str, name: str) -> tuple[str, str]:
    """A hole uint8 [b h w], above 0 = missing, to float32 [b 1 h w] of 0 and 1, and to bools [b h w]."""
    missing = nodes.add("Greater", hole, np.array(0, np.uint8))
    floats = nodes.add("Cast", missing, to=onnx.TensorProto.FLOAT)
    return nodes.add("Unsqueeze", floats, whole(1), name=name), missing


def to_pixels(nodes: Nodes, planes: str, name: str) -> str:
    """Float32 [b 3 h w] in [-1, 1] to uint8 [b h w 3], rounded to the nearest level."""
    levels = nodes.add("Mul", nodes.add("Add", planes, real(1)), real(127.5))
    levels = nodes.add("Clip", nodes.add("Round", levels), real(0), real(255))
    pixels = nodes.add("Cast", levels, to=onnx.TensorProto.UINT8)
    return nodes.add("Transpose", pixels, perm=[0, 2, 3, 1], name=name)


def composited(nodes: Nodes, answer: str, image: str, missing: str, name: str) -> str:
    """The answer where pixels are missing, the image elsewhere; pixels [b h w 3] and bools [b h w]."""
    return nodes.add("Where", nodes.add("Unsqueeze", missing, whole(3)), answer, image, name=name)


def diffused(nodes: Nodes, image: str, missing: str, name: str, levels: int) -> str:
    """``twofold.diffusion.diffuse`` for pictures of up to ``2 ** levels`` pixels a side.

    ``image`` is float32 [b 3 h w], ``missing`` float32 [b 1 h w].
    """
    known = nodes.add("Sub", real(1), missing)
    weighted = nodes.add("Mul", image, known)
    pyramid: list[tuple[str, str]] = []
    for _ in range(levels):
        pyramid.append((weighted, known))
        weighted, known = _halved(nodes, weighted), _halved(nodes, known)
    color = _colors(nodes, weighted, known)
    for level, (weighted, known) in reversed(list(enumerate(pyramid))):
        half_pixel = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        around = nodes.add("Resize", color, "", np.array([1, 1, 2, 2], np.float32), **half_pixel)
        size = nodes.add("Shape", known, start=2, end=4)
        around = nodes.add("Slice", around, whole(0, 0), size, whole(2, 3))
        seen, colors = nodes.add("Greater", known, real(0)), _colors(nodes, weighted, known)
        color = nodes.add("Where", seen, colors, around, name="" if level else name)
    return color


def _halved(nodes: Nodes, values: str) -> str:
    """Means of blocks of 2x2. One row and column of zeros more: they fill the last block of an odd side."""
    padded = nodes.add("Pad", values, whole(0, 0, 0, 0, 0, 0, 1, 1), real(0))
    return nodes.add("AveragePool", padded, kernel_shape=[2, 2], strides=[2, 2])


def _colors(nodes: Nodes, weighted: str, known: str) -> str:
    return nodes.add("Div", weighted, nodes.add("Max", known, real(1e-6)))


def replaced(nodes: Nodes, image: str, missing: str, name: str, color: Sequence[float]) -> str:
    """The image [b 3 h w] with one color, in [0, 255], where ``missing`` [b 1 h w] is 1."""
    level = (np.array(color, np.float32).reshape(1, 3, 1, 1) / np.float32(127.5)) - np.float32(1)
    return nodes.add("Where", nodes.add("Greater", missing, real(0)), level, image, name=name)
