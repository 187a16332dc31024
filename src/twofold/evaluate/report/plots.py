"""Plots as SVG text: metrics by hole, and one quality against another.

The same numbers give the same bytes. Nothing has a background, and lines of text and axes have the colour
of the text around them, so that a plot can be read on dark and light paper.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from twofold.errors import MissingExtraError
from twofold.evaluate.report.content import heading
from twofold.evaluate.results import ALL, Figure, Report, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

COLORS = ("#2f7fd6", "#d9622b", "#1a9a74", "#a463c9", "#c9518f", "#8f7d1e", "#168fa8", "#7f858d")
"""Of the models, in order; each has a contrast of 3 or more with white and with the page's dark paper."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
DASHES = ("-", "--", ":", "-.")
"""Another one for every eight models."""

_INK = "#010203"
"""Drawn for what shall have the colour of the text around it; nothing else has it."""
_STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib, so that no machine lays out differently
    "font.size": 9,
    "text.color": _INK,
    "text.parse_math": False,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _INK,
    "grid.alpha": 0.12,
    "grid.linewidth": 0.6,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "twofold",
}
_SIZE = (3.7, 2.6)
"""Of a plot, in inches of 72 units."""
_SHEET = ".plot{color:#30363d}@media(prefers-color-scheme:dark){.plot{color:#c9d1d9}}"
"""Colours of a plot that stands alone."""


def ratio_plot(report: Report, name: str) -> str:
    """Draw a metric against the hole ratio, one line per model with its 95 % band.

    Points stand at the mean ratio of their range. Numbers that are not finite are not drawn.

    Returns:
        SVG, or nothing if the holes lie in fewer than two ranges.
    """
    rows = [row for row in report.rows if row.model == report.models[0]]
    places = {
        group: 100 * float(np.mean([row.ratio for row in rows if row.bucket == group]))
        for group in _ranges(report, rows)
    }
    if len(places) < 2:
        return ""
    with _canvas() as canvas:
        axes = canvas.add_subplot()
        for position, model in enumerate(report.models):
            found = _finite(report.figure(model, name, group) for group in places)
            x = [places[one.group] for one, _, _ in found]
            look = _look(position)
            axes.plot(x, [one.value for one, _, _ in found], **look)
            low, high = [low for _, low, _ in found], [high for _, _, high in found]
            axes.fill_between(x, low, high, color=look["color"], alpha=0.16, linewidth=0)
        axes.set_title(heading(name))
        axes.set_xlabel("missing part of the picture (%)")
        axes.set_xlim(left=0)
        return _svg(canvas, f"ratio-{name}", f"{heading(name)} against the missing part of the picture")


def kind_plot(report: Report, name: str) -> str:
    """Draw a metric by kind of hole, or of all holes if there is one kind: dots with intervals."""
    kinds = list(dict.fromkeys(row.kind for row in report.rows))
    groups = kinds if len(kinds) > 1 else [ALL]
    with _canvas() as canvas:
        axes = canvas.add_subplot()
        count = len(report.models)
        for position, model in enumerate(report.models):
            shift = 0.6 * ((position + 0.5) / count - 0.5)
            found = _finite(report.figure(model, name, group) for group in groups)
            x = [groups.index(one.group) + shift for one, _, _ in found]
            y = [one.value for one, _, _ in found]
            sides = [[one.value - low for one, low, _ in found], [high - one.value for one, _, high in found]]
            look = _look(position) | {"linestyle": ""}
            axes.errorbar(x, y, yerr=np.clip(sides, 0, None), elinewidth=1.4, **look)
        axes.set_title(heading(name))
        axes.set_xticks(
            range(len(groups)), ["all holes"] if groups == [ALL] else [_text(kind) for kind in kinds]
        )
        axes.set_xlim(-0.5, len(groups) - 0.5)
        axes.grid(visible=False, axis="x")
        return _svg(canvas, f"kind-{name}", f"{heading(name)} by kind of hole")


def curve_plot(
    points: Mapping[str, Sequence[tuple[float, float, str]]], x: str, y: str, *, title: str = ""
) -> str:
    """Draw series of labelled points, each joined by a line in the order given; such as a sweep's settings.

    Args:
        points: series -> its points: x, y and a label, which may be empty. Points that are not finite are
            left out.
        x: what the horizontal axis shows.
        y: what the vertical axis shows.
        title: over the plot.

    Returns:
        SVG that can stand alone: it brings a legend, and colours for dark and light paper.

    Raises:
        MissingExtraError: if Matplotlib is not installed.
    """
    with _canvas((5.6, 3.8)) as canvas:
        axes = canvas.add_subplot()
        for position, series in enumerate(points.values()):
            kept = [one for one in series if math.isfinite(one[0]) and math.isfinite(one[1])]
            axes.plot([one[0] for one in kept], [one[1] for one in kept], **_look(position))
            for across, up, label in kept:
                axes.annotate(
                    _text(label),
                    (across, up),
                    xytext=(4, 4),
                    textcoords="offset points",
                    fontsize=7,
                    parse_math=False,
                )
        axes.margins(0.12)
        axes.set_title(_text(title))
        axes.set_xlabel(_text(x))
        axes.set_ylabel(_text(y))
        if len(points) > 1:
            _legend(axes, list(points))
        return _svg(canvas, "curve", f"{_text(title) or 'curve'}: {_text(y)} against {_text(x)}", alone=True)


def swatch(position: int) -> str:
    """A short piece of a model's line with its marker, as SVG: a legend for plots that have none."""
    look = _look(position)
    with _canvas((0.36, 0.16)) as canvas:
        from matplotlib.lines import Line2D
        from matplotlib.markers import MarkerStyle
        from matplotlib.patches import PathPatch
        from matplotlib.transforms import Affine2D

        canvas.add_artist(Line2D([0.05, 0.95], [0.5, 0.5], color=look["color"], linestyle=look["linestyle"]))
        # A path of its own: markers of lines have ids, and a page shows a swatch many times.
        marker = MarkerStyle(look["marker"])
        place = marker.get_transform() + Affine2D().scale(5.5).translate(0.18 * 72, 0.08 * 72)
        outline = marker.get_path().transformed(place)
        canvas.add_artist(PathPatch(outline, facecolor=look["color"], linewidth=0, transform=Affine2D()))
        return _svg(canvas, f"swatch-{position}", "")


def _ranges(report: Report, rows: Sequence[Row]) -> list[str]:
    """The ranges of hole ratios among the groups, small holes first."""
    occurring = {row.bucket for row in rows}
    return [group for group in report.groups if group in occurring]


def _finite(figures: Iterator[Figure | None]) -> list[tuple[Figure, float, float]]:
    """The figures that can be drawn, with their intervals; of no width where there is none."""
    return [
        (one, one.value if one.low is None else one.low, one.value if one.high is None else one.high)
        for one in figures
        if one is not None and math.isfinite(one.value)
    ]


def _look(position: int) -> dict[str, Any]:
    """Colour, marker and line of a model."""
    turn, rest = divmod(position, len(COLORS))
    return {"color": COLORS[rest], "marker": MARKERS[rest], "linestyle": DASHES[turn % len(DASHES)]}


def _text(text: str) -> str:
    """Text on one line that XML can hold."""
    return " ".join(re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text).split())


def _legend(axes: Axes, names: Sequence[str]) -> None:
    """Name the lines; Matplotlib would leave out names that begin with an underscore."""
    legend = axes.legend(axes.get_lines(), [str(position) for position in range(len(names))])
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(_text(name))


@contextmanager
def _canvas(size: tuple[float, float] = _SIZE) -> Iterator[Canvas]:
    """An empty figure in this file's style, whatever the user's own is."""
    try:
        import matplotlib
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise MissingExtraError(
            'plots need Matplotlib, which is not installed; pip install "twofold[evaluate]"'
        ) from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield Canvas(figsize=size, layout="constrained" if size[1] > 1 else None)


def _svg(canvas: Canvas, name: str, label: str, *, alone: bool = False) -> str:
    """Write the figure, and take out what only a file of its own needs; ``name`` keeps ids apart."""
    memory = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with warnings.catch_warnings():
        # Fonts are the reader's: what Matplotlib's lacks is measured as a box, and shown as it is.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        canvas.savefig(memory, format="svg", transparent=True, metadata=nothing)
    root = ElementTree.fromstring(memory.getvalue())
    text = memory.getvalue()
    prefix = re.sub(r"[^a-z0-9]+", "-", name) + "-"
    for parent in root.findall(".//{*}style/.."):
        parent.clear()  # a rule for everything, which would hold for the page around the plot
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        if "id" in attributes and f"#{attributes['id']}" not in text:
            del attributes["id"]
        element.attrib = {key: _adapted(key, value, prefix) for key, value in attributes.items()}
    root.attrib = {"viewBox": root.attrib["viewBox"], "class": "plot", "xmlns": "http://www.w3.org/2000/svg"}
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}
    root.attrib |= {"role": "img", "aria-label": label} if label else {"aria-hidden": "true"}
    if alone:
        width, height = root.attrib["viewBox"].split()[2:]
        root.attrib |= {"width": width, "height": height}
        style = ElementTree.Element("style")
        style.text = _SHEET
        root.insert(0, style)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _adapted(key: str, value: str, prefix: str) -> str:
    """An attribute with its ids kept apart from those of other plots, and colours of the text around it."""
    if key == "id":
        return prefix + value
    if key == "href":
        return value.replace("#", "#" + prefix)
    if key in ("clip-path", "style"):
        value = value.replace("url(#", "url(#" + prefix)
        return value.replace(_INK, "currentColor").replace("'DejaVu Sans'", "system-ui, sans-serif")
    return value
