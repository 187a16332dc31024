"""The report as one HTML file: tables, plots and pictures to sort; it asks no server for anything."""

import base64
import hashlib
import importlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from twofold.errors import MissingExtraError
from twofold.evaluate.metrics import METRICS, metric, of_kind
from twofold.evaluate.report import content, plots
from twofold.evaluate.report.pictures import ItemPictures, check_pictures, webp_uri
from twofold.evaluate.results import Report, Row

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Score:
    """One number under a picture."""

    metric: str
    label: str
    text: str
    best: bool
    headline: bool


@dataclass(frozen=True)
class Panel:
    """One picture of a item.

    Attributes:
        role: "hole", "answer" or "truth".
        name: what stands under it.
        model: its position among the models; None unless it is an answer.
        picture: its data address.
        more: those of further answers.
        scores: of the model in this item.
    """

    role: str
    name: str
    picture: str
    model: int | None = None
    more: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()


@dataclass(frozen=True)
class Card:
    """One item as the page shows it."""

    photo: str
    kind: str
    bucket: str
    ratio: str
    height: int
    width: int
    panels: tuple[Panel, ...]


def check_page_extra() -> None:
    """Say at once whether the page can be made, before hours of measuring.

    Raises:
        MissingExtraError: if Matplotlib or Jinja is not installed.
    """
    for module, name in (("matplotlib", "Matplotlib"), ("jinja2", "Jinja")):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise MissingExtraError(
                f'the report\'s page needs {name}, which is not installed; pip install "twofold[evaluate]", '
                "or go without the page"
            ) from error


def html_page(report: Report, pictures: Mapping[str, ItemPictures], headline: Sequence[str] = ()) -> str:
    """Give the page: one HTML text with its styles, script, plots and pictures inside.

    Args:
        report: what was measured.
        pictures: key of a item -> its pictures, in the order in which they are shown at first.
        headline: see ``markdown``.

    Raises:
        InputError: if pictures do not belong to the report, or a metric of ``headline`` was not measured.
        MissingExtraError: if Matplotlib or Jinja is not installed.
    """
    check_page_extra()
    check_pictures(report, pictures)
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.from_string((_HERE / "page.html.j2").read_text(encoding="utf-8"))
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    several = content.several_table(report)
    return template.render(
        report=report,
        content=content,
        tables=[
            (content.headline_table(report, headline), content.samples_note(report)),
            (content.complete_table(report), content.INTERVAL_NOTE),
            *([(several, "")] if several is not None else []),
        ],
        differences=_by_other(content.differences(report)),
        plots=[Markup(plot) for plot in _plots(report)],
        swatches=[Markup(plots.swatch(position)) for position in range(len(report.models))],
        cards=_cards(report, pictures, content.headline_metrics(report, headline)),
        names=_sortable(report),
        metrics=METRICS | {name: metric(name) for name in report.metrics},
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        data=Markup(_data(report, pictures)),
    )


def _by_other(found: Sequence[content.Difference]) -> list[tuple[str, list[content.Difference]]]:
    """Differences by the second model, in the order of the models."""
    return [(other, list(of_one)) for other, of_one in groupby(found, key=lambda one: one.other)]


def _plots(report: Report) -> list[str]:
    """By ratio where there are several ranges, and by kind where there are several kinds or no ranges."""
    kinds = len({row.kind for row in report.rows})
    found = []
    for name in of_kind(report.metrics, "picture", "answers"):
        by_ratio = plots.ratio_plot(report, name)
        found += [by_ratio] if by_ratio else []
        if kinds > 1 or not by_ratio:
            found.append(plots.kind_plot(report, name))
    return found


def _sortable(report: Report) -> list[str]:
    """Metrics of single items."""
    return list(of_kind(report.metrics, "picture", "answers"))


def _cards(report: Report, pictures: Mapping[str, ItemPictures], headline: Sequence[str]) -> list[Card]:
    """What is shown of each item."""
    rows: dict[str, dict[str, Row]] = {}
    for row in report.rows:
        rows.setdefault(row.key, {}).setdefault(row.model, row)
    cards = []
    for key, item in pictures.items():
        by_model = rows[key]
        row = next(iter(by_model.values()))
        answers = [
            Panel(
                "answer",
                model,
                webp_uri(item.answers[model][0]),
                position,
                tuple(webp_uri(one) for one in item.answers[model][1:]),
                _scores(report, by_model, model, headline),
            )
            for position, model in enumerate(report.models)
            if model in item.answers
        ]
        hole = Panel("hole", "with its hole", webp_uri(item.damaged))
        truth = Panel("truth", "photograph", webp_uri(item.image))
        height, width = item.hole.shape
        ratio = content.ratio_shown(row.ratio)
        cards.append(Card(row.photo, row.kind, row.bucket, ratio, height, width, (hole, *answers, truth)))
    return cards


def _scores(
    report: Report, by_model: Mapping[str, Row], model: str, headline: Sequence[str]
) -> tuple[Score, ...]:
    """The scores of one model in one item; the best of all models in it are marked."""
    found = []
    for name in _sortable(report):
        texts = {other: content.shown(name, row.scores[name]) for other, row in by_model.items()}
        best = content.best_of(name, texts.values())
        found.append(Score(name, metric(name).label, texts[model], texts[model] == best, name in headline))
    return tuple(found)


def _data(report: Report, pictures: Mapping[str, ItemPictures]) -> str:
    """What the script sorts by, as JSON that may stand in HTML."""
    names = _sortable(report)
    scores: dict[tuple[str, str], Row] = {(row.key, row.model): row for row in report.rows}
    items: list[dict[str, Any]] = []
    for key in pictures:
        row = scores[key, report.models[0]]
        by_model = [[_number(scores[key, model].scores[name]) for name in names] for model in report.models]
        items.append({"kind": row.kind, "bucket": row.bucket, "ratio": row.ratio, "scores": by_model})
    better = {name: metric(name).better for name in names}
    text = json.dumps({"metrics": names, "better": better, "cases": items})
    # Within JSON these occur in strings only, where an escape means the same.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _number(value: float) -> float | str:
    """A number that JSON can hold, or the word that JavaScript's Number() reads."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
