"""What the authors' networks computed with seeded weights, and those weights laid into our modules."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from twofold.tensors import image_to_tensor

SHARED = Path(os.environ.get("TWOFOLD_SHARED", Path(__file__).parents[2].parent / "shared"))
FIXTURES = SHARED / "fixtures"
needs_reference = pytest.mark.skipif(
    not (FIXTURES / "dsi_reference_seed1.npz").is_file(), reason="the reference arrays are not here"
)

TEXTURE_NAMES = {
    "gated_conv2d_0": "enter.conv",
    "gated_conv2d_1": "to_half.conv",
    "gated_conv2d_2": "mix_half.conv",
    "gated_conv2d_3": "to_quarter.conv",
    "gated_conv2d_4": "structure.0.conv",
    "gated_conv2d_5": "structure.1.conv",
    "gated_deconv2d_0": "structure.2.conv",
    "gated_conv2d_6": "join_structure.conv",
    "gated_conv2d_7": "mix_quarter.conv",
    "gated_conv2d_8": "dilated.0.conv",
    "gated_conv2d_9": "dilated.1.conv",
    "gated_conv2d_10": "dilated.2.conv",
    "gated_conv2d_11": "dilated.3.conv",
    "gated_conv2d_12": "refine.0.conv",
    "gated_conv2d_13": "refine.1.conv",
    "gated_conv2d_14": "join_quarter.conv",
    "gated_deconv2d_1": "up_half.conv",
    "gated_conv2d_15": "join_half.conv",
    "gated_deconv2d_2": "up_full.conv",
    "gated_conv2d_16": "mix_full.conv",
    "conv2d_0": "to_image",
}
DISCRIMINATOR_NAMES = {f"snconv2d_{i}": f"convs.{i}" for i in range(6)}


@functools.cache
def reference() -> dict[str, npt.NDArray[np.generic]]:
    """The reference arrays: NHWC, codes as integers."""
    with np.load(FIXTURES / "dsi_reference_seed1.npz") as arrays:
        return dict(arrays)


def picture() -> Tensor:
    """The reference picture, [1 3 256 256] in [-1, 1]."""
    return image_to_tensor(reference()["image_u8"].astype(np.uint8))


def hole(kind: str) -> Tensor:
    """The ``center`` or the ``free`` hole of the reference, [1 1 256 256]."""
    return nchw(reference()[f"mask_{kind}"])


def fixed_structure() -> Tensor:
    """Vectors of the reference's fixed structure codes, [1 64 32 32]."""
    codes = torch.from_numpy(reference()["idx_fixed"].astype(np.int64))
    codebook = torch.from_numpy(reference()["codebook_0"]).float()  # d k: the columns are the codes
    return codebook.T[codes].permute(0, 3, 1, 2).contiguous()


def nchw(array: npt.NDArray[np.generic]) -> Tensor:
    """[b h w c] as a float32 tensor [b c h w]."""
    return torch.from_numpy(array.astype(np.float32)).permute(0, 3, 1, 2).contiguous()


def variables(prefix: str) -> dict[str, Tensor]:
    """The seeded values of all official variables under ``prefix/``, named without it, TensorFlow layout."""
    script, seed = _weights_script(), int(reference()["seed"])
    return {
        name.removeprefix(f"{prefix}/"): torch.from_numpy(script.value(name, shape, seed))
        for name, shape in script.variables()
        if name.startswith(f"{prefix}/")
    }


def load_official(module: nn.Module, prefix: str, names: Mapping[str, str]) -> None:
    """Lay the official convolutions under ``prefix/`` into a module; every value of either is used once."""
    leaves = {"W": "weight", "b": "bias", "u": "singular_vector"}
    state = {}
    for name, value in variables(prefix).items():
        layer, leaf = name.split("/")
        value = value.permute(3, 2, 0, 1) if leaf == "W" else value.flatten()
        state[f"{names[layer]}.{leaves[leaf]}"] = value
    module.load_state_dict(state)


@functools.cache
def _weights_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dsi_weights", FIXTURES / "dsi_weights.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script
