"""What surrounds the networks in a graph computes what the engine computes around them."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from twofold.diffusion import diffuse
from twofold.export.nodes import (
    Nodes,
    composited,
    diffused,
    missing_of,
    replaced,
    to_pixels,
    to_range,
)
from twofold.export.parity import open_graph
from twofold.medfe.prefill import OFFICIAL_COLOR, mean_prefill
from twofold.tensors import hole_to_tensor, image_to_tensor, tensor_to_image


def graph(nodes: Nodes, inputs: dict[str, int], outputs: dict[str, int]) -> onnx.ModelProto:
    """A model of these nodes alone; inputs and outputs by name and kind of number."""
    made = helper.make_graph(
        nodes.nodes,
        "test",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        initializer=nodes.initializers,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def pipeline() -> onnx.ModelProto:
    """Pixels to both prefills, and the planes back to pixels."""
    nodes = Nodes("n")
    planes = to_range(nodes, "image")
    missing, hidden = missing_of(nodes, "hole", "missing")
    diffused(nodes, planes, missing, "diffused", 6)
    replaced(nodes, planes, missing, "replaced", OFFICIAL_COLOR)
    pixels = to_pixels(nodes, "diffused", "pixels")
    composited(nodes, pixels, "image", hidden, "filled")
    floats = dict.fromkeys(("diffused", "replaced", "missing"), TensorProto.FLOAT)
    return graph(
        nodes,
        {"image": TensorProto.UINT8, "hole": TensorProto.UINT8},
        {**floats, "pixels": TensorProto.UINT8, "filled": TensorProto.UINT8},
    )


RUN = open_graph(pipeline())


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.integers(1, 64), st.integers(1, 64), st.floats(0, 1), st.integers(0, 999))
def test_prefills_and_borders_are_those_of_the_engine(
    batch: int, height: int, width: int, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (batch, height, width, 3), dtype=np.uint8)
    hole = rng.random((batch, height, width)) < share
    level = rng.integers(1, 256, dtype=np.uint8)  # whatever stands for missing
    names = ["diffused", "replaced", "missing", "pixels", "filled"]
    found = dict(zip(names, RUN(names, {"image": image, "hole": hole * level}), strict=True))
    tensor, missing = image_to_tensor(image), hole_to_tensor(hole)
    np.testing.assert_array_equal(found["missing"], missing)
    np.testing.assert_allclose(found["diffused"], diffuse(tensor, missing), atol=1e-5)
    np.testing.assert_allclose(found["replaced"], mean_prefill(tensor, missing, OFFICIAL_COLOR), atol=1e-6)
    np.testing.assert_array_equal(found["pixels"], tensor_to_image(torch.from_numpy(found["diffused"])))
    np.testing.assert_array_equal(found["filled"], np.where(hole[..., None], found["pixels"], image))


def test_planes_are_rounded_and_cut_as_the_engine_does() -> None:
    nodes = Nodes("n")
    to_pixels(nodes, "planes", "pixels")
    run = open_graph(graph(nodes, {"planes": TensorProto.FLOAT}, {"pixels": TensorProto.UINT8}))
    planes = np.linspace(-1.2, 1.2, 3 * 701, dtype=np.float32).reshape(1, 3, 1, 701)
    np.testing.assert_array_equal(
        run(["pixels"], {"planes": planes})[0], tensor_to_image(torch.from_numpy(planes))
    )


def test_equal_constants_are_stored_once() -> None:
    nodes = Nodes("n")
    for _ in range(3):
        nodes.add("Add", "a", np.array(2, np.float32))
    nodes.add("Add", "a", np.array(2, np.int64))
    assert len(nodes.initializers) == 2
