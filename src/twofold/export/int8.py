"""Make an exported MEDFE small and fast: most of its convolutions in 8-bit integers.

Static quantization by onnxruntime: ranges of the features are measured on photographs, without their rarest
outliers. Not an exact export: answers move by about as much as JPEG moves a photograph, and
``docs/export.md`` says what that costs in quality.
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import onnx

from twofold.data.folder import PhotoFolder
from twofold.errors import CheckpointError, InputError, require
from twofold.export.parity import open_graph
from twofold.export.tracing import quiet
from twofold.masks.buckets import mixed

PHOTOS = 32
"""So many photographs set the ranges."""
VALIDATION = 8
"""And so many others validate the result."""
LEAST_PSNR = 30.0
"""In dB, of the validated answers in their holes, against the float graph's."""
FLOAT = ("encoder.stages.0.", "decoder.stages.5.", "decoder.detail.", "reweigh.", "_to_rgb.")
"""Layers that stay in float32, by parts of their names: those next to pixels, and two that hardly compute."""
_PERCENTILE = 99.999
Picture = dict[str, npt.NDArray[np.uint8]]


def quantize_medfe(
    model: onnx.ModelProto, folder: Path, side: int, name: str
) -> tuple[onnx.ModelProto, float]:
    """Quantize the convolutions of a graph of ``medfe_graph``.

    Args:
        model: in float32; stays as it is.
        folder: of photographs, at least ``PHOTOS + VALIDATION``.
        side: of the squares that the network was made for.
        name: of the model, for errors.

    Returns:
        The new graph, and its PSNR in dB against the old one: in the holes, mean over validation photographs.

    Raises:
        TrainingError: if the folder holds no photographs.
        InputError: if it holds too few.
        CheckpointError: if the result is too far from the float graph.
        MissingExtraError: if onnxruntime is not installed.
    """
    pictures = _pictures(folder, side)
    small = _quantized(model, pictures[:PHOTOS])
    before, after = open_graph(model), open_graph(small)
    figures = []
    for picture in pictures[PHOTOS:]:
        one, other = (run(["answer"], picture)[0].astype(np.float64) for run in (before, after))
        error = float(((one - other) ** 2)[picture["hole"] > 0].mean())
        figures.append(10 * np.log10(255**2 / max(error, 1e-3)))
    psnr = float(np.mean(figures))
    if psnr < LEAST_PSNR:
        raise CheckpointError(
            f"{name} does not stand 8-bit integers: its answers come within {psnr:.1f} dB of those in float, "
            f"and {LEAST_PSNR:.0f} are wanted; nothing is written; export it in float"
        )
    return small, psnr


def _pictures(folder: Path, side: int) -> list[Picture]:
    """The middle squares of photographs spread over the folder, each with a hole."""
    photos, needed, rng = PhotoFolder(folder), PHOTOS + VALIDATION, np.random.default_rng(0)
    found: list[Picture] = []
    for index in rng.permutation(len(photos)):
        photo = photos.read(int(index), short_side=side)
        if photo is None or min(photo.shape[:2]) < side:
            continue
        top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
        square = np.ascontiguousarray(photo[top : top + side, left : left + side])
        found.append({"image": square[None], "hole": mixed(side, side, rng)[None].astype(np.uint8)})
        if len(found) == needed:
            return found
    raise InputError(
        f"{folder} holds {len(found)} photographs of at least {side}x{side} pixels, and {needed} are needed; "
        "give a folder of more"
    )


def _quantized(model: onnx.ModelProto, pictures: list[Picture]) -> onnx.ModelProto:
    """Set the ranges by these pictures."""
    library = require("onnxruntime.quantization", "int8", "export", package="onnxruntime")

    convolutions = [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and not any(part in node.input[1] for part in FLOAT)
    ]
    taken = onnx.ModelProto()
    taken.CopyFrom(model)  # onnxruntime moves weights out of what it is given
    waiting = iter(pictures)
    reader = SimpleNamespace(get_next=lambda: next(waiting, None))
    with tempfile.TemporaryDirectory() as folder, quiet(""):
        path = Path(folder, "small.onnx")
        library.quantize_static(
            taken,
            str(path),
            reader,
            quant_format=library.QuantFormat.QDQ,
            activation_type=library.QuantType.QUInt8,
            weight_type=library.QuantType.QInt8,
            per_channel=True,
            nodes_to_quantize=convolutions,
            op_types_to_quantize=["Conv"],
            calibrate_method=library.CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": _PERCENTILE, "CalibMaxIntermediateOutputs": 4},
        )
        return onnx.load(path)
