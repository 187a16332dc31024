"""A report as files: Markdown, JSON, CSV and one page with plots and pictures.

The same report gives the same bytes. Timings differ from run to run, so they have files of their own.
"""

from twofold.evaluate.report.as_json import read_report, report_json
from twofold.evaluate.report.markdown import markdown
from twofold.evaluate.report.page import check_page_extra, html_page
from twofold.evaluate.report.pictures import ItemPictures, choose_items
from twofold.evaluate.report.plots import curve_plot
from twofold.evaluate.report.tables import figures_csv, rows_csv
from twofold.evaluate.report.timing import timing_json, timing_markdown
from twofold.evaluate.report.writing import write_report

__all__ = [
    "ItemPictures",
    "check_page_extra",
    "choose_items",
    "curve_plot",
    "figures_csv",
    "html_page",
    "markdown",
    "read_report",
    "report_json",
    "rows_csv",
    "timing_json",
    "timing_markdown",
    "write_report",
]
