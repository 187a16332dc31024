"""MEDFE from its one exported graph."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from twofold.engine.backends.onnx.session import Graph
from twofold.errors import InputError
from twofold.inpainter import Progress, Sample


class OnnxMedfe:
    """A ``TileNetwork`` of the one graph of MEDFE.

    Args:
        graphs: by name; ``network`` alone.
        document: of the export.
    """

    default_options = None
    """One best answer, whatever the seed."""

    def __init__(self, graphs: Mapping[str, Graph], document: Mapping[str, Any]) -> None:
        self.size_multiple: int = document["size_multiple"]
        self.native_size: int = document["native_size"]
        self.largest_size: int = document["largest_size"]
        self.weight_count: int = document["parameters"]
        self._views = [str(view) for view in document.get("views", [])]
        self._network = graphs["network"]

    def fill(
        self,
        image: npt.NDArray[np.uint8],
        hole: npt.NDArray[np.bool_],
        seeds: Sequence[int],
        options: None = None,
        *,
        progress: Progress | None = None,
    ) -> list[Sample]:
        """Fill tiles; the one answer to a single tile is given for each seed. See ``TileNetwork.fill``."""
        names = ["answer", *self._views]
        arrays = self._network(names, {"image": image, "hole": hole.astype(np.uint8)})
        columns = ["image", *self._views]
        samples = [Sample(**dict(zip(columns, row, strict=True))) for row in zip(*arrays, strict=True)]
        return samples if len(samples) == len(seeds) else samples * len(seeds)

    def check_options(self, options: object) -> None:
        """Refuse options: there is nothing to sample.

        Raises:
            InputError: always.
        """
        raise InputError(f"MEDFE gives one best answer and takes no options, got {options}; leave them out")
