"""Tables that a reader can quote, whatever names there are."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.report.examples import example
from twofold.errors import InputError
from twofold.evaluate.report import markdown
from twofold.evaluate.report.markdown import code, escaped
from twofold.evaluate.results import Figure


def tables(text: str) -> list[list[list[str]]]:
    """Cells of each table, split at the bars that are not escaped, and shown as Markdown would."""
    found = []
    for block in text.split("\n\n"):
        if block.startswith("| "):
            lines = [re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1] for line in block.splitlines()]
            found.append([[shown(cell.strip()) for cell in cells] for cells in lines])
    return found


def shown(text: str) -> str:
    """What a reader of Markdown sees of escaped text."""
    return re.sub(r"\\([^\w\s])|\\(_)", lambda found: found[1] or found[2], text)


def test_first_table_has_a_line_per_model_and_a_column_per_group():
    first = tables(markdown(example()))[0]
    head = ["PSNR (dB) ↑ / LPIPS ↓", "10-20 %", "20-30 %", "30-40 %", "free-form", "centre", "all"]
    assert first[0] == head
    assert first[2] == ["photographs", "2", "1", "1", "2", "2", "4"]
    assert first[3][:3] == ["one", "20.50 / 0.195", "22.00 / 0.180"]
    assert first[4][-1] == "**23.50** / **0.165**"
    assert first[3][-1] == "21.50 / 0.185"


def test_headline_is_what_was_asked_for():
    first = tables(markdown(example(), ["l1", "psnr"]))[0]
    assert first[0][0] == "L1 (%) ↓ / PSNR (dB) ↑"
    assert first[3][-1] == "4.62 / 21.50"
    with pytest.raises(InputError, match="'seam', which was not measured; choose from psnr, l1, lpips, fid"):
        markdown(example(), ["seam"])


def test_without_psnr_and_lpips_the_first_two_metrics_are_the_headline():
    report = replace(example(), metrics=("fid", "l1"))
    assert tables(markdown(report))[0][0][0] == "L1 (%) ↓"
    report = replace(example(), metrics=("fid",))
    assert tables(markdown(report))[0][3] == ["one", *["-"] * 5, "50.00"]


def test_complete_table_has_every_metric_with_its_interval():
    report = example()
    complete = tables(markdown(report))[1]
    assert complete[0] == ["model", "PSNR (dB) ↑", "L1 (%) ↓", "LPIPS ↓", "FID ↓"]
    low, high = report.figure("one", "psnr").low, report.figure("one", "psnr").high
    assert complete[2][1] == f"21.50 [{low:.2f}, {high:.2f}]"
    assert [line[4] for line in complete[2:]] == ["50.00", "**49.00**"]


def test_best_values_are_bold_where_their_digits_differ_and_ties_share():
    report = example(("one", "two", "three"))
    sets = [Figure("one", "fid", "all", 4, 10.001), Figure("two", "fid", "all", 4, 10.0)]
    tied = replace(report, sets=(*sets, Figure("three", "fid", "all", 4, 11.0)))
    assert [line[4] for line in tables(markdown(tied))[1][2:]] == ["**10.00**", "**10.00**", "11.00"]
    equal = replace(report, sets=(*sets, Figure("three", "fid", "all", 4, 10.0)))
    assert [line[4] for line in tables(markdown(equal))[1][2:]] == ["10.00"] * 3


def test_one_model_is_neither_bold_nor_compared():
    text = markdown(example(("one",)))
    assert "**" not in text
    assert "## Differences" not in text


def test_several_answers_have_a_table_of_the_best_and_of_diversity():
    several = tables(markdown(example(samples=6)))[2]
    assert several[0][0] == "best PSNR (dB) ↑ / best LPIPS ↓ / diversity ↑"
    assert several[3][-1] == "22.50 / 0.175 / 0.125"
    assert "## Best of 6, and diversity" in markdown(example(samples=6))
    assert "6 answers to each hole" in markdown(example(samples=6))
    assert "Best of" not in markdown(example())


def test_differences_are_those_of_the_report_with_their_sign_and_verdict():
    report = example(photos=tuple(f"{i}.png" for i in range(12)))
    differences = tables(markdown(report))[2]
    assert differences[0] == ["compared with", "metric", "difference", "95 % interval", "p", "cases", "one"]
    # Each of 12 differences is the same, so of 2^12 sign patterns two are as far from zero.
    assert report.comparisons[0].test.p == pytest.approx(2 / 2**12)
    assert differences[2] == ["two", "PSNR (dB) ↑", "-2.000", "[-2.000, -2.000]", "< 0.001", "12", "worse"]
    assert differences[4] == ["two", "LPIPS ↓", "+0.0200", "[+0.0200, +0.0200]", "< 0.001", "12", "worse"]
    few = tables(markdown(example()))[2]
    assert few[2][4:] == ["0.125", "4", "not told apart"]
    assert "sign-flip permutation test" in markdown(report)
    assert "3 tests, p not corrected" in markdown(report)


def test_models_with_one_answer_each_are_not_compared_by_diversity():
    report = example(samples=2)
    rows = [replace(row, scores={**row.scores, "diversity": 0.0}) for row in report.rows]
    names = [line[1] for line in tables(markdown(replace(report, rows=tuple(rows))))[3]]
    assert "diversity ↑" not in names
    assert "best PSNR (dB) ↑" in names


def test_every_table_is_followed_by_its_protocol():
    text = markdown(example(samples=2))
    source = f"Protocol `own/seed-0/v1`, cases `{example().cases_hash[:16]}`."
    for part in re.split(r"^## .*(?=\n\n\|)", text, flags=re.MULTILINE)[1:]:
        assert source in part.split("\n\n## ")[0]


def test_conventions_warnings_description_and_versions_are_told():
    text = markdown(example())
    assert "- LPIPS (lower is better): LPIPS v0.1 on AlexNet over the crop" in text
    assert "- PSNR (dB, higher is better): 10 log10" in text
    assert "## Warnings\n\n- FID of 4 pictures says little." in text
    assert "Crops: square.  \nHoles: two kinds, in turn." in text
    assert "Versions: twofold 0.1.0, one sha256:0123." in text
    assert "Warnings" not in markdown(example(warnings=()))


def test_infinite_means_are_shown_and_zero_has_no_sign():
    report = example()
    rows = [replace(row, scores={"psnr": math.inf, "l1": -0.0001, "lpips": math.nan}) for row in report.rows]
    line = tables(markdown(replace(report, rows=tuple(rows))))[1][2]
    assert line[1:4] == ["inf", "0.00 [0.00, 0.00]", "nan"]


NAMES = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


@given(NAMES, NAMES, NAMES, NAMES)
def test_any_name_stays_in_its_cell_and_is_shown_as_it_is(first, kind, tag, warning):
    report = example((first, f"{first} again"), kinds=(kind, f"{kind}."), tag=tag, warnings=(warning,))
    text = markdown(report)
    for table in tables(text):
        assert len({len(line) for line in table}) == 1
    assert tables(text)[0][3][0] == " ".join(first.split())
    assert tables(text)[0][0][4] == " ".join(kind.split())
    for line in text.split("\n## Protocol")[0].splitlines():
        unescaped = re.sub(
            r"\\.|(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", line
        )  # what is left is not ours to write
        assert not re.search(r"<\S|&[\w#]", unescaped), line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("my_model_2", "my_model_2"),
        ("_private_", r"\_private\_"),
        ("<script>", r"\<script\>"),
        ("[low, high)", "[low, high)"),
        ("[a](b)", r"[a\](b)"),
        ("two\nlines", "two lines"),
    ],
)
def test_only_what_markdown_could_misread_is_escaped(text, expected):
    assert escaped(text) == expected


def test_code_is_fenced_by_more_backticks_than_it_holds():
    assert code("a") == "`a`"
    assert code("a``b") == "``` a``b ```"
