"""``twofold evaluate``: compare models on photographs with holes, under a protocol, in one report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from twofold.cli.command import parse
from twofold.errors import InputError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from twofold.evaluate.protocol import Protocol

DEFAULT_MODELS = ("medfe-small", "opencv-telea", "opencv-ns", "skimage-biharmonic", "patchmatch")
ProtocolName = Literal["own", "medfe2020", "dsi2021", "edgeconnect2019", "put2022", "lama2022", "mat2022"]
"""The keys of ``twofold.evaluate.papers.PROTOCOLS``, without importing torch."""


@dataclass(frozen=True)
class EvaluateOptions:
    """Fill a hole in each photograph with several models and compare what they answer.

    The protocol says which crops, holes and metrics; each figure of the report carries its tag. Models are
    bundled ones, folders or files of weights, classical methods (opencv-telea, opencv-ns,
    skimage-biharmonic, patchmatch), ONNX or TorchScript files, "cmd: TOOL {image} {mask} {out}" for any
    command, and results:FOLDER for finished pictures. LPIPS and the like need the weights of feature
    networks: from the folder named by TWOFOLD_FEATURES, the cache, or a download.
    """

    images: Path
    """Folder of photographs, at any depth."""
    model: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A model; give it again for each further one. None: medfe-small and the classical methods."""
    protocol: ProtocolName = "own"
    """Whose rules: those of the bundled weights, or of a paper."""
    masks: tuple[str, ...] | None = None
    """Holes instead of the protocol's: a folder of mask files (white = hole), or kinds that take turns:
    centre, regular, boxes, free-form, irregular, thin, object."""
    ratios: tuple[str, ...] | None = None
    """Ranges of hole ratios instead of the protocol's, in per cent: 1-10 10-20 ...; any: as drawn."""
    metrics: tuple[str, ...] | None = None
    """Metrics instead of the protocol's; all: every one."""
    samples: int = 1
    """Answers to each hole of models that sample; above 1 the report has the best of them and their
    diversity, too."""
    size: int | None = None
    """Side of the crops instead of the protocol's, in pixels."""
    seed: int = 0
    """Draw holes and answers by this seed: the same seed gives the same report."""
    limit: int | None = None
    """Only the first so many photographs."""
    out: Path | None = None
    """Folder for report.html, .md, .json, rows.csv, figures.csv and timing; none only prints the tables."""
    cache: Path | None = None
    """Folder that keeps answers and scores, so that a run that was killed goes on; none: OUT/cache."""
    page: bool = True
    """Write report.html, with plots and pictures; needs the extra evaluate."""
    pictures: int = 40
    """Photographs in report.html: half the worst, half the best of the first model."""
    export: Path | None = None
    """Write the damaged pictures and masks to this folder, for tools that cannot be called, and stop."""
    parts: str | None = None
    """Validate the parts of this DSI model, each by itself, instead of comparing models."""
    sweep: str | None = None
    """Draw quality against diversity of this model that samples, over temperatures and top-ps."""
    temperatures: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
    """Sweep over these temperatures."""
    top_ps: tuple[float, ...] = (1.0,)
    """Sweep over these top-ps."""
    device: str = "auto"
    """auto (CUDA where there is one, else the CPU), cpu, cuda, cuda:1, mps."""


def main(arguments: Sequence[str]) -> int:
    """Run ``twofold evaluate`` with these arguments; the exit status is 0 or an error is raised."""
    options: EvaluateOptions = parse(EvaluateOptions, "twofold evaluate", arguments)
    _refuse_what_would_be_ignored(options)
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        text = _text(options, _Bars(bar))
    print(text)
    return 0


def _text(options: EvaluateOptions, progress: _Bars) -> str:
    """Do what is asked for and give the report as Markdown."""
    from twofold.evaluate.compare import Output, evaluate

    protocol = _protocol(options)
    output = Output(options.out, options.cache, page=options.page, pictures=options.pictures)
    if options.export is not None:
        from twofold.evaluate.precomputed import export_items

        items = protocol.items(options.images)
        export_items(items, options.export, lambda done, total: progress("exported", done, total))
        return (
            f"{len(items)} damaged pictures and masks are in {options.export}; fill them, name each result "
            "like its picture, and evaluate them with --model results:FOLDER and the same other options"
        )
    if options.parts is not None:
        from twofold.evaluate.parts import validate_parts

        return validate_parts(
            options.images,
            options.parts,
            options.out,
            protocol=protocol,
            device=options.device,
            progress=progress,
        ).markdown()
    if options.sweep is not None:
        from twofold.evaluate.sweep import settings, sweep

        return sweep(
            options.images,
            options.sweep,
            settings(options.temperatures, options.top_ps),
            output,
            protocol=protocol,
            device=options.device,
            progress=progress,
        ).markdown()
    from twofold.engine.model_name import Typed
    from twofold.evaluate.report import markdown, timing_markdown

    models = [Typed(model) for model in options.model or DEFAULT_MODELS]
    report = evaluate(
        options.images, models, output, protocol=protocol, device=options.device, progress=progress
    )
    return f"{markdown(report)}\n{timing_markdown(report)}"


def _protocol(options: EvaluateOptions) -> Protocol:
    """The protocol that was named, with what was asked for instead."""
    from twofold.evaluate.metrics import METRICS
    from twofold.evaluate.papers import PROTOCOLS

    changes: dict[str, Any] = {"samples": options.samples, "seed": options.seed}
    if options.masks is not None:
        changes["masks"] = options.masks
    if options.ratios is not None:
        changes["ratios"] = () if options.ratios == ("any",) else tuple(map(_ratio, options.ratios))
    if options.metrics is not None:
        changes["metrics"] = tuple(METRICS) if options.metrics == ("all",) else options.metrics
    if options.size is not None:
        changes["size"] = options.size
    if options.limit is not None:
        changes["limit"] = options.limit
    return replace(PROTOCOLS[options.protocol], **changes)


def _ratio(text: str) -> tuple[float, float]:
    """A range of hole ratios from the command line, as fractions."""
    low, _, high = text.removesuffix("%").partition("-")
    try:
        return float(low) / 100, float(high) / 100
    except ValueError:
        raise InputError(f"ratios hold {text!r}; give ranges in per cent, such as 10-20, or any") from None


def _refuse_what_would_be_ignored(options: EvaluateOptions) -> None:
    """Refuse options that the way that was chosen would silently leave out."""
    ways = [name for name in ("parts", "sweep", "export") if getattr(options, name) is not None]
    plain = EvaluateOptions(options.images)
    if "sweep" not in ways and (options.temperatures, options.top_ps) != (plain.temperatures, plain.top_ps):
        raise InputError(
            "--temperatures and --top-ps belong to a sweep; add --sweep MODEL, such as dsi-small"
        )
    if not ways:
        return
    if len(ways) > 1:
        raise InputError(f"--{ways[0]} and --{ways[1]} are two jobs; ask for one at a time")
    ignored = {
        "parts": ("model", "samples", "cache", "metrics", "pictures"),
        "sweep": ("model",),
        "export": ("model", "samples", "cache", "out", "pictures"),
    }
    for name in ignored[ways[0]]:
        if getattr(options, name) != getattr(plain, name):
            raise InputError(f"--{name} is for comparing models; leave it out, or leave out --{ways[0]}")


class _Bars:
    """A bar for each model or part."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total)
        self._bar.update(self._tasks[name], completed=done)
