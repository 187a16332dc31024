"""Benchmarks over time: one JSON file a run, and what has become slower since an earlier one."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measuring import Row
from twofold.errors import InputError
from twofold.pixels import replacing

FORMAT = "twofold-speed/1"


def document(rows: Sequence[Row], machine: dict[str, Any], rates: dict[str, float]) -> dict[str, Any]:
    """One run as JSON values."""
    return {
        "format": FORMAT,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "gigaflop_per_second": rates,
        "rows": [row.as_json(rates) for row in rows],
    }


def write_history(figures: dict[str, Any], folder: Path) -> Path:
    """Write a run to ``FOLDER/runs/DATE-HOST.json``; of the machine's name, a digest alone.

    Raises:
        InputError: if it cannot be written.
    """
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    stamp = figures["date"].replace(":", "").split("+")[0]
    path = folder / "runs" / f"{stamp}-{host}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}; choose another folder") from error
    return path


def read_history(path: Path) -> dict[str, Any]:
    """Read a run.

    Raises:
        InputError: if the file holds none.
    """
    try:
        figures = json.loads(path.read_text())
        if figures["format"] != FORMAT or not isinstance(figures["rows"], list):
            raise ValueError(f"it is of format {figures['format']!r}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is no run of benchmarks/speed.py ({error}); give a file of its history"
        ) from error
    return dict(figures)


def slower(now: dict[str, Any], before: dict[str, Any], tolerance: float) -> list[str]:
    """One line for each ratio that fell by more than a share; times themselves are never compared.

    Args:
        now: a run.
        before: an earlier one, of any machine of the same kind.
        tolerance: 0.15 lets a ratio fall by 15 %.

    Raises:
        InputError: if the runs share no row, or the tolerance is not a share.
    """
    if not 0 <= tolerance < 1:
        raise InputError(f"tolerance is {tolerance}; give a share from 0 up to 1, such as 0.15")
    earlier = {_key(row): row["times_faster"] for row in before["rows"]}
    common = [row for row in now["rows"] if _key(row) in earlier]
    if not common:
        raise InputError("the two runs have no row in common; measure the same models")
    return [
        f"{row['model']} {row['form']}, {row['samples']} samples, batch {row['batch']}: "
        f"{row['times_faster']:.2f} times faster, was {earlier[_key(row)]:.2f}"
        for row in common
        if row["times_faster"] < (1 - tolerance) * earlier[_key(row)]
    ]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("model", "form", "samples", "batch"))
