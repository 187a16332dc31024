"""The models that ship with the package, and how a name or a path becomes a weights file."""

import os
from pathlib import Path

from twofold.checkpoints.format import Weights, load_weights
from twofold.errors import CheckpointError

WEIGHTS_FOLDER = Path(__file__).parent.parent / "weights"
FILE_NAME = "model.safetensors"


def bundled_models() -> list[str]:
    """Names of the models inside the package, sorted."""
    return sorted(path.parent.name for path in WEIGHTS_FOLDER.glob(f"*/{FILE_NAME}"))


def find_weights(name_or_path: str | os.PathLike[str]) -> Path:
    """Find the weights file of a bundled model, a folder that holds one, or a file.

    A bundled name comes first; write ``./name`` for a folder of the same name.

    Raises:
        CheckpointError: if there is none; the message lists what is bundled.
    """
    if isinstance(name_or_path, str) and name_or_path in (names := bundled_models()):
        return WEIGHTS_FOLDER / name_or_path / FILE_NAME
    path = Path(name_or_path)
    if path.is_file():
        return path
    if (path / FILE_NAME).is_file():
        return path / FILE_NAME
    if path.is_dir():
        raise CheckpointError(
            f"folder {path} holds no {FILE_NAME}; give a folder that does, or the file itself"
        )
    names = bundled_models()
    raise CheckpointError(
        f"there is no model {os.fspath(name_or_path)!r}; give one of the bundled models "
        f"({', '.join(names) or 'none here'}), a folder with {FILE_NAME}, or a .safetensors file"
    )


def load_family(name_or_path: str | os.PathLike[str], family: str) -> Weights:
    """Find and read weights that must be of one family.

    Raises:
        CheckpointError: if there are none, they cannot be read, or they are of another family.
    """
    weights = load_weights(find_weights(name_or_path))
    if weights.family != family:
        raise CheckpointError(
            f"{os.fspath(name_or_path)} holds weights of {weights.family}, not of {family}; "
            f"give weights of {family}"
        )
    return weights
