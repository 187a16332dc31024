"""What has been computed stays, and is told apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twofold.evaluate.items import Item
from twofold.evaluate.results import Timing
from twofold.evaluate.store import Answers, Store


@pytest.fixture
def item() -> Item:
    rng = np.random.default_rng(0)
    hole = np.zeros((8, 9), np.bool_)
    hole[2:5, 3:7] = True
    return Item("a.png", rng.integers(0, 256, (8, 9, 3), dtype=np.uint8), hole, "boxes")


def answers_to(item: Item, count: int, seed: int = 1, memory: int | None = 7) -> Answers:
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        image = item.image.copy()
        image[item.hole] = rng.integers(0, 256, (int(item.hole.sum()), 3))
        images.append(image)
    return Answers(tuple(images), Timing(1.25, memory))


@pytest.mark.parametrize("memory", [None, 0, 12345])
def test_answers_come_back_as_they_were(tmp_path, item, memory):
    given = answers_to(item, 3, memory=memory)
    Store(tmp_path, 0).keep_answers("inpainter 1", item, given)
    kept = Store(tmp_path, 0).answers("inpainter 1", item, 3)
    assert kept.timing == given.timing
    assert len(kept.images) == 3
    for ours, theirs in zip(kept.images, given.images, strict=True):
        assert np.array_equal(ours, theirs)


def test_fewer_answers_are_the_first_of_more_and_more_are_not_there(tmp_path, item):
    given = answers_to(item, 3)
    store = Store(tmp_path, 0)
    store.keep_answers("inpainter", item, given)
    fewer = store.answers("inpainter", item, 2)
    assert [image.tobytes() for image in fewer.images] == [image.tobytes() for image in given.images[:2]]
    assert store.answers("inpainter", item, 4) is None


def test_painters_and_seeds_and_cases_are_told_apart(tmp_path, item):
    Store(tmp_path, 0).keep_answers("a/b", item, answers_to(item, 1))
    other = Item("b.png", 255 - item.image, item.hole, "boxes")
    assert Store(tmp_path, 0).answers("a-b", item, 1) is None  # the same letters in a file's name
    assert Store(tmp_path, 1).answers("a/b", item, 1) is None
    assert Store(tmp_path, 0).answers("a/b", other, 1) is None
    assert Store(tmp_path, 0).answers("a/b", item, 1) is not None


def test_scores_are_added_to_those_that_are_known(tmp_path, item):
    store = Store(tmp_path, 0)
    store.keep_scores("inpainter", item, 1, {"psnr": math.inf, "l1": 0.1})
    store.keep_scores("inpainter", item, 1, {"lpips": 1 / 3})
    assert store.scores("inpainter", item, 1) == {"psnr": math.inf, "l1": 0.1, "lpips": 1 / 3}
    assert store.scores("inpainter", item, 2) == {}


def test_features_come_back_in_order(tmp_path, item):
    store = Store(tmp_path, 0)
    pool = np.arange(8, dtype=np.float32).reshape(2, 4)
    classes = np.ones((2, 3), np.float32)
    store.keep_features("net", "inpainter", item, (pool, classes))
    found = store.features("net", "inpainter", item, 2)
    assert np.array_equal(found[0], pool)
    assert np.array_equal(found[1], classes)
    assert store.features("net", "inpainter", item, 1) is None
    assert store.features("other", "inpainter", item, 2) is None


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"{", b"\xff" * 40, b"[1, 2]", b'{"psnr": "x"}'])
def test_damaged_files_count_as_absent(tmp_path, item, damage):
    store = Store(tmp_path, 0)
    store.keep_answers("inpainter", item, answers_to(item, 1))
    store.keep_scores("inpainter", item, 1, {"psnr": 1.0})
    store.keep_features("net", "inpainter", item, (np.ones((1, 4), np.float32),))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        path.write_bytes(damage)
    assert store.answers("inpainter", item, 1) is None
    assert store.scores("inpainter", item, 1) == {}
    assert store.features("net", "inpainter", item, 1) is None


def test_truncated_files_count_as_absent_wherever_they_end(tmp_path, item):
    store = Store(tmp_path, 0)
    store.keep_answers("inpainter", item, answers_to(item, 2))
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    whole = path.read_bytes()
    for end in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:end])
        assert store.answers("inpainter", item, 2) is None
