"""Quality against diversity: one model that samples, over ways of sampling.

The DSI paper leaves open how much quality its diversity costs. Here the same holes are answered at several
temperatures and top-ps, and each way of sampling becomes a point: how much its answers differ, and how good
they are, on average, at best, and as a set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from twofold.engine.load import load
from twofold.errors import InputError
from twofold.evaluate.compare import Output, Progress, evaluate
from twofold.evaluate.metrics import BEST, metric
from twofold.evaluate.protocol import Protocol
from twofold.evaluate.report import curve_plot
from twofold.evaluate.results import Report
from twofold.inpainter import Inpainter
from twofold.pixels import replacing

DIVERSITY = "diversity-hole"
"""What the curves are drawn over."""
SAMPLES = 4
"""Answers to each hole where the protocol asks for one."""
_CURVES = (f"{BEST}lpips", "lpips", f"{BEST}psnr", "psnr", "vgg-kd", "vgg-fd", "kid", "fid")
"""Metrics that are drawn, where they were measured."""

Setting = Mapping[str, float]
"""Sampling option -> value; its first entry moves along a curve, the others tell curves apart."""


@dataclass(frozen=True)
class Sweep:
    """One model's figures over ways of sampling.

    Attributes:
        model: its name.
        settings: name in the report -> how was sampled.
        report: of all of them, as if each were a model.
    """

    model: str
    settings: Mapping[str, Setting]
    report: Report

    @property
    def curves(self) -> tuple[str, ...]:
        """The metrics that there are curves of."""
        return tuple(name for name in _CURVES if name in self.report.metrics)

    def points(self, name: str) -> dict[str, list[tuple[float, float, str]]]:
        """Curve -> its points by a metric: diversity, the metric, the label of the point."""
        found: dict[str, list[tuple[float, float, str]]] = {}
        for label, setting in self.settings.items():
            (moving, value), *others = setting.items()
            curve = ", ".join(f"{_shown(option)} {level:g}" for option, level in others) or _shown(moving)
            x, y = self.report.figure(label, DIVERSITY), self.report.figure(label, name)
            if x is not None and y is not None:
                found.setdefault(curve, []).append((x.value, y.value, f"{value:g}"))
        return found

    def plot(self, name: str) -> str:
        """One metric against diversity, as SVG; points are labelled with the option that moves.

        Raises:
            MissingExtraError: if matplotlib is not installed.
        """
        moving = _shown(next(iter(next(iter(self.settings.values())))))
        x, y = metric(DIVERSITY), metric(name)
        title = f"{self.model}: {y.label} against diversity (labels: {moving})"
        return curve_plot(self.points(name), x=x.label, y=y.label, title=title)

    def markdown(self) -> str:
        """A table with one line per way of sampling, and what its figures are."""
        columns = [DIVERSITY, *self.curves]
        lines = [
            f"| {self.model} | " + " | ".join(metric(name).label for name in columns) + " |",
            "| --- |" + " --- |" * len(columns),
        ]
        for label in self.settings:
            figures = [self.report.figure(label, name) for name in columns]
            cells = [
                "-" if one is None else metric(name).show(one.value)
                for name, one in zip(columns, figures, strict=True)
            ]
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
        meanings = "; ".join(f"{metric(name).label}: {metric(name).meaning}" for name in columns)
        origin = (
            f"{self.report.photos} photographs, {self.report.samples} answers each; protocol "
            f"`{self.report.tag}`, cases `{self.report.cases_hash[:16]}`."
        )
        notes = [f"- {warning}" for warning in self.report.warnings]
        return "\n".join([*lines, "", f"{meanings}.", "", origin, *([""] * bool(notes)), *notes]) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``sweep.md`` and one ``sweep-METRIC.svg`` per curve, each whole or not at all.

        Raises:
            MissingExtraError: if matplotlib is not installed; nothing is then written.
        """
        texts = {f"sweep-{name.replace(' ', '-')}.svg": self.plot(name) for name in self.curves}
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in {**texts, "sweep.md": self.markdown()}.items():
            with replacing(folder / name) as part:
                part.write_text(text, encoding="utf-8")


def settings(temperatures: Sequence[float], top_ps: Sequence[float]) -> list[Setting]:
    """All ways of sampling out of these temperatures and top-ps: temperatures move along the curves.

    With one temperature and several top-ps, the top-ps do.
    """
    if len(temperatures) == 1 and len(top_ps) > 1:
        return [{"top_p": top_p, "temperature": temperatures[0]} for top_p in top_ps]
    return [{"temperature": heat, "top_p": top_p} for top_p, heat in product(top_ps, temperatures)]


def sweep(
    images: Path,
    model: str,
    ways: Sequence[Setting],
    out: Path | Output | None = None,
    *,
    protocol: Protocol,
    device: str = "auto",
    progress: Progress | None = None,
) -> Sweep:
    """Evaluate one model in several ways of sampling, on the same holes.

    Args:
        images: folder of photographs, at any depth.
        model: one that samples, as ``twofold.engine.load.load`` takes it.
        ways: sampling options, two or more; of equal names, in equal order.
        out: folder for the curves, and for the report of ``evaluate``; see there.
        protocol: which crops, holes and metrics; where it asks for one answer, four are drawn.
        device: for the networks.
        progress: called after each item.

    Raises:
        InputError: if the model does not sample, or there are not two ways.
        TwofoldError: see ``evaluate``.
    """
    if len(ways) < 2:
        raise InputError(
            f"a sweep of {len(ways)} way of sampling has no curve; give two temperatures or top-ps"
        )
    inpainters: dict[str, Inpainter] = {}
    for way in ways:
        inpainter = load(model, device=device, options=dict(way))
        label = ", ".join(f"{_shown(name)} {value:g}" for name, value in sorted(way.items(), reverse=True))
        inpainters[label] = inpainter
    if protocol.samples == 1:
        protocol = replace(protocol, samples=SAMPLES)
    output = out if isinstance(out, Output) else Output(folder=out)
    report = evaluate(images, inpainters, output, protocol=protocol, device=device, progress=progress)
    found = Sweep(inpainter.name, dict(zip(inpainters, ways, strict=True)), report)
    if output.folder is not None and output.page:
        found.write(output.folder)
    return found


def _shown(option: str) -> str:
    return option.replace("_", "-")
