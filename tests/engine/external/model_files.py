"""Tiny model files of other projects' kinds, whose answers make every mistake visible.

Each keeps what is known and paints ``COLOUR`` (or a ramp) into what its mask calls a hole: with the
wrong polarity, range, channel order or place, the hole gets another colour.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

COLOR = (200, 30, 90)
UNIT = np.array(COLOR, np.float32).reshape(1, 3, 1, 1) / 255


def ramp(height: int, width: int) -> np.ndarray:
    """Levels in [0, 1] that say where they are: red grows to the right, green downwards."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([0.1 + 0.8 * x / width, 0.1 + 0.8 * y / height, np.full_like(x, 0.5)])[None]


def write_onnx(path: Path, nodes, inputs, outputs, constants=(), **options) -> Path:
    """Save a graph; inputs and outputs are (name, type, shape)."""
    values = [helper.make_tensor_value_info(*each) for each in inputs]
    results = [helper.make_tensor_value_info(*each) for each in outputs]
    initial = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants]
    graph = helper.make_graph(nodes, "tiny", values, results, initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path, **options)
    return path


def lama_onnx(
    path: Path,
    *,
    size=("h", "w"),
    scale: float = 1,
    paint: np.ndarray = UNIT,
    kind: int = TensorProto.FLOAT,
    mask_first: bool = False,
    batch: int | str = 1,
    **options,
) -> Path:
    """LaMa's pair: image in [0, 1] and mask, 1 = hole; the answer in [0, ``scale``]."""
    number = helper.tensor_dtype_to_np_dtype(kind)
    nodes = [
        helper.make_node("Sub", ["one", "mask"], ["known"]),
        helper.make_node("Mul", ["image", "known"], ["kept"]),
        helper.make_node("Mul", ["paint", "mask"], ["painted"]),
        helper.make_node("Add", ["kept", "painted"], ["unit"]),
        helper.make_node("Mul", ["unit", "scale"], ["output"]),
    ]
    inputs = [("image", kind, [batch, 3, *size]), ("mask", kind, [batch, 1, *size])]
    constants = [
        ("one", np.array(1, number)),
        ("scale", np.array(scale, number)),
        ("paint", paint.astype(number)),
    ]
    output = ("output", kind, [batch, 3, *size])
    return write_onnx(path, nodes, inputs[::-1] if mask_first else inputs, [output], constants, **options)


def migan_onnx(path: Path, *, blend: bool = False) -> Path:
    """MI-GAN's pipeline: uint8, 255 = known; with ``blend`` it mixes the rim of the hole like theirs."""
    byte, number = TensorProto.UINT8, TensorProto.FLOAT
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=number),
        helper.make_node("Cast", ["mask"], ["white"], to=number),
        helper.make_node("Div", ["white", "full"], ["sharp"]),
    ]
    if blend:
        nodes += [
            helper.make_node("MaxPool", ["sharp"], ["wide"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            helper.make_node("AveragePool", ["wide"], ["known"], kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["sharp"], ["known"]))
    nodes += [
        helper.make_node("Sub", ["one", "known"], ["missing"]),
        helper.make_node("Mul", ["levels", "known"], ["kept"]),
        helper.make_node("Mul", ["paint", "missing"], ["painted"]),
        helper.make_node("Add", ["kept", "painted"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["result"], to=byte),
    ]
    return write_onnx(
        path,
        nodes,
        [("image", byte, ["b", 3, "h", "w"]), ("mask", byte, ["b", 1, "h", "w"])],
        [("result", byte, ["b", 3, "h", "w"])],
        [("full", np.float32(255)), ("one", np.float32(1)), ("paint", UNIT * 255)],
    )


def stacked_onnx(path: Path, family: str, *, size=("h", "w")) -> Path:
    """One input of four channels: MI-GAN's (known - 0.5, image in [-1, 1]) or LaMa's (image, hole)."""
    lengths = [1, 3] if family == "migan" else [3, 1]
    first, second = ("half", "image") if family == "migan" else ("image", "hole")
    nodes = [helper.make_node("Split", ["input", "lengths"], [first, second], axis=1)]
    if family == "migan":
        nodes.append(helper.make_node("Sub", ["offset", "half"], ["hole"]))
    nodes += [
        helper.make_node("Mul", ["paint", "hole"], ["painted"]),
        helper.make_node("Add", ["image", "painted"], ["output"]),
    ]
    return write_onnx(
        path,
        nodes,
        [("input", TensorProto.FLOAT, [1, 4, *size])],
        [("output", TensorProto.FLOAT, [1, 3, *size])],
        [
            ("lengths", np.array(lengths, np.int64)),
            ("offset", np.float32(0.5)),
            ("paint", UNIT * 2 - 1 if family == "migan" else UNIT),
        ],
    )


class TinyLama(nn.Module):
    """LaMa's pair in TorchScript."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("paint", torch.from_numpy(UNIT))

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        if image.shape[2] % 8 or image.shape[3] % 8:
            raise RuntimeError("sides are no multiples of 8")
        return image * (1 - mask) + self.paint * mask


class TinyMigan(nn.Module):
    """MI-GAN's four channels in TorchScript."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("paint", torch.from_numpy(UNIT * 2 - 1))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] != 4 or x.shape[2] != 512 or x.shape[3] != 512:
            raise RuntimeError("give four channels of 512x512")
        known = x[:, :1] + 0.5
        return x[:, 1:] * known + self.paint * (1 - known)


class TinyStackedLama(nn.Module):
    """LaMa's four channels in TorchScript."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("paint", torch.from_numpy(UNIT))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3] + self.paint * x[:, 3:]


class Odd(nn.Module):
    """Answers in the way that it is told: another shape, not a number, no tensor at all, or not."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        if self.how == "small":
            return image[:, :, ::2, ::2]
        if self.how == "nan":
            return image * float("nan")
        if self.how == "raise":
            raise RuntimeError("the graph is on fire")
        return image


def script(module: nn.Module, path: Path) -> Path:
    """Save a module as TorchScript."""
    torch.jit.script(module.eval()).save(str(path))
    return path


def photo(height: int, width: int, channels: int = 3, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    """Smooth levels with some grain; channels 0: grey [h w]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [
        0.5 + 0.3 * np.sin(y / 9 + c) + 0.15 * np.cos(x / (5 + c)) + rng.normal(0, 0.01, (height, width))
        for c in range(max(1, channels))
    ]
    levels = (np.stack(planes, axis=2).clip(0, 1) * np.iinfo(dtype).max).astype(dtype)
    return levels[..., 0] if channels == 0 else levels


def inside(hole: np.ndarray, depth: int) -> np.ndarray:
    """The part of a hole that is more than ``depth`` pixels from what is known."""
    for _ in range(depth):
        padded = np.pad(hole, 1)
        hole = hole & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return hole


def box_hole(height: int, width: int) -> np.ndarray:
    """A box off the middle, so that a transposed or mirrored mask is another."""
    hole = np.zeros((height, width), np.bool_)
    hole[height // 8 : height // 2, width // 3 : width // 3 + max(1, width // 4)] = True
    return hole
