"""Compare exported graphs with the network that they come from, before any file is kept."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch

from twofold.engine.backends.onnx.session import Graph, open_session, runner
from twofold.errors import CheckpointError, cause_of

UNROUNDED = "unrounded"
"""An output that is there for the check alone: the picture before it is rounded, float32 [b 3 h w]."""
TOLERANCE = 1e-4
"""Largest difference of a graph's numbers from PyTorch's: in pictures of [-1, 1]; elsewhere as a share of
the largest number."""
Pixels = npt.NDArray[np.uint8]
Differences = dict[str, float]


def open_graph(model: onnx.ModelProto) -> Graph:
    """Run a graph in memory by onnxruntime on the CPU.

    Raises:
        MissingExtraError: if onnxruntime is not installed.
        CheckpointError: if it cannot run the graph.
    """
    try:
        session = open_session(model.SerializeToString(), "cpu")
    except CheckpointError as error:
        raise CheckpointError(
            f"onnxruntime cannot run the graph that was made ({cause_of(error.__cause__ or error)}); "
            "nothing is written; try other versions of PyTorch and onnxruntime"
        ) from error
    return runner(session, "the exported graph")


def trial(count: int, height: int, width: int, *, seed: int) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """Pictures [b h w 3] of shades, edges and grain, and holes [b h w] of boxes and specks."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    image, hole = np.zeros((count, height, width, 3)), rng.random((count, height, width)) < 0.02
    for picture, missing in zip(image, hole, strict=True):
        for _ in range(6):
            color, angle = rng.uniform(-90, 90, 3), rng.uniform(0, np.pi)
            wave = np.cos(angle) * x + np.sin(angle) * y
            shape = np.sign(np.sin(20 * wave)) if rng.random() < 0.5 else np.sin(9 * wave)
            picture += shape[..., None] * color
        top, left = rng.integers(height // 2), rng.integers(width // 2)
        missing[top : top + height // 2, left : left + width // 3] = True
    grain = rng.normal(0, 6, image.shape)
    return (image + grain + 128).clip(0, 255).astype(np.uint8), hole


def close(found: npt.NDArray[Any], wanted: torch.Tensor, source: str, what: str) -> float:
    """The largest difference, relative to the largest number if that is above 1."""
    expected = wanted.numpy()
    scale = max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(found - expected).max()) / scale
    if not difference <= TOLERANCE:  # nor NaN
        raise too_far(source, what, f"they differ by {difference:.1e}, and {TOLERANCE:.0e} is allowed")
    return difference


def one_level(found: Pixels, expected: Pixels, source: str, what: str) -> None:
    """Refuse pixels that are more than one level off."""
    difference = int(np.abs(found.astype(np.int16) - expected).max())
    if difference > 1:
        raise too_far(source, what, f"pixels differ by {difference} levels, and one is allowed")


def too_far(source: str, what: str, how: str) -> CheckpointError:
    """What is said of a graph that differs."""
    return CheckpointError(
        f"the export of {source} does not answer as PyTorch does: of {what}, {how}; nothing is written; try "
        "other versions of PyTorch and onnxruntime"
    )
