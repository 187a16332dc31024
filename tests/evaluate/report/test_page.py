"""The page: whole in itself, deaf to the network, and true to its report."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.report.examples import example, pictures
from twofold.errors import InputError, MissingExtraError
from twofold.evaluate.report import check_page_extra, html_page, report_json
from twofold.evaluate.results import Report

VOID = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """Elements with their attributes, and their own text; complains of tags that do not fit."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))

    def handle_endtag(self, tag):
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data):
        for position in self._open:
            self.elements[position][2].append(data)

    def all(self, tag: str, **wanted: str) -> list[tuple[dict[str, str | None], str]]:
        """Attributes and text of the elements of a tag."""
        return [
            (attributes, "".join(text).strip())
            for name, attributes, text in self.elements
            if name == tag and all(attributes.get(key.rstrip("_")) == value for key, value in wanted.items())
        ]

    def tables(self) -> list[list[str]]:
        """Text of the cells of each table."""
        found: list[list[str]] = []
        for name, _, text in self.elements:
            if name == "table":
                found.append([])
            elif name in ("th", "td"):
                found[-1].append("".join(text).strip())
        return found

    @property
    def data(self):
        return json.loads(self.all("script", id="data")[0][1])


def light(*models: str, **options) -> Report:
    """A report of one metric, whose page is made quickly."""
    return replace(example(models or ("one", "two"), **options), metrics=("psnr",), sets=())


REPORT = example(samples=3)
TEXT = html_page(REPORT, pictures(REPORT))
PAGE = Page(TEXT)


def test_nothing_is_asked_of_any_server():
    policy = PAGE.all("meta", **{"http-equiv": "Content-Security-Policy"})[0][0]["content"]
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy
    for name, attributes, _ in PAGE.elements:
        for key in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(key) or "#"
            assert value.startswith(("#", "data:image/webp;base64,")), (name, key)
    assert "link" not in {name for name, _, _ in PAGE.elements}
    assert not re.search(r"@import|url\((?!#)", TEXT)
    assert set(re.findall(r"https?://[^\"' <]*", TEXT)) == {"http://www.w3.org/2000/svg"}


def test_only_the_pages_own_script_may_run():
    policy = PAGE.all("meta", **{"http-equiv": "Content-Security-Policy"})[0][0]["content"]
    script = re.findall(r"<script>(.*?)</script>", TEXT, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert not [key for _, attributes, _ in PAGE.elements for key in attributes if key.startswith("on")]


def test_ids_are_there_once_and_every_link_leads_somewhere():
    ids = [attributes["id"] for _, attributes, _ in PAGE.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    references = [one["href"][1:] for one, _ in PAGE.all("a")]
    references += [a["aria-labelledby"] for _, a, _ in PAGE.elements if "aria-labelledby" in a]
    assert {*references} <= {*ids}
    assert len(PAGE.all("nav")) == 1


def test_tables_show_the_numbers_of_the_report():
    first, complete, several, differences = PAGE.tables()
    assert first[:7] == ["model", "10-20 %", "20-30 %", "30-40 %", "free-form", "centre", "all"]
    assert first[14:21][-1] == "21.50 / 0.185"
    assert "23.50 / 0.165" in first
    low, high = REPORT.figure("one", "psnr").low, REPORT.figure("one", "psnr").high
    assert f"21.50[{low:.2f}, {high:.2f}]" in complete
    assert "22.50 / 0.175 / 0.125" in several
    assert differences[8:14] == ["PSNR (dB) ↑", "-2.000", "[-2.000, -2.000]", "0.125", "4", "not told apart"]


def test_models_keep_their_order_in_the_differences():
    report = light("first", "z", "a")
    heads = [text for attributes, text in Page(html_page(report, {})).all("th", scope="rowgroup")]
    assert heads == ["z", "a"]


def test_warnings_conventions_and_protocol_are_told():
    assert REPORT.warnings[0] in [text for _, text in PAGE.all("li")]
    assert "LPIPS v0.1 on AlexNet over the crop" in [text for _, text in PAGE.all("dd")]
    assert "sha256:0123" in [text for _, text in PAGE.all("code")]
    quoted = [text for _, text in PAGE.all("p", class_="source")]
    assert len(quoted) == 7  # three tables, plots, differences, pictures, and the protocol itself
    assert all("own/seed-0/v1" in one and REPORT.cases_hash[:16] in one for one in quoted)


def test_plots_are_drawn_by_ratio_and_by_kind_for_metrics_of_single_cases():
    labels = [a["aria-label"] for a, _ in PAGE.all("svg") if "aria-label" in a]
    assert len(labels) == 2 * 6
    assert "PSNR (dB) ↑ against the missing part of the picture" in labels
    one_kind = Page(html_page(example(kinds=("centre",)), {}))
    assert len([a for a, _ in one_kind.all("svg") if "aria-label" in a]) == 3


def test_each_case_shows_hole_answers_and_truth_with_scores():
    cards = PAGE.all("article")
    assert len(cards) == 4
    figures = [a for a, _ in PAGE.all("figure") if a.get("class") in ("hole", "answer", "truth")]
    assert [one["class"] for one in figures[:4]] == ["hole", "answer", "answer", "truth"]
    assert len(PAGE.all("img", loading="lazy", decoding="async")) == 4 * (1 + 2 * 3 + 1)
    assert re.sub(r"\s+", " ", cards[0][1]).startswith("a.png free-form, 15.0 % missing")
    under = [(a["class"], text) for a, text in PAGE.all("li") if a.get("data-metric") == "psnr"]
    assert under[:2] == [("headline", "PSNR 20.00"), ("headline best", "PSNR 22.00")]


def test_every_control_and_button_has_a_name():
    labelled = [text for _, text in PAGE.all("label")]
    assert len(labelled) == len(PAGE.all("select")) == 6
    assert all(labelled)
    assert all(attributes.get("aria-label") or text for attributes, text in PAGE.all("button"))


def test_the_script_finds_what_it_asks_for():
    script = PAGE.all("script")[1][1]
    ids = {attributes["id"] for _, attributes, _ in PAGE.elements if "id" in attributes}
    assert set(re.findall(r'getElementById\("(.*?)"\)', script)) <= ids
    controls = {a["name"] for tag in ("select", "output") for a, _ in PAGE.all(tag)}
    assert controls == set(re.search(r"const \{(.*?)\} = controls", script)[1].replace(" ", "").split(","))
    classes = {one for _, a, _ in PAGE.elements for one in (a.get("class") or "").split()}
    assert set(re.findall(r'querySelector(?:All)?\("\.([a-z]+)', script)) <= classes
    orders = {a["value"] for a, _ in PAGE.all("option")} & {"worst", "best", "small", "large", "photo"}
    assert orders == set(re.findall(r"^    (\w+): (?:goodness|\(card\))", script, re.MULTILINE))


def test_data_to_sort_by_are_the_scores_of_the_rows():
    data = PAGE.data
    assert data["metrics"] == ["psnr", "l1", "lpips", "best psnr", "best lpips", "diversity"]
    assert data["better"]["lpips"] == "lower"
    assert [item["scores"][1][0] for item in data["cases"]] == [22.0, 23.0, 24.0, 25.0]
    assert [item["ratio"] for item in data["cases"]] == [0.15, 0.15, 0.25, 0.35]
    assert {item["kind"] for item in data["cases"]} == {a["value"] for a, _ in PAGE.all("option")} & {
        "free-form",
        "centre",
    }


def test_scores_that_are_not_finite_are_words_that_javascript_reads():
    report = light("one", photos=("a.png", "b.png", "c.png"))
    values = (math.inf, math.nan, -math.inf)
    rows = [
        replace(row, scores={**row.scores, "psnr": value})
        for row, value in zip(report.rows, values, strict=True)
    ]
    report = replace(report, rows=tuple(rows))
    with np.errstate(invalid="ignore"):  # their mean is no number either
        data = Page(html_page(report, pictures(report))).data
    assert [item["scores"][0][0] for item in data["cases"]] == ["Infinity", "NaN", "-Infinity"]


def test_without_pictures_there_is_no_script_and_no_empty_wall():
    page = Page(html_page(light(), {}))
    assert not page.all("script")
    assert not page.all("dialog")
    assert "Pictures" not in [text for _, text in page.all("h2")]


def test_pictures_come_in_the_order_given_and_only_of_cases_of_the_report():
    report = light()
    given_pictures = pictures(report)
    turned = dict(reversed(given_pictures.items()))
    photos = [text for _, text in Page(html_page(report, turned)).all("span", class_="photo")]
    assert photos == ["d.png", "c.png", "b.png", "a.png"]
    with pytest.raises(InputError, match="which the report lacks"):
        html_page(report, {"other": given_pictures["key-0"]})


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1).filter(str.strip)


@given(NAMES, NAMES, NAMES)
@settings(max_examples=8)
def test_any_name_is_text_and_never_markup(model, photo, kind):
    check_names(model, photo, kind)


@pytest.mark.parametrize(
    "name",
    ["</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "<!--", "a&lt;b"],
)
def test_markup_in_names_is_text(name):
    check_names(name, name, name)


def check_names(model: str, photo: str, kind: str) -> None:
    plain = light("m", kinds=("k", "l"))
    report = light(model, photos=(photo, "b", "c", "d"), kinds=(kind, f"{kind}."))
    shape = [name for name, _, _ in Page(html_page(plain, pictures(plain))).elements]
    page = Page(html_page(report, pictures(report)))
    assert [name for name, _, _ in page.elements] == shape
    assert model.strip() in [text for _, text in page.all("span", class_="name")]
    assert photo.strip() in [text for _, text in page.all("span", class_="photo")]
    assert page.data["cases"][0]["kind"] == kind
    assert kind in [a.get("value") for a, _ in page.all("option")]


@pytest.mark.parametrize(("module", "name"), [("matplotlib", "Matplotlib"), ("jinja2", "Jinja")])
def test_a_missing_package_is_named_before_anything_is_done(monkeypatch, module, name):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"needs {name}, .* pip install \"twofold\[evaluate\]\""):
        check_page_extra()
    with pytest.raises(MissingExtraError):
        html_page(REPORT, {})
    assert report_json(REPORT)  # needs neither


def test_with_its_packages_the_page_can_be_made():
    check_page_extra()
