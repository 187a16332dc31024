"""Open a network that ``twofold export`` wrote: an inpainter that needs onnxruntime and no PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from twofold.engine.backends.tile_network import TileNetwork
from twofold.engine.exported import Exported
from twofold.engine.foreign import cause_of
from twofold.engine.network_inpainter import NetworkInpainter
from twofold.engine.onnx_dsi import OnnxDsi
from twofold.engine.onnx_file import open_session, runtime_of
from twofold.engine.onnx_sampler import Graph
from twofold.errors import CheckpointError, InputError
from twofold.inpainter import Detail, Progress, Sample, SamplingChanges


class OnnxInpainter(NetworkInpainter):
    """Fills holes of any size in pictures of any size with one exported network.

    All that ``TorchInpainter`` does, with onnxruntime in PyTorch's place: the same crops, seeds, samples,
    detail and limits of memory. The same seed gives the same pictures on the same machine, and those of
    PyTorch up to rounding.
    """

    def __init__(
        self,
        exported: Exported,
        *,
        name: str | None = None,
        device: str = "auto",
        options: SamplingChanges = None,
        detail: Detail = "auto",
        max_memory: int | None = None,
    ) -> None:
        """Open an exported network.

        Args:
            exported: see ``read_exported``.
            name: for reports; None: its own.
            device: see ``twofold.engine.onnx_file.open_session``.
            options: see ``NetworkInpainter``.
            detail: see ``NetworkInpainter``.
            max_memory: see ``NetworkInpainter``.

        Raises:
            CheckpointError: if a file is damaged, or of a family that is not known here.
            InputError: if device, options or detail cannot be used.
            MissingExtraError: if onnxruntime is not installed.
        """
        document = exported.document
        family = document["family"]
        if family not in NETWORKS:
            raise CheckpointError(
                f"{exported.path} is of the family {family!r}, not {' or '.join(NETWORKS)}; update twofold"
            )
        sessions = {graph: open_session(file, device) for graph, file in exported.files.items()}
        graphs = {graph: _runner(session, exported.files[graph]) for graph, session in sessions.items()}
        super().__init__(
            NETWORKS[family](graphs, document),
            name or document["name"],
            runtime=runtime_of(next(iter(sessions.values()))),
            files=exported.paths,
            options=options,
            detail=detail,
            max_memory=max_memory,
        )


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
        """Fill one tile; its one answer is given for each seed. See ``TileNetwork.fill``."""
        names = ["answer", *self._views]
        arrays = self._network(names, {"image": image[None], "hole": hole[None].astype(np.uint8)})
        named = {
            "image" if name == "answer" else name: array[0] for name, array in zip(names, arrays, strict=True)
        }
        return [Sample(**named) for _ in seeds]

    def check_options(self, options: object) -> None:
        """Refuse options: there is nothing to sample.

        Raises:
            InputError: always.
        """
        raise InputError(f"MEDFE gives one best answer and takes no options, got {options}; leave them out")


NETWORKS: dict[str, Callable[[Mapping[str, Graph], Mapping[str, Any]], TileNetwork]] = {
    "medfe": OnnxMedfe,
    "dsi": OnnxDsi,
}
"""Families of networks that can be exported, and what runs their graphs."""


def _runner(session: Any, file: Path) -> Graph:
    """Runs a session; its errors name the file."""

    def run(names: list[str], inputs: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        try:
            return [np.asarray(array) for array in session.run(names, inputs)]
        except Exception as error:  # onnxruntime raises a class of its own for each status
            raise CheckpointError(
                f"{file} failed ({cause_of(error)}); export it again, or give it more memory"
            ) from error

    return run
