"""What is done already: a journal of one line for each picture, that any kill leaves readable.

An output counts as done if it is there, of the size that the journal says, and was made from the same
files with the same settings. Lines are only ever added. A line that a kill cut off is left out, and its
picture is filled again: to the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from twofold.batch.naming import Task
from twofold.batch.storage import STATE, LocalStorage, RemoteStorage, Storage

RULES = 1
"""Raised when the same inputs and settings give other files than before."""
_JOURNAL = re.compile(r"journal-(\d+)-of-(\d+)(?:-(\d+)-(\d+))?\.jsonl")
# Object stores cannot append: lines go there in files of so many lines, or of so many seconds.
_LINES_A_FILE, _SECONDS_A_FILE = 500, 15.0


class Record(NamedTuple):
    """What the journal says of one output.

    Attributes:
        key: see ``key_of``; empty if the last attempt failed or the output is out of date.
        sizes: bytes of its files.
        note: a remark for the summary, or empty.
        run: the number of the run that wrote it.
    """

    key: str
    sizes: tuple[int, ...]
    note: str
    run: int


def key_of(
    task: Task, stamps: tuple[str | None, str | None], *, fingerprint: str, settings: dict[str, Any]
) -> str:
    """Everything that an output depends on, as 24 hexadecimal digits.

    Args:
        task: what was filled.
        stamps: of picture and mask, see ``Storage.stamp``.
        fingerprint: of the model.
        settings: seed, samples and options.
    """
    whole = json.dumps([RULES, task.image, task.mask, *stamps, fingerprint, settings], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:24]


class Journal:
    """The journals in OUT; one is written, that of this shard.

    Attributes:
        records: output -> what is known of it.
    """

    def __init__(self, out: Storage, shard: tuple[int, int]) -> None:
        """Read the journals, except those of other shards of as many: they tell of other pictures."""
        self.records: dict[str, Record] = {}
        self._name = f"journal-{shard[0]}-of-{shard[1]}"
        newest = 0
        for name in _journals(out, shard):
            for line in out.read(f"{STATE}/{name}").split(b"\n"):
                newest = max(newest, self._take(line))
        self.run = newest + 1
        self._writer: _Appending | _Uploading
        if isinstance(out, LocalStorage):
            self._writer = _Appending(out.root / STATE / f"{self._name}.jsonl")
        else:
            self._writer = _Uploading(out, f"{STATE}/{self._name}-{self.run}")

    def done(self, task: Task, key: str, files: list[str], out: Storage) -> bool:
        """Whether all files of a task are there, made in the way that ``key`` says."""
        record = self.records.get(task.out)
        return (
            record is not None
            and record.key == key
            and len(files) == len(record.sizes)
            and all(out.size(name) == size for name, size in zip(files, record.sizes, strict=True))
        )

    def void(self, tasks: Iterable[Task]) -> None:
        """Say, before outputs are replaced, that those which the journals know are out of date."""
        for task in tasks:
            record = self.records.get(task.out)
            if record is not None and record.key:
                self._write(task, Record("", (), "", self.run), {})
        self._writer.flush()

    def add(self, task: Task, key: str, sizes: tuple[int, ...], note: str, seconds: float) -> None:
        """Say that a task is done."""
        self._write(task, Record(key, sizes, note, self.run), {"seconds": round(seconds, 3)})

    def fail(self, task: Task, reason: str) -> None:
        """Say that a task failed; it is tried again by the next run."""
        self._write(task, Record("", (), "", self.run), {"failed": reason})

    def close(self) -> None:
        """Write what is left to write."""
        self._writer.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, task: Task, record: Record, more: dict[str, Any]) -> None:
        self.records[task.out] = record
        line: dict[str, Any] = {"run": record.run, "out": task.out}
        if record.key:
            line |= {"key": record.key, "sizes": record.sizes}
        if record.note:
            line["note"] = record.note
        self._writer.write(json.dumps(line | more).encode() + b"\n")

    def _take(self, line: bytes) -> int:
        """Understand one line; the newest run's word counts, and in it the last. Gives the run."""
        try:
            read = json.loads(line)
            out, run = read["out"], int(read["run"])
            record = Record(read.get("key", ""), tuple(read.get("sizes", ())), read.get("note", ""), run)
        except (ValueError, KeyError, TypeError):  # cut off by a kill, or empty
            return 0
        before = self.records.get(out)
        if before is None or before.run <= run:
            self.records[out] = record
        return run


class _Appending:
    """Adds lines to a file, each with one system call."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._file.write(b"\n")  # ends a line that a kill cut off

    def write(self, line: bytes) -> None:
        self._file.write(line)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self._file.close()


class _Uploading:
    """Puts lines into a store that cannot append, many at a time; a kill loses the last few."""

    def __init__(self, out: RemoteStorage, name: str) -> None:
        self._out, self._name = out, name
        self._lines: list[bytes] = []
        self._files = 0
        self._last = time.monotonic()

    def write(self, line: bytes) -> None:
        self._lines.append(line)
        late = time.monotonic() - self._last > _SECONDS_A_FILE
        if late or len(self._lines) >= _LINES_A_FILE:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            with tempfile.TemporaryDirectory(prefix="twofold-") as folder:
                part = Path(folder, "lines")
                part.write_bytes(b"".join(self._lines))
                self._out.put(part, f"{self._name}-{self._files}.jsonl")
            self._files += 1
        self._lines = []
        self._last = time.monotonic()

    def close(self) -> None:
        self.flush()


def _journals(out: Storage, shard: tuple[int, int]) -> list[str]:
    """Names of the journals that may tell of this shard's pictures, the parts of each in their order."""
    names: list[str] = []
    if isinstance(out, LocalStorage):
        folder = out.root / STATE
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    else:
        names = out.inside(STATE)
    found = [
        (tuple(int(part or 0) for part in match.groups()), name)
        for name in names
        if (match := _JOURNAL.fullmatch(name))
    ]
    return [name for (index, count, *_), name in sorted(found) if count != shard[1] or index == shard[0]]
