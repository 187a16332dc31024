"""All files of a report in one folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from twofold.evaluate.report.as_json import report_json
from twofold.evaluate.report.markdown import markdown
from twofold.evaluate.report.page import html_page
from twofold.evaluate.report.pictures import ItemPictures
from twofold.evaluate.report.tables import figures_csv, rows_csv
from twofold.evaluate.report.timing import timing_json, timing_markdown
from twofold.evaluate.results import Report
from twofold.pixels import replacing


def write_report(
    report: Report,
    folder: Path,
    pictures: Mapping[str, ItemPictures] | None = None,
    *,
    headline: Sequence[str] = (),
    page: bool = True,
) -> None:
    """Write ``report.md``, ``report.json``, ``rows.csv``, ``figures.csv``, ``report.html`` and the timings.

    Each file is written whole or not at all, after all texts were made. Timings go to ``timing.md`` and
    ``timing.json``, if there are any; the other files are the same whenever the report is.

    Args:
        report: what was measured.
        folder: created if it is not there.
        pictures: key of a item -> what the page shows of it, in this order; see ``choose_cases``.
        headline: see ``markdown``.
        page: whether to write ``report.html``; see ``check_page_extra``.

    Raises:
        InputError: if a metric of ``headline`` was not measured, or pictures do not belong to the report.
        MissingExtraError: if a package of the page is not installed.
        OSError: if the folder cannot be written to.
    """
    texts = {
        "report.md": markdown(report, headline),
        "report.json": report_json(report),
        "rows.csv": rows_csv(report),
        "figures.csv": figures_csv(report),
    }
    if report.timings:
        texts |= {"timing.md": timing_markdown(report), "timing.json": timing_json(report)}
    if page:
        texts["report.html"] = html_page(report, pictures or {}, headline)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with replacing(folder / name) as part:
            # Names of files need not be text; what cannot be written is spelt out.
            part.write_bytes(text.encode("utf-8", errors="backslashreplace"))
