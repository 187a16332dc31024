"""Open a network that ``twofold export`` wrote: an inpainter that needs onnxruntime and no PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from twofold.engine.backends.onnx.dsi import OnnxDsi
from twofold.engine.backends.onnx.manifest import Exported
from twofold.engine.backends.onnx.medfe import OnnxMedfe
from twofold.engine.backends.onnx.raster import Graph
from twofold.engine.backends.onnx.session import open_session, runtime_of
from twofold.engine.backends.tile_network import TileNetwork
from twofold.engine.external.model_file import cause_of
from twofold.engine.network_inpainter import NetworkInpainter
from twofold.errors import CheckpointError
from twofold.inpainter import Detail, SamplingChanges


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
            device: see ``twofold.engine.backends.onnx.session.open_session``.
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
