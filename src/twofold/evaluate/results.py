"""What was measured: rows, the figures made of them, and everything that those depend on."""

import hashlib
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from twofold.evaluate.metrics import of_kind
from twofold.masks.buckets import RATIO_BUCKETS
from twofold.metrics.statistics import PairedTest, bootstrap_interval, paired_test

ALL = "all"
"""The group of all photographs."""


@dataclass(frozen=True)
class Row:
    """What one model made of one hole, measured.

    Attributes:
        model: name of the inpainter.
        photo: path of the photograph within its folder, with forward slashes.
        key: hash of the true pixels and the hole; one item of one protocol.
        kind: of the hole: ``free-form``, ``centre``, ..., or the name of a folder of masks.
        ratio: missing part of the crop, in [0, 1].
        scores: metric name -> value: metrics of a picture, means over the answers if there are several;
            metrics of several answers; infinite for the PSNR of a perfect answer.
    """

    model: str
    photo: str
    key: str
    kind: str
    ratio: float
    scores: Mapping[str, float]

    @property
    def bucket(self) -> str:
        """The range of hole ratios that it is counted under, such as ``10-20 %``."""
        for low, high in RATIO_BUCKETS:
            if low <= self.ratio < high:
                return bucket_name(low, high)
        return "under 1 %" if self.ratio < RATIO_BUCKETS[0][0] else "60 % and more"


@dataclass(frozen=True)
class Timing:
    """What one answer cost; never the same twice, so it is reported apart.

    Attributes:
        seconds: wall time of one answer, its share of those drawn together.
        memory: bytes that the process held at most while it answered, above what it held before; for
            commands the most that the command held; None where the system does not tell.
    """

    seconds: float
    memory: int | None = None


@dataclass(frozen=True)
class Figure:
    """One number of a report.

    Attributes:
        model: name of the inpainter.
        metric: name out of ``metrics``.
        group: ``all``, a range of hole ratios (``10-20 %``), or a kind of hole.
        photos: items behind it.
        value: the mean over those items, or the metric of the whole set.
        low: lower end of the 95 % bootstrap interval; None where there is none.
        high: its upper end.
    """

    model: str
    metric: str
    group: str
    photos: int
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Two models on the same items: ``test.difference`` is the first's mean less the second's."""

    first: str
    second: str
    metric: str
    photos: int
    test: PairedTest


@dataclass(frozen=True)
class Report:
    """All rows of an evaluation and what they depend on.

    Attributes:
        tag: of the protocol, complete: crops, holes, seed, samples, version of the rules.
        description: what the protocol is, lines of prose.
        metrics: names, in the order of the tables.
        rows: one per model and item, models in their order, at least one.
        sets: figures of the metrics of whole sets.
        versions: library, method or model -> version or fingerprint.
        samples: answers to each hole that were asked of a model that has several to give.
        warnings: what a reader has to know, one sentence each.
        timings: model -> what each of its answers cost, in the order of the rows; not part of the report.
    """

    tag: str
    description: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    sets: tuple[Figure, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    samples: int = 1
    warnings: tuple[str, ...] = ()
    timings: Mapping[str, Sequence[Timing]] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        """Names in the order of their first row."""
        return list(dict.fromkeys(row.model for row in self.rows))

    @property
    def photos(self) -> int:
        """Items that each model answered."""
        return len({(row.photo, row.key) for row in self.rows})  # a file may be there twice

    @cached_property
    def cases_hash(self) -> str:
        """SHA-256, in hex, over the names, pixels and holes of all items: equal means comparable."""
        return hash_of_items((row.photo, row.key) for row in self.rows)

    @property
    def groups(self) -> list[str]:
        """Ranges of hole ratios, small holes first; kinds of holes if there are several; ``all``."""
        occurring = {row.bucket for row in self.rows}
        known = ["under 1 %", *(bucket_name(*one) for one in RATIO_BUCKETS), "60 % and more"]
        kinds = list(dict.fromkeys(row.kind for row in self.rows))
        return [*(name for name in known if name in occurring), *(kinds if len(kinds) > 1 else []), ALL]

    def count(self, group: str) -> int:
        """Items of a group that each model answered."""
        return len({(row.photo, row.key) for row in self.rows if _belongs(row, group)})

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """Every number: by model, then metric, then group."""
        found: list[Figure] = []
        for model in self.models:
            rows = [row for row in self.rows if row.model == model]
            for name in of_kind(self.metrics, "picture", "answers"):
                for group in self.groups:
                    values = [row.scores[name] for row in rows if _belongs(row, group)]
                    if values:
                        found.append(_mean(model, name, group, values))
            found += [figure for figure in self.sets if figure.model == model]
        return tuple(found)

    def figure(self, model: str, metric: str, group: str = ALL) -> Figure | None:
        """One number, or None if it was not measured."""
        return self._by_name.get((model, metric, group))

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The first model against each other one, over all items, by every metric of single items."""
        first, *others = self.models
        scores = {(row.model, row.photo, row.key): row.scores for row in self.rows}
        items = [(row.photo, row.key) for row in self.rows if row.model == first]
        found = []
        for second in others:
            for name in of_kind(self.metrics, "picture", "answers"):
                ours = np.array([scores[first, *item][name] for item in items])
                theirs = np.array([scores[second, *item][name] for item in items])
                finite = np.isfinite(ours) & np.isfinite(theirs)
                if finite.any():
                    test = paired_test(ours[finite], theirs[finite])
                    found.append(Comparison(first, second, name, int(finite.sum()), test))
        return tuple(found)

    @cached_property
    def _by_name(self) -> dict[tuple[str, str, str], Figure]:
        return {(one.model, one.metric, one.group): one for one in self.figures}


def bucket_name(low: float, high: float) -> str:
    """A range of hole ratios as tables show it."""
    return f"{round(low * 100)}-{round(high * 100)} %"


def hash_of_items(items: Iterable[tuple[str, str]]) -> str:
    """SHA-256, in hex, over (photo, key) of each item; order and repetition do not matter."""
    lines = sorted({f"{photo}\0{key}\n" for photo, key in items})
    # Names of files need not be text: such bytes come as surrogates, and go back to what they were.
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def library_versions() -> dict[str, str]:
    """Versions of what every evaluation depends on."""
    versions = {"python": platform.python_version()}
    for name in ("twofold", "torch", "numpy", "pillow"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # used from a source tree that is not installed
            versions[name] = "unknown"
    return versions


def _mean(model: str, name: str, group: str, values: list[float]) -> Figure:
    """Average one metric; the mean PSNR is the mean of decibels, as papers report it."""
    mean = float(np.mean(values))
    if not math.isfinite(mean):
        return Figure(model, name, group, len(values), mean)
    low, high = bootstrap_interval(np.array(values))
    return Figure(model, name, group, len(values), mean, low, high)


def _belongs(row: Row, group: str) -> bool:
    return group in (ALL, row.bucket, row.kind)
