"""What has been computed stays: answers, scores and features on disk, each file whole or absent.

A run that was killed goes on where it was; one with more metrics or another protocol takes the answers
that an earlier one left. A file is named after all that its content depends on, so nothing needs to be
thrown away, and a damaged one is computed anew.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from twofold.evaluate.items import Item
from twofold.evaluate.results import Timing
from twofold.pixels import replacing

_RULES = "v1"
"""Raised when a metric or a feature is computed in another way than before."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Composited fills of one hole, uint8 [h w 3] each, and what one of them cost."""

    images: tuple[npt.NDArray[np.uint8], ...]
    timing: Timing


class Store:
    """A folder of answers, scores and features of one seed.

    Args:
        folder: where; created when the first file is written.
        seed: of the answers.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed

    def answers(self, fingerprint: str, item: Item, samples: int) -> Answers | None:
        """The first ``samples`` answers to a item, or None if so many are not there."""
        try:
            with np.load(self._path("answers", fingerprint, item.key, ".npz"), allow_pickle=False) as kept:
                fills, seconds, memory = kept["fills"], float(kept["seconds"]), int(kept["memory"])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None
        missing = int(np.count_nonzero(item.hole))
        if fills.dtype != np.uint8 or fills.shape[1:] != (missing, 3) or len(fills) < samples:
            return None
        images = []
        for fill in fills[:samples]:
            image = item.image.copy()
            image[item.hole] = fill
            images.append(image)
        return Answers(tuple(images), Timing(seconds, memory if memory >= 0 else None))

    def keep_answers(self, fingerprint: str, item: Item, answers: Answers) -> None:
        """Keep what a model answered; only missing pixels are stored."""
        fills = np.stack([image[item.hole] for image in answers.images])  # n pixels 3
        memory = -1 if answers.timing.memory is None else answers.timing.memory
        with self._writing("answers", fingerprint, item.key, ".npz") as part:
            np.savez(part, fills=fills, seconds=answers.timing.seconds, memory=memory)

    def scores(self, fingerprint: str, item: Item, samples: int) -> dict[str, float]:
        """The scores of the first ``samples`` answers that are known."""
        try:
            text = self._path("scores", f"{fingerprint} {samples}", item.key, ".json").read_text()
            kept = json.loads(text)
            return {str(name): float(value) for name, value in kept.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def keep_scores(self, fingerprint: str, item: Item, samples: int, scores: Mapping[str, float]) -> None:
        """Keep scores, beside those that are known already."""
        both = self.scores(fingerprint, item, samples) | dict(scores)
        with self._writing("scores", f"{fingerprint} {samples}", item.key, ".json") as part:
            part.write_text(json.dumps(both))  # Python reads its own Infinity back

    def features(
        self, network: str, fingerprint: str, item: Item, samples: int
    ) -> tuple[npt.NDArray[np.float32], ...] | None:
        """A network's features of the answers, [samples d] each; None if they are not there."""
        try:
            path = self._path(network, f"{fingerprint} {samples}", item.key, ".npz")
            with np.load(path, allow_pickle=False) as kept:
                found = tuple(np.asarray(kept[name], np.float32) for name in sorted(kept.files))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None
        return found if found and all(len(one) == samples for one in found) else None

    def keep_features(
        self,
        network: str,
        fingerprint: str,
        item: Item,
        features: Sequence[npt.NDArray[np.float32]],
    ) -> None:
        """Keep a network's features of the answers, [samples d] each."""
        samples = len(features[0])
        named = {f"f{number}": one for number, one in enumerate(features)}
        with self._writing(network, f"{fingerprint} {samples}", item.key, ".npz") as part:
            np.savez(part, **named)  # type: ignore[arg-type]  # numpy's stub takes no dict of arrays

    def _path(self, kind: str, owner: str, key: str, ending: str) -> Path:
        """The file of a item: readable by person in its first folders, unique by hash."""
        name = hashlib.sha256(f"{_RULES}\0{owner}\0{self._seed}".encode()).hexdigest()[:16]
        shown = "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in owner)[:40]
        return self._folder / kind / f"{shown}-{name}" / key[:2] / f"{key}{ending}"

    def _writing(self, kind: str, owner: str, key: str, ending: str) -> AbstractContextManager[Path]:
        path = self._path(kind, owner, key, ending)
        path.parent.mkdir(parents=True, exist_ok=True)
        return replacing(path)
