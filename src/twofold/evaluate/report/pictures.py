"""The pictures of a page: which items it shows, and how they get into one file."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.errors import InputError
from twofold.evaluate.metrics import metric
from twofold.evaluate.report.tables import score_names
from twofold.evaluate.results import Report, Row

Picture = npt.NDArray[np.uint8]

QUALITY = 85
"""Of the WebP pictures: no difference can be seen, and a page of 40 items has a few megabytes."""
_SQUARE = 8
"""Pixels of a square of the board that stands for missing pixels."""
_LIGHT, _DARK = 168, 136


@dataclass(frozen=True, eq=False)
class ItemPictures:
    """One item to look at.

    Attributes:
        image: the true picture, uint8 RGB [h w 3].
        hole: [h w], True = missing.
        answers: model -> its answers, uint8 RGB [h w 3], the one to be shown large first.
    """

    image: Picture
    hole: npt.NDArray[np.bool_]
    answers: Mapping[str, Sequence[Picture]]

    @property
    def damaged(self) -> Picture:
        """The picture with a grey board in the hole, [h w 3]."""
        rows, columns = np.indices(self.hole.shape) // _SQUARE
        board = np.where((rows + columns) % 2, np.uint8(_DARK), np.uint8(_LIGHT))
        return np.where(self.hole[..., None], board[..., None], self.image)


def choose_items(report: Report, number: int, metric_name: str | None = None) -> list[str]:
    """Choose the items that the first model did worst and best, half each, from worst to best.

    Args:
        report: what was measured.
        number: of items; if it is odd, one more of the worst. All items if there are not more.
        metric_name: by which metric; None: LPIPS, or the first of the report without it.

    Returns:
        Keys of items, each once.

    Raises:
        InputError: if ``number`` is below 0, or the metric is none of single items in this report.
    """
    names = score_names(report)
    if number < 0:
        raise InputError(f"{number} cases are asked for; give 0 or more")
    if metric_name is None:
        metric_name = "lpips" if "lpips" in names else next(iter(names), None)
    elif metric_name not in names:
        raise InputError(f"no case has a score of {metric_name!r}; choose from {', '.join(names)}")
    rows = [row for row in report.rows if row.model == report.models[0]]
    if metric_name is not None:  # else only whole sets were measured: any item is as good as another
        rows.sort(key=lambda row: (_goodness(row, metric_name), row.photo, row.key))
    keys = list(dict.fromkeys(row.key for row in rows))
    if number >= len(keys):
        return keys
    best = number // 2
    return keys[: number - best] + keys[len(keys) - best :]


def _goodness(row: Row, name: str) -> float:
    """Larger is better; not a number is worst."""
    score = row.scores[name]
    if math.isnan(score):
        return -math.inf
    return -score if metric(name).better == "lower" else score


def check_pictures(report: Report, pictures: Mapping[str, ItemPictures]) -> None:
    """Refuse pictures that do not belong to a report.

    Raises:
        InputError: if a item or model is not in the report, or a picture has another shape.
    """
    keys = {row.key for row in report.rows}
    for key, item in pictures.items():
        if key not in keys:
            raise InputError(
                f"pictures are given of case {key!r}, which the report lacks; give those of its rows"
            )
        for model, answers in item.answers.items():
            if model not in report.models or not answers:
                raise InputError(
                    f"{len(answers)} answers of {model!r} are given; give one or more of "
                    f"{', '.join(report.models)}"
                )
        every = [item.image, *(one for answers in item.answers.values() for one in answers)]
        for picture in every:
            if picture.dtype != np.uint8 or picture.shape != (*item.hole.shape, 3):
                raise InputError(
                    f"a picture of case {key!r} is {picture.dtype} {list(picture.shape)}, its hole "
                    f"{list(item.hole.shape)}; give uint8 [h w 3] of the hole's size"
                )


def webp_uri(picture: Picture) -> str:
    """A picture as a data address, uint8 RGB [h w 3]; the same picture gives the same text."""
    memory = io.BytesIO()
    Image.fromarray(picture).save(memory, "WEBP", quality=QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(memory.getvalue()).decode("ascii")
