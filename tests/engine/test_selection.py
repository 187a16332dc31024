"""Samples that look like earlier ones are drawn again, by a rule that looks at earlier ones only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.engine.samples import MOST_ATTEMPTS, NEAR, Request, Selection, difference
from twofold.inpainter import Sample


class Table:
    """Answers requests from a table of grey levels, and counts how often it is asked."""

    def __init__(self, levels: dict[Request, int]) -> None:
        self.levels = levels
        self.batches: list[list[Request]] = []

    def __call__(self, requests: Sequence[Request]) -> list[Sample]:
        self.batches.append(list(requests))
        return [Sample(np.full((5, 3), self.levels[request], np.uint8)) for request in requests]


def level_of(sample: Sample) -> int:
    return int(sample.image[0, 0])


def chosen_from(table: Table, samples: int, at_once: int) -> Iterator[Sample]:
    selection = Selection(samples, at_once)
    while selection.wanted:
        yield from selection.add(table(selection.wanted))


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
    chosen = list(chosen_from(table, samples, samples))
    ours = [(level_of(choice), choice.attempt, choice.duplicate_of) for choice in chosen]
    assert ours == one_after_another(levels, samples)
    asked = [request for batch in table.batches for request in batch]
    assert len(asked) == len(set(asked))
    assert table.batches[0] == [(index, 0) for index in range(samples)]


@given(tables, st.integers(1, 9), st.integers(1, 9))
def test_chunks_and_fewer_samples_change_no_choice(
    levels: dict[Request, int], at_once: int, few: int
) -> None:
    samples = len(levels) // (MOST_ATTEMPTS + 1)
    whole = one_after_another(levels, samples)
    for count in (samples, min(few, samples)):
        chosen = list(chosen_from(Table(levels), count, at_once))
        assert [one.index for one in chosen] == list(range(count))
        assert [(level_of(one), one.attempt, one.duplicate_of) for one in chosen] == whole[:count]


def test_samples_that_stay_alike_are_given_up_together() -> None:
    table = Table({(index, attempt): 7 for index in range(6) for attempt in range(MOST_ATTEMPTS + 1)})
    chosen = list(chosen_from(table, 6, 6))
    assert [choice.attempt for choice in chosen] == [0] + [MOST_ATTEMPTS] * 5
    assert [choice.duplicate_of for choice in chosen] == [None, 0, 0, 0, 0, 0]
    assert [len(batch) for batch in table.batches] == [6] + [5] * MOST_ATTEMPTS


@pytest.mark.parametrize(("dtype", "unit"), [(np.uint8, 1), (np.uint16, 257)])
def test_difference_is_in_levels_of_255_whatever_the_depth(dtype: type, unit: int) -> None:
    one = np.zeros((4, 3), dtype)
    other = one.copy()
    other[0] = 10 * unit
    other[1, 0] = 255 * unit
    assert difference(Sample(one), Sample(other)) == pytest.approx((3 * 10 + 255) / 12)
    assert difference(Sample(other), Sample(one)) == difference(Sample(one), Sample(other))


def test_difference_knows_grey_and_leaves_alpha_out() -> None:
    assert difference(Sample(np.zeros(4, np.uint8)), Sample(np.full(4, 3, np.uint8))) == 3
    one = np.full((4, 4), 255, np.uint8)
    other = one.copy()
    other[:, 0] = 249
    assert difference(Sample(one), Sample(other)) == 2


def test_choices_come_as_soon_as_they_are_final() -> None:
    table = Table({(0, 0): 10, (1, 0): 90, (2, 0): 11, (2, 1): 50, (3, 0): 30})
    choices = chosen_from(table, 4, 4)
    seen = []
    for choice in choices:
        seen.append((level_of(choice), len(table.batches)))
    assert seen == [(10, 1), (90, 1), (50, 2), (30, 2)]
