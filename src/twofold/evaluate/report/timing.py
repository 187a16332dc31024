"""What answers cost, in files of their own: no two runs take the same time."""

import json
import os
import platform
from statistics import fmean, median
from typing import Any

import torch

from twofold.evaluate.report import content
from twofold.evaluate.report.markdown import code, escaped, grid
from twofold.evaluate.results import Report

_MEBIBYTE = 2**20


def timing_markdown(report: Report) -> str:
    """Give a table of seconds and memory per answer, and the machine that this was written on."""
    lines = []
    for model, cost in _costs(report).items():
        memory = "-" if cost["largest_memory"] is None else f"{cost['largest_memory'] / _MEBIBYTE:.0f}"
        seconds = [f"{cost[name]:.3f}" for name in ("median_seconds", "mean_seconds")]
        lines.append([escaped(model), str(cost["answers"]), *seconds, memory])
    head = ["model", "pictures", "median s", "mean s", "largest memory (MiB)"]
    tag, digest = content.origin(report)
    about = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in _machine().items())
    blocks = [
        "# Timing",
        grid(head, lines),
        "Wall time of one answer (of several drawn together: its share), as measured when it was computed; "
        "memory above what the process held before.",
        f"Protocol {code(tag)}, cases {code(digest)}.",
        f"Machine: {escaped(about)}.",
    ]
    return "\n\n".join(blocks) + "\n"


def timing_json(report: Report) -> str:
    """Give the same as JSON, memory in bytes."""
    everything = {
        "tag": report.tag,
        "cases_hash": report.cases_hash,
        "machine": _machine(),
        "models": _costs(report),
    }
    return json.dumps(everything, indent=1) + "\n"


def _costs(report: Report) -> dict[str, dict[str, Any]]:
    """Model -> what its answers cost; models that were not timed are left out."""
    found = {}
    for model, timings in report.timings.items():
        if not timings:
            continue
        seconds = [one.seconds for one in timings]
        memory = [one.memory for one in timings if one.memory is not None]
        found[model] = {
            "answers": len(timings),
            "median_seconds": median(seconds),
            "mean_seconds": fmean(seconds),
            "largest_memory": max(memory, default=None),
        }
    return found


def _machine() -> dict[str, str | int | None]:
    """What the times depend on, as far as it is known."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
    }
