"""Run inpainters over a protocol and measure every answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from twofold.engine.classical import Classical
from twofold.engine.load import load
from twofold.errors import InputError
from twofold.evaluate.protocol import Case, Protocol
from twofold.evaluate.report import Report, Row, library_versions
from twofold.evaluate.scores import score_answers
from twofold.features.lpips import LPIPS, pretrained_lpips
from twofold.inpainter import Inpainter
from twofold.pixels import composite, replacing

Progress = Callable[[str, int, int], None]
"""Called after each case with the model's name, cases so far, and cases to come in all."""


DEFAULT_PROTOCOL = Protocol()
"""That of the bundled weights."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Composited fills of one hole, and the seconds that one of them took."""

    images: tuple[npt.NDArray[np.uint8], ...]
    seconds: float


def evaluate(
    images: Path,
    models: Sequence[str | Inpainter],
    out: Path | None = None,
    *,
    protocol: Protocol = DEFAULT_PROTOCOL,
    cache: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Report:
    """Measure models on a folder of photographs: PSNR and LPIPS (AlexNet) by hole ratio.

    With ``protocol.samples`` above 1 also the best of several answers and their diversity; see
    ``twofold.evaluate.scores``.

    Args:
        images: folder of photographs, at any depth.
        models: anything that ``twofold.engine.load.load`` understands (bundled models, weights files,
            classical methods), or inpainters. Where two have one name, the later is reported as it
            was given here.
        out: folder for ``report.md`` and ``report.json``; None writes nothing.
        protocol: which crops and holes.
        cache: folder that keeps the answers of classical methods, which are slow and never change.
        device: for the networks; see ``load``.
        progress: called after each case.

    Returns:
        The report, models in the order given.

    Raises:
        InputError: if no model is given, or two of one name.
        CheckpointError: if weights of a model or of the metric cannot be found.
        MissingExtraError: if a classical method's package is not installed.
        TrainingError: if ``images`` holds no photograph that can be read.
    """
    inpainters = _named(models, device)
    cases = protocol.cases(images)
    lpips = pretrained_lpips("alex")
    rows: list[Row] = []
    for name, inpainter in inpainters.items():
        for done, case in enumerate(cases, start=1):
            row = measure(inpainter, case, lpips, samples=protocol.samples, seed=protocol.seed, cache=cache)
            rows.append(replace(row, model=name))
            if progress is not None:
                progress(name, done, len(cases))
    libraries = {name: i.version for name, i in inpainters.items() if isinstance(i, Classical)}
    versions = library_versions() | libraries
    report = Report(protocol.tag, tuple(rows), versions, samples=protocol.samples)
    if out is not None:
        report.write(out)
    return report


def measure(
    inpainter: Inpainter,
    case: Case,
    lpips: LPIPS,
    *,
    samples: int = 1,
    seed: int = 0,
    cache: Path | None = None,
) -> Row:
    """Let an inpainter answer one case, and score what it answers.

    Only an inpainter whose attribute ``diverse`` is true is asked for several samples; any other would
    give the same answer each time.
    """
    wanted = samples if getattr(inpainter, "diverse", False) else 1
    answers = _answers(inpainter, case, wanted, seed, cache)
    return Row(
        model=inpainter.name,
        photo=case.photo,
        key=case.key,
        bucket=case.bucket,
        scores=score_answers(answers.images, case, lpips, several=samples > 1),
        seconds=answers.seconds,
    )


def _named(models: Sequence[str | Inpainter], device: str) -> dict[str, Inpainter]:
    """Build the inpainters and give each a name of its own for the report."""
    named: dict[str, Inpainter] = {}
    for model in models:
        inpainter = load(model, device=device) if isinstance(model, str) else model
        name = inpainter.name if inpainter.name not in named else str(model)
        if name in named:
            raise InputError(f"{name} is given twice; name each model once")
        named[name] = inpainter
    if not named:
        raise InputError("no model is given to evaluate; name at least one, for example opencv-telea")
    return named


def _answers(inpainter: Inpainter, case: Case, samples: int, seed: int, cache: Path | None) -> Answers:
    """The answers to a case, from the cache where the method can be trusted not to change."""
    if cache is None or not isinstance(inpainter, Classical):
        return _fill(inpainter, case, samples, seed)
    folder = cache / f"{inpainter.name}@{inpainter.version.replace(' ', '-')}@{seed}"
    path = folder / case.key[:2] / f"{case.key}.npz"
    kept = _read_answer(path, case)
    if kept is not None:
        return kept
    answers = _fill(inpainter, case, 1, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        np.savez(part, fill=answers.images[0][case.hole], seconds=answers.seconds)
    return answers


def _fill(inpainter: Inpainter, case: Case, samples: int, seed: int) -> Answers:
    """Run the inpainter on the damaged picture."""
    start = time.perf_counter()
    result = inpainter.fill(case.damaged, case.hole, samples=samples, seed=seed)
    seconds = (time.perf_counter() - start) / samples
    fills = [np.asarray(composite(case.image, one.image, case.hole), np.uint8) for one in result.samples]
    return Answers(tuple(fills), seconds)


def _read_answer(path: Path, case: Case) -> Answers | None:
    """A cached answer, or None if there is none or it is damaged (it is then computed anew)."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            fill, seconds = kept["fill"], float(kept["seconds"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    if fill.shape != (int(case.hole.sum()), 3) or fill.dtype != np.uint8:
        return None
    image = case.image.copy()
    image[case.hole] = fill
    return Answers((image,), seconds)
