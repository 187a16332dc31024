"""The file of a trained network: one safetensors file whose header says how to build it.

The header's metadata holds one JSON document under ``twofold``::

    {"format": "twofold/1", "family": "medfe", "name": "medfe-small",
     "config": {...}, "about": {...}}
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from twofold.checkpoints.building import Undrawn, check_numbers, shapes_without_weights
from twofold.checkpoints.configs import config_from_dict
from twofold.checkpoints.document import read_document
from twofold.errors import CheckpointError
from twofold.families import FAMILIES
from twofold.pixels import replacing
from twofold.pixels.regular import open_regular

FORMAT = "twofold/1"
MAX_HEADER_BYTES = 1 << 20
"""Names, shapes and the document; those of our largest network take a tenth of it."""
_SHOWN = 5  # how many wrong tensors a message names


@dataclass(frozen=True, eq=False)
class Weights:
    """A trained network as it lies on disk.

    Attributes:
        family: a key of ``families.FAMILIES``.
        config: the fields of the family's configuration dataclass.
        state: the network's tensors by name, floats as float32, on the CPU.
        name: of the model, for reports.
        about: anything worth knowing (recipe, steps, licence), JSON values.
    """

    family: str
    config: dict[str, Any]
    state: dict[str, Tensor]
    name: str
    about: dict[str, Any] = field(default_factory=dict)


def save_weights(
    path: str | os.PathLike[str],
    *,
    family: str,
    config: object,
    state: Mapping[str, Tensor],
    name: str,
    about: Mapping[str, Any] | None = None,
    dtype: Literal["float16", "float32"] = "float16",
) -> None:
    """Write a trained network to one ``.safetensors`` file; it appears whole or not at all.

    Args:
        path: an existing file is replaced.
        family: a key of ``families.FAMILIES``.
        config: the family's configuration, a dataclass or its fields as a dict.
        state: the network's ``state_dict()``. Floats are stored as ``dtype``, other kinds as they are.
        name: of the model.
        about: anything worth knowing, JSON values.
        dtype: of floats on disk; float16 halves the file.

    Raises:
        CheckpointError: if a tensor is not finite (float16 ends at 65504) or the file cannot be
            written.
    """
    fields = asdict(config) if is_dataclass(config) and not isinstance(config, type) else config
    document = {
        "format": FORMAT,
        "family": family,
        "name": name,
        "config": fields,
        "about": dict(about or {}),
    }
    stored = {key: _stored(key, tensor, dtype) for key, tensor in state.items()}
    try:
        metadata = {"format": "pt", "twofold": json.dumps(document)}
        with replacing(path) as temporary:
            save_file(stored, temporary, metadata=metadata)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot write weights to {path}: {error}; choose another place") from error


def _stored(key: str, tensor: Tensor, dtype: str) -> Tensor:
    value = tensor.detach().to("cpu", copy=True).contiguous()
    if not value.is_floating_point():
        return value
    value = value.to(getattr(torch, dtype))
    if not bool(torch.isfinite(value).all()):
        raise CheckpointError(
            f"tensor {key} is not finite as {dtype}; save as float32, or train anew if it diverged"
        )
    return value


def load_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a file that ``save_weights`` wrote.

    Raises:
        CheckpointError: if the file is missing, damaged, not from twofold, or from a newer twofold.
    """
    try:
        with open_regular(path) as start:
            size = int.from_bytes(start.read(8), "little")
        if size > MAX_HEADER_BYTES:  # before the header is read
            raise ValueError(f"its header would have {size} bytes, and at most {MAX_HEADER_BYTES} are read")
        with safe_open(path, framework="pt") as file:
            document = _document(path, (file.metadata() or {}).get("twofold"))
            state = {key: _loaded(path, key, file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118 - no mapping
    except CheckpointError:
        raise
    except (FileNotFoundError, IsADirectoryError) as error:
        raise CheckpointError(
            f"there is no weights file {path}; give a .safetensors file that exists"
        ) from error
    except Exception as error:  # of types and sizes that torch does not know, safetensors tells in many ways
        said = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise CheckpointError(
            f"{path} is damaged or not a safetensors file ({said}); fetch or convert it again"
        ) from error
    return Weights(document["family"], document["config"], state, document["name"], document["about"])


def _loaded(path: str | os.PathLike[str], key: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    value = tensor.to(torch.float32)
    if not bool(torch.isfinite(value).all()):
        raise CheckpointError(
            f"{path} is damaged: tensor {key} holds values that are not finite; fetch or convert it again"
        )
    return value


def _document(path: str | os.PathLike[str], text: str | None) -> dict[str, Any]:
    """Check the header's JSON document."""
    if text is None:
        raise CheckpointError(
            f"{path} was not written by twofold: its header does not say which network it is for; "
            "see `twofold convert` for weights of other projects"
        )
    needed = {"family": str, "config": dict, "name": str, "about": dict}
    return read_document(text, path, version=FORMAT, needed=needed, again="fetch or convert it again")


def build_network(weights: Weights) -> nn.Module:
    """Build the network of ``weights`` and put them into it; in evaluation mode, on the CPU.

    Raises:
        CheckpointError: if the family is not known, or configuration or tensors do not fit it.
    """
    if weights.family not in FAMILIES:
        raise CheckpointError(
            f"weights {weights.name} are for the family {weights.family!r}, not {' or '.join(FAMILIES)}; "
            "update twofold or use other weights"
        )
    family = FAMILIES[weights.family]
    source = f"weights {weights.name}"
    check_numbers(weights.config, source)
    config = config_from_dict(family.config_class(), weights.config)
    wanted = shapes_without_weights(lambda: family.build(config), len(weights.state), source)
    check_state(type(config).__name__.removesuffix("Config"), wanted, weights.state, source)
    with torch.random.fork_rng(devices=[]), Undrawn():  # fresh weights would be thrown away again
        network = family.build(config)
    network.load_state_dict(weights.state)
    return network.eval()


def check_state(network: str, wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> None:
    """Refuse tensors that are missing, unknown, or of other shapes or kinds of numbers than are wanted."""
    both = [(key, state[key], value) for key, value in wanted.items() if key in state]
    wrong = {
        "missing": [key for key in wanted if key not in state],
        "unknown": [key for key in state if key not in wanted],
        "misshapen": [
            f"{key} {tuple(held.shape)} for {tuple(value.shape)}"
            for key, held, value in both
            if held.shape != value.shape
        ],
        "mistyped": [
            f"{key} of {str(held.dtype).removeprefix('torch.')}"
            for key, held, value in both
            if _kind(held) != _kind(value)
        ],
    }
    if found := "; ".join(f"{len(names)} {word}: {_first(names)}" for word, names in wrong.items() if names):
        raise CheckpointError(f"{source} do not fit {network}: {found}; use the weights it was made for")


def _kind(tensor: Tensor) -> str:
    """Whether a tensor holds fractions, complex numbers or neither."""
    return "fractions" if tensor.is_floating_point() else "complex" if tensor.is_complex() else "whole"


def _first(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def as_json(value: Any) -> Any:
    """A value as it is read back from a file: tuples become lists, so that the two compare equal."""
    return json.loads(json.dumps(value))
