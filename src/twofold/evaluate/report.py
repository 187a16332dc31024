"""What was measured: rows, their means by hole ratio, and the report as Markdown and JSON."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean

from twofold.pixels import replacing

Bucket = tuple[float, float] | str
"""Hole ratios, low included and high excluded, as fractions; or the name of a kind of hole."""

_FORMATS = {
    "psnr": "{:.2f}",
    "lpips": "{:.3f}",
    "best psnr": "{:.2f}",
    "best lpips": "{:.3f}",
    "diversity": "{:.3f}",
}
_LEGEND = {
    "psnr": "PSNR in dB over the whole picture (higher is better)",
    "lpips": "LPIPS v0.1 on AlexNet over the whole picture (lower is better)",
    "best psnr": "PSNR of the answer with the highest",
    "best lpips": "LPIPS of the answer with the lowest, both chosen with the photograph known",
    "diversity": "diversity: mean LPIPS between two answers over the missing pixels (higher is more diverse)",
}
_OF_SEVERAL = ("best psnr", "best lpips", "diversity")
"""Scores that only several answers have; they make a table of their own."""


@dataclass(frozen=True)
class Row:
    """One answer, measured.

    Attributes:
        model: name of the inpainter.
        photo: path of the photograph within its folder.
        key: hash of the true pixels and the hole.
        bucket: the range of hole ratios that it is counted under, or the kind of its hole.
        scores: metric name -> value; infinite for the PSNR of a perfect answer.
        seconds: wall time of the answer, as measured when it was computed; of several answers that
            were drawn together, their time over their number.
    """

    model: str
    photo: str
    key: str
    bucket: Bucket
    scores: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Summary:
    """The means of one model over one bucket, or over all for ``bucket`` None."""

    model: str
    bucket: Bucket | None
    photos: int
    scores: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Report:
    """All rows of an evaluation and what they depend on.

    Attributes:
        protocol: tag of the protocol.
        rows: one per model and photograph, at least one.
        versions: library or classical method -> version.
        samples: answers to each hole that were asked of a model that has several to give.
    """

    protocol: str
    rows: tuple[Row, ...]
    versions: Mapping[str, str]
    samples: int = 1

    @property
    def models(self) -> list[str]:
        """Names in the order of their first row."""
        return list(dict.fromkeys(row.model for row in self.rows))

    @property
    def cases_hash(self) -> str:
        """SHA-256, in hex, over the names, pixels and holes of all cases: equal means comparable."""
        return hash_of_cases((row.photo, row.key) for row in self.rows)

    def summaries(self) -> list[Summary]:
        """For each model the means of each bucket that occurs, small holes first, then of all."""
        found: list[Summary] = []
        for model in self.models:
            rows = [row for row in self.rows if row.model == model]
            for bucket in sorted({row.bucket for row in rows}, key=_order):
                found.append(_mean(model, bucket, [row for row in rows if row.bucket == bucket]))
            found.append(_mean(model, None, rows))
        return found

    def markdown(self) -> str:
        """A table with one line per model and one column per bucket, with its legend.

        Scores that only several answers have make a second table.
        """
        metrics = [metric for metric in self.rows[0].scores if metric not in _OF_SEVERAL]
        of_several = [metric for metric in self.rows[0].scores if metric in _OF_SEVERAL]
        legend = _legend(metrics)
        lines = self._table("hole", metrics, timed=True)
        if of_several:
            models = f"models that sample give {self.samples} answers to each hole"
            lines += ["", f"{legend}: means over the answers; {models}.", ""]
            lines += self._table(f"best of {self.samples}", of_several)
            legend = f"{_legend(of_several)}; models with one answer have that, and a diversity of 0"
        versions = ", ".join(f"{name}: {seen}" for name, seen in self.versions.items())
        origin = f"Protocol `{self.protocol}`, cases `{self.cases_hash[:16]}`. {versions}."
        lines += ["", f"{legend}.", "", origin]
        return "\n".join(lines) + "\n"

    def _table(self, title: str, metrics: list[str], *, timed: bool = False) -> list[str]:
        """Lines of a table of some metrics; with the photographs counted and timed, or without."""
        summaries = self.summaries()
        buckets = sorted({s.bucket for s in summaries if s.bucket is not None}, key=_order)
        header = [title, *(_shown(bucket) for bucket in buckets), "all", *(["s per picture"] * timed)]
        lines = [_line(header), _line(["---"] * len(header))]
        if timed:
            lines.append(_line(["photographs", *self._counts(summaries, buckets), ""]))
        for model in self.models:
            by_bucket = {s.bucket: s for s in summaries if s.model == model}
            cells = [_cell(by_bucket.get(bucket), metrics) for bucket in [*buckets, None]]
            lines.append(_line([model, *cells, *([f"{by_bucket[None].seconds:.2f}"] * timed)]))
        return lines

    def to_json(self) -> str:
        """Everything as JSON; values that are not finite become null."""
        several = {"samples": self.samples} if self.samples > 1 else {}
        content = {
            "protocol": self.protocol,
            **several,
            "cases_hash": self.cases_hash,
            "versions": dict(self.versions),
            "summaries": [asdict(s) | {"scores": _finite(s.scores)} for s in self.summaries()],
            "rows": [asdict(r) | {"scores": _finite(r.scores)} for r in self.rows],
        }
        return json.dumps(content, indent=1, allow_nan=False) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``report.md`` and ``report.json``, each whole or not at all; the folder is created."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("report.json", self.to_json()), ("report.md", self.markdown())):
            with replacing(folder / name) as part:
                part.write_text(text, encoding="utf-8")

    def _counts(self, summaries: list[Summary], buckets: list[Bucket]) -> list[str]:
        """Photographs of each bucket and of all, as the first model saw them."""
        first = {s.bucket: s.photos for s in summaries if s.model == self.models[0]}
        return [str(first.get(bucket, 0)) for bucket in [*buckets, None]]


def hash_of_cases(cases: Iterable[tuple[str, str]]) -> str:
    """SHA-256, in hex, over (photo, key) of each case; order and repetition do not matter."""
    lines = sorted({f"{photo}\0{key}\n" for photo, key in cases})
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def library_versions() -> dict[str, str]:
    """Versions of what every evaluation depends on."""
    versions = {"python": platform.python_version()}
    for name in ("twofold", "torch", "numpy", "pillow"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # used from a source tree that is not installed
            versions[name] = "unknown"
    return versions


def _mean(model: str, bucket: Bucket | None, rows: list[Row]) -> Summary:
    """Average rows; the mean PSNR is the mean of decibels, as papers report it."""
    scores = {metric: fmean(row.scores[metric] for row in rows) for metric in rows[0].scores}
    return Summary(model, bucket, len(rows), scores, fmean(row.seconds for row in rows))


def _cell(summary: Summary | None, metrics: list[str]) -> str:
    """The scores of one model in one bucket."""
    if summary is None:
        return "-"
    return " / ".join(_FORMATS.get(m, "{:.4g}").format(summary.scores[m]) for m in metrics)


def _legend(metrics: list[str]) -> str:
    """What the numbers of a cell are."""
    return " / ".join(_LEGEND.get(metric, metric) for metric in metrics)


def _shown(bucket: Bucket) -> str:
    """A bucket as the head of a column."""
    return bucket if isinstance(bucket, str) else f"{round(bucket[0] * 100)}-{round(bucket[1] * 100)} %"


def _order(bucket: Bucket) -> tuple[tuple[float, float], str]:
    """Small holes first, then kinds of holes by name."""
    return ((math.inf, math.inf), bucket) if isinstance(bucket, str) else (bucket, "")


def _line(cells: list[str]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def _finite(scores: Mapping[str, float]) -> dict[str, float | None]:
    """Replace infinite scores, which JSON cannot hold, by None."""
    return {name: value if math.isfinite(value) else None for name, value in scores.items()}
