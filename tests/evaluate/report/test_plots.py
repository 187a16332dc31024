"""Plots: what is drawn, that it is the same each time, and that it can be read on any paper."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.report.examples import example
from twofold.evaluate.report import curve_plot
from twofold.evaluate.report.plots import COLORS, kind_plot, ratio_plot, swatch

SVG = "{http://www.w3.org/2000/svg}"
CURVES = {
    "dsi": [(0.1, 24.0, "0.5"), (0.2, 23.5, "1.0")],
    "_odd $name$": [(0.15, 22.0, "a & b")],
}


def texts(svg: str) -> list[str]:
    return ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def marks(svg: str, color: str) -> list[tuple[float, float]]:
    """Where the markers of a colour stand; bands are drawn at the origin."""
    uses = [one for one in ElementTree.fromstring(svg).iter(f"{SVG}use") if color in one.get("style", "")]
    return [(float(one.get("x")), float(one.get("y"))) for one in uses if one.get("x") != "0"]


def test_a_line_per_model_is_drawn_against_the_hole_ratio():
    svg = ratio_plot(example(), "psnr")
    assert texts(svg)[-1] == "PSNR (dB) ↑"
    assert "missing part of the picture (%)" in texts(svg)
    for color in COLORS[:2]:
        assert len(re.findall(f"stroke: {color}", svg)) >= 1
        assert len(marks(svg, color)) == 3
    assert COLORS[2] not in svg


def test_markers_stand_where_the_numbers_are():
    across, up = zip(*marks(ratio_plot(example(("one",)), "psnr"), COLORS[0]), strict=True)
    # Ratios of 15, 25 and 35 %; means of 20.5, 22 and 23 dB. SVG counts downwards.
    assert (across[2] - across[1]) / (across[1] - across[0]) == pytest.approx(1.0, abs=1e-3)
    assert (up[1] - up[2]) / (up[0] - up[1]) == pytest.approx(1.0 / 1.5, abs=1e-3)


def test_one_range_of_ratios_has_no_such_plot():
    assert ratio_plot(example(photos=("a.png", "b.png")), "psnr") == ""


def test_kinds_have_a_dot_per_model():
    svg = kind_plot(example(), "lpips")
    assert {"free-form", "centre", "LPIPS ↓"} <= set(texts(svg))
    assert len(marks(svg, COLORS[1])) == 2
    assert "all holes" in texts(kind_plot(example(kinds=("centre",)), "lpips"))


def test_what_is_infinite_is_left_out():
    report = example(("one",))
    rows = [replace(row, scores={**row.scores, "psnr": math.inf}) for row in report.rows[:1]]
    svg = ratio_plot(replace(report, rows=(*rows, *report.rows[1:])), "psnr")
    assert len(marks(svg, COLORS[0])) == 2
    alone = replace(report, rows=tuple(replace(one, scores=rows[0].scores) for one in report.rows))
    assert marks(ratio_plot(alone, "psnr"), COLORS[0]) == []


def test_curves_show_labels_and_names_as_they_are():
    found = texts(curve_plot(CURVES, "diversity", "PSNR (dB)", title="sweep"))
    assert {"dsi", "_odd $name$", "0.5", "1.0", "a & b", "diversity", "PSNR (dB)", "sweep"} <= set(found)


def test_one_curve_needs_no_legend_and_nothing_no_points():
    assert "dsi" not in texts(curve_plot({"dsi": CURVES["dsi"]}, "x", "y"))
    assert curve_plot({"dsi": [(math.nan, 1.0, "gone")]}, "x", "y").startswith("<svg")
    assert "gone" not in texts(curve_plot({"dsi": [(math.nan, 1.0, "gone")]}, "x", "y"))


def test_the_same_numbers_give_the_same_bytes_whatever_the_users_style():
    before = [ratio_plot(example(), "psnr"), kind_plot(example(), "psnr"), curve_plot(CURVES, "x", "y")]
    with matplotlib.rc_context(
        {"font.size": 30, "axes.grid": False, "svg.fonttype": "path", "axes.facecolor": "red"}
    ):
        again = [ratio_plot(example(), "psnr"), kind_plot(example(), "psnr"), curve_plot(CURVES, "x", "y")]
        assert matplotlib.rcParams["font.size"] == 30
    assert again == before


def test_plots_have_neither_dates_nor_background_nor_black():
    for svg in (ratio_plot(example(), "psnr"), kind_plot(example(), "psnr"), curve_plot(CURVES, "x", "y")):
        assert "metadata" not in svg
        assert "Matplotlib" not in svg
        drawn = set(re.findall(r"(?:fill|stroke): (#\w+)", svg))
        assert drawn <= set(COLORS[:2])
        assert "currentColor" in svg


def test_ids_of_two_plots_on_a_page_never_meet():
    plots = [*(ratio_plot(example(), one) for one in ("psnr", "l1")), kind_plot(example(), "psnr"), swatch(0)]
    ids = [re.findall(r'\bid="([^"]*)"', plot) for plot in plots]
    assert len({one for found in ids for one in found}) == sum(map(len, ids))
    for plot, own in zip(plots, ids, strict=True):
        used = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', plot)
        assert {one or other for one, other in used} == set(own)


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("paper", ["#ffffff", "#14171c"])
def test_colours_have_a_contrast_of_three_on_both_papers(color, paper):
    high, low = sorted((luminance(color), luminance(paper)), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= 3


def test_more_models_than_colours_differ_in_their_lines():
    drawn = {swatch(position).replace(f"swatch-{position}-", "") for position in range(16)}
    assert len(drawn) == 16


@given(st.text(), st.text(), st.text())
@settings(max_examples=15)
def test_any_text_makes_a_whole_plot(name, label, title):
    svg = curve_plot({name: [(0, 0, label)], "other": [(1, 1, "")]}, name, label, title=title)
    assert "other" in texts(svg)
    assert "script" not in {one.tag for one in ElementTree.fromstring(svg).iter()}
