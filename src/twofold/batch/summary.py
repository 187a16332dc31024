"""The end of a job on paper: every outcome, in one order, without times: the same for every way there."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twofold.batch.naming import Task, files_of
from twofold.batch.work import task_seed

COLUMNS = ("image", "mask", "out", "outcome", "note", "seed")


@dataclass(frozen=True)
class Outcome:
    """How a task ended: ``reason`` of a failure, or None; and a remark."""

    reason: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Summary:
    """All of a job.

    Attributes:
        header: what was asked for: model, fingerprint, seed and so on.
        tasks: sorted by picture.
        outcomes: output of each task -> how it ended.
        images_without_mask: skipped.
        masks_without_image: skipped.
    """

    header: Mapping[str, Any]
    tasks: list[Task]
    outcomes: Mapping[str, Outcome]
    images_without_mask: list[str] = field(default_factory=list)
    masks_without_image: list[str] = field(default_factory=list)

    def failures(self) -> Iterator[tuple[Task, str]]:
        """The tasks that failed, and why."""
        for task in self.tasks:
            reason = self.outcomes[task.out].reason
            if reason is not None:
                yield task, reason

    def write_rows(self, path: Path) -> None:
        """Write one row a picture that was to be written, and one for each name without its partner."""
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(self._rows())

    def write_overview(self, path: Path) -> None:
        """Write what was asked for, the numbers, and what went wrong."""
        failures = list(self.failures())
        content = {
            **self.header,
            "pictures": len(self.tasks),
            "done": len(self.tasks) - len(failures),
            "failed": len(failures),
            "failures": [{**task._asdict(), "reason": reason} for task, reason in failures],
            "images_without_mask": self.images_without_mask,
            "masks_without_image": self.masks_without_image,
        }
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def _rows(self) -> Iterable[tuple[object, ...]]:
        seed, samples = self.header["seed"], self.header["samples"]
        for task in self.tasks:
            outcome = self.outcomes[task.out]
            word = "done" if outcome.reason is None else "failed"
            remark = outcome.note if outcome.reason is None else outcome.reason
            for name in files_of(task.out, samples):
                yield task.image, task.mask, name, word, remark, task_seed(seed, task)
        for name in self.images_without_mask:
            yield name, "", "", "no mask", "", ""
        for name in self.masks_without_image:
            yield "", name, "", "no picture", "", ""
