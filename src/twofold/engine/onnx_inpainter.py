"""Open a network that ``twofold export`` wrote: an inpainter that needs onnxruntime and no PyTorch."""

from typing import Unpack

from twofold.engine.backends.onnx.manifest import Exported
from twofold.engine.backends.onnx.session import open_session, runner, runtime_of
from twofold.engine.network_inpainter import NetworkInpainter, Settings
from twofold.errors import CheckpointError
from twofold.families import FAMILIES


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
        **settings: Unpack[Settings],
    ) -> None:
        """Open an exported network.

        Args:
            exported: see ``read_exported``.
            name: for reports; None: its own.
            device: see ``twofold.engine.backends.onnx.session.open_session``.
            settings: see ``Settings``.

        Raises:
            CheckpointError: if a file is damaged, or of a family that is not known here.
            InputError: if device, options or detail cannot be used.
            MissingExtraError: if onnxruntime is not installed.
        """
        document = exported.document
        family = FAMILIES.get(document["family"])
        if family is None or family.exported is None:
            raise CheckpointError(
                f"{exported.path} is of the family {document['family']!r}, not {' or '.join(FAMILIES)}; "
                "update twofold"
            )
        sessions = {graph: open_session(file, device) for graph, file in exported.files.items()}
        graphs = {graph: runner(session, exported.files[graph]) for graph, session in sessions.items()}
        super().__init__(
            family.exported(graphs, document),
            name or document["name"],
            runtime=runtime_of(next(iter(sessions.values()))),
            files=exported.paths,
            **settings,
        )
