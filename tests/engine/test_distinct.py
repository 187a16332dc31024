"""Samples that look like earlier ones are drawn again, by a rule that looks at earlier ones only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.engine.distinct import MOST_ATTEMPTS, NEAR, Choice, choose_distinct, difference
from twofold.engine.draws import Draw, Request


class Table:
    """Answers requests from a table of grey levels, and counts how often it is asked."""

    def __init__(self, levels: dict[Request, int]) -> None:
        self.levels = levels
        self.batches: list[list[Request]] = []

    def __call__(self, requests: Sequence[Request]) -> list[Draw]:
        self.batches.append(list(requests))
        return [Draw(np.full((5, 3), self.levels[request], np.uint8)) for request in requests]


def level_of(choice: Choice) -> int:
    return int(choice.draw.missing[0, 0])


def one_after_another(levels: dict[Request, int], samples: int) -> list[tuple[int, int, int | None]]:
    """The rule, word by word: level, attempt and twin of each sample."""
    kept: list[tuple[int, int, int | None]] = []
    for index in range(samples):
        for attempt in range(MOST_ATTEMPTS + 1):
            level = levels[index, attempt]
            twins = [place for place, (other, _, _) in enumerate(kept) if abs(level - other) < NEAR]
            if not twins:
                kept.append((level, attempt, None))
                break
        else:
            kept.append((level, MOST_ATTEMPTS, twins[0]))
    return kept


tables = st.lists(
    st.lists(st.integers(0, 12), min_size=MOST_ATTEMPTS + 1, max_size=MOST_ATTEMPTS + 1),
    min_size=1,
    max_size=9,
).map(lambda rows: {(i, a): level for i, row in enumerate(rows) for a, level in enumerate(row)})


@given(tables)
def test_batches_choose_what_one_after_another_would(levels: dict[Request, int]) -> None:
    samples = len(levels) // (MOST_ATTEMPTS + 1)
    table = Table(levels)
    chosen = list(choose_distinct(range(samples), [], table))
    ours = [(level_of(choice), choice.attempt, choice.duplicate_of) for choice in chosen]
    assert ours == one_after_another(levels, samples)
    asked = [request for batch in table.batches for request in batch]
    assert len(asked) == len(set(asked))
    assert table.batches[0] == [(index, 0) for index in range(samples)]


@given(tables, st.data())
def test_chunks_and_fewer_samples_change_no_choice(levels: dict[Request, int], data: st.DataObject) -> None:
    samples = len(levels) // (MOST_ATTEMPTS + 1)
    cut = data.draw(st.integers(0, samples))
    whole = list(choose_distinct(range(samples), [], Table(levels)))
    first = list(choose_distinct(range(cut), [], Table(levels))) if cut else []
    rest = list(choose_distinct(range(cut, samples), first, Table(levels))) if cut < samples else []
    ours = [(level_of(choice), choice.attempt, choice.duplicate_of) for choice in [*first, *rest]]
    assert ours == [(level_of(choice), choice.attempt, choice.duplicate_of) for choice in whole]


def test_samples_that_stay_alike_are_given_up_together() -> None:
    table = Table({(index, attempt): 7 for index in range(6) for attempt in range(MOST_ATTEMPTS + 1)})
    chosen = list(choose_distinct(range(6), [], table))
    assert [choice.attempt for choice in chosen] == [0] + [MOST_ATTEMPTS] * 5
    assert [choice.duplicate_of for choice in chosen] == [None, 0, 0, 0, 0, 0]
    assert [len(batch) for batch in table.batches] == [6] + [5] * MOST_ATTEMPTS


@pytest.mark.parametrize(("dtype", "unit"), [(np.uint8, 1), (np.uint16, 257)])
def test_difference_is_in_levels_of_255_whatever_the_depth(dtype: type, unit: int) -> None:
    one = np.zeros((4, 3), dtype)
    other = one.copy()
    other[0] = 10 * unit
    other[1, 0] = 255 * unit
    assert difference(Draw(one), Draw(other)) == pytest.approx((3 * 10 + 255) / 12)
    assert difference(Draw(other), Draw(one)) == difference(Draw(one), Draw(other))


def test_difference_knows_grey_and_leaves_alpha_out() -> None:
    assert difference(Draw(np.zeros(4, np.uint8)), Draw(np.full(4, 3, np.uint8))) == 3
    one = np.full((4, 4), 255, np.uint8)
    other = one.copy()
    other[:, 0] = 249
    assert difference(Draw(one), Draw(other)) == 2


def test_choices_come_as_soon_as_they_are_final() -> None:
    table = Table({(0, 0): 10, (1, 0): 90, (2, 0): 11, (2, 1): 50, (3, 0): 30})
    choices = choose_distinct(range(4), [], table)
    seen = []
    for choice in choices:
        seen.append((level_of(choice), len(table.batches)))
    assert seen == [(10, 1), (90, 1), (50, 2), (30, 2)]
