"""The run's logs: a line of JSON for every entry, and TensorBoard where it is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter


class Board:
    """Log figures and pictures of a run into its folder.

    Args:
        folder: folder of the run; ``log.jsonl`` and TensorBoard's files go there.
        enabled: False (all processes but the first) logs nothing.
    """

    def __init__(self, folder: Path, *, enabled: bool = True) -> None:
        self.path = folder / "log.jsonl"
        self.enabled = enabled
        self.writer: SummaryWriter | None = None
        if enabled:
            folder.mkdir(parents=True, exist_ok=True)
            self.writer = _tensorboard(folder / "tensorboard")

    def figures(self, step: int, kind: str, figures: dict[str, float]) -> None:
        """Log named figures of one kind (``train``, ``validation``) at a step."""
        if not self.enabled:
            return
        entry: dict[str, Any] = {"step": step, "kind": kind, **figures}
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        if self.writer is not None:
            for name, value in figures.items():
                self.writer.add_scalar(f"{kind}/{name}", value, step)

    def pictures(self, step: int, pictures: list[npt.NDArray[np.uint8]]) -> None:
        """Log pictures [h w 3] at a step."""
        if self.writer is not None:
            for number, picture in enumerate(pictures):
                self.writer.add_image(f"validation/{number}", picture, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is still in memory."""
        if self.writer is not None:
            self.writer.close()


def _tensorboard(folder: Path) -> SummaryWriter | None:
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:  # the JSON lines hold every figure; only pictures are lost
        return None
    return SummaryWriter(str(folder))
