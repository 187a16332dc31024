"""What has been computed stays, and is told apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twofold.evaluate.cases import Case
from twofold.evaluate.results import Timing
from twofold.evaluate.store import Answers, Store


@pytest.fixture
def case() -> Case:
    rng = np.random.default_rng(0)
    hole = np.zeros((8, 9), np.bool_)
    hole[2:5, 3:7] = True
    return Case("a.png", rng.integers(0, 256, (8, 9, 3), dtype=np.uint8), hole, "boxes")


def answers_to(case: Case, count: int, seed: int = 1, memory: int | None = 7) -> Answers:
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        image = case.image.copy()
        image[case.hole] = rng.integers(0, 256, (int(case.hole.sum()), 3))
        images.append(image)
    return Answers(tuple(images), Timing(1.25, memory))


@pytest.mark.parametrize("memory", [None, 0, 12345])
def test_answers_come_back_as_they_were(tmp_path, case, memory):
    given = answers_to(case, 3, memory=memory)
    Store(tmp_path, 0).keep_answers("painter 1", case, given)
    kept = Store(tmp_path, 0).answers("painter 1", case, 3)
    assert kept.timing == given.timing
    assert len(kept.images) == 3
    for ours, theirs in zip(kept.images, given.images, strict=True):
        assert np.array_equal(ours, theirs)


def test_fewer_answers_are_the_first_of_more_and_more_are_not_there(tmp_path, case):
    given = answers_to(case, 3)
    store = Store(tmp_path, 0)
    store.keep_answers("painter", case, given)
    fewer = store.answers("painter", case, 2)
    assert [image.tobytes() for image in fewer.images] == [image.tobytes() for image in given.images[:2]]
    assert store.answers("painter", case, 4) is None


def test_painters_and_seeds_and_cases_are_told_apart(tmp_path, case):
    Store(tmp_path, 0).keep_answers("a/b", case, answers_to(case, 1))
    other = Case("b.png", 255 - case.image, case.hole, "boxes")
    assert Store(tmp_path, 0).answers("a-b", case, 1) is None  # the same letters in a file's name
    assert Store(tmp_path, 1).answers("a/b", case, 1) is None
    assert Store(tmp_path, 0).answers("a/b", other, 1) is None
    assert Store(tmp_path, 0).answers("a/b", case, 1) is not None


def test_scores_are_added_to_those_that_are_known(tmp_path, case):
    store = Store(tmp_path, 0)
    store.keep_scores("painter", case, 1, {"psnr": math.inf, "l1": 0.1})
    store.keep_scores("painter", case, 1, {"lpips": 1 / 3})
    assert store.scores("painter", case, 1) == {"psnr": math.inf, "l1": 0.1, "lpips": 1 / 3}
    assert store.scores("painter", case, 2) == {}


def test_features_come_back_in_order(tmp_path, case):
    store = Store(tmp_path, 0)
    pool = np.arange(8, dtype=np.float32).reshape(2, 4)
    classes = np.ones((2, 3), np.float32)
    store.keep_features("net", "painter", case, (pool, classes))
    found = store.features("net", "painter", case, 2)
    assert np.array_equal(found[0], pool)
    assert np.array_equal(found[1], classes)
    assert store.features("net", "painter", case, 1) is None
    assert store.features("other", "painter", case, 2) is None


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"{", b"\xff" * 40, b"[1, 2]", b'{"psnr": "x"}'])
def test_damaged_files_count_as_absent(tmp_path, case, damage):
    store = Store(tmp_path, 0)
    store.keep_answers("painter", case, answers_to(case, 1))
    store.keep_scores("painter", case, 1, {"psnr": 1.0})
    store.keep_features("net", "painter", case, (np.ones((1, 4), np.float32),))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        path.write_bytes(damage)
    assert store.answers("painter", case, 1) is None
    assert store.scores("painter", case, 1) == {}
    assert store.features("net", "painter", case, 1) is None


def test_truncated_files_count_as_absent_wherever_they_end(tmp_path, case):
    store = Store(tmp_path, 0)
    store.keep_answers("painter", case, answers_to(case, 2))
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    whole = path.read_bytes()
    for end in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:end])
        assert store.answers("painter", case, 2) is None
