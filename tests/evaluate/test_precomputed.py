"""Pictures that another tool has filled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twofold.errors import ImageError, InputError
from twofold.evaluate.precomputed import PrecomputedAnswers, export_items, item_names
from twofold.evaluate.protocol import Protocol
from twofold.inpainter import Inpainter

PROTOCOL = Protocol(size=32)


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for index, name in enumerate(["a.png", "b.png", "b.webp", "sub/a.png"]):
        pixels = np.random.default_rng(index).integers(0, 256, (32, 33, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / name, lossless=True)
    return root


def fill_all(source: Path, target: Path, answers: int = 1) -> None:
    """A tool that inverts every picture it is given; answer n is n levels brighter."""
    for path in (source / "images").rglob("*.png"):
        for number in range(1, answers + 1):
            name = path.relative_to(source / "images")
            if answers > 1:
                name = name.with_name(f"{path.stem}-{number}.png")
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(250 - np.asarray(Image.open(path)) // 2 + number).save(target / name)


def test_cases_are_named_after_photographs_and_told_apart(folder):
    assert item_names(PROTOCOL.items(folder)) == ["a", "b.png", "b.webp", "sub/a"]


def test_exported_files_are_what_models_are_given(folder, tmp_path):
    items = PROTOCOL.items(folder)
    seen = []
    export_items(items, tmp_path / "out", lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for name, item in zip(item_names(items), items, strict=True):
        read = {
            kind: np.asarray(Image.open(tmp_path / "out" / kind / f"{name}.png"))
            for kind in ("images", "masks", "truth")
        }
        assert np.array_equal(read["images"], item.damaged)
        assert np.array_equal(read["masks"] == 255, item.hole)
        assert np.array_equal(read["truth"], item.image)


def test_each_case_gets_the_picture_of_its_name(folder, tmp_path):
    items = PROTOCOL.items(folder)
    export_items(items, tmp_path / "out")
    fill_all(tmp_path / "out", tmp_path / "done")
    precomputed = PrecomputedAnswers(tmp_path / "done", items)
    assert isinstance(precomputed, Inpainter)
    assert (precomputed.name, precomputed.diverse) == ("done", False)
    for item in reversed(items[:]):
        result = precomputed.fill(item.damaged, item.hole)
        assert np.array_equal(result.image, 251 - item.damaged // 2)


def test_numbered_pictures_are_several_answers_in_order(folder, tmp_path):
    items = PROTOCOL.items(folder)
    export_items(items, tmp_path / "out")
    fill_all(tmp_path / "out", tmp_path / "done", answers=3)
    precomputed = PrecomputedAnswers(tmp_path / "done", items)
    assert precomputed.diverse
    told = []
    result = precomputed.fill(items[1].damaged, items[1].hole, samples=2, on_sample=told.append)
    assert told == result.samples
    for number, sample in enumerate(result.samples):
        assert np.array_equal(sample.image, 251 + number - items[1].damaged // 2)
    with pytest.raises(InputError, match="has 3 answers"):
        precomputed.fill(items[1].damaged, items[1].hole, samples=4)


def test_missing_answers_are_named_before_anything_is_measured(folder, tmp_path):
    items = PROTOCOL.items(folder)
    export_items(items, tmp_path / "out")
    fill_all(tmp_path / "out", tmp_path / "done")
    (tmp_path / "done" / "sub" / "a.png").unlink()
    with pytest.raises(InputError, match=r"lacks 1 of 4 answers \(sub/a\)"):
        PrecomputedAnswers(tmp_path / "done", items)
    with pytest.raises(InputError, match="is no folder"):
        PrecomputedAnswers(tmp_path / "nowhere", items)


def test_a_picture_of_another_size_is_refused(folder, tmp_path):
    items = PROTOCOL.items(folder)
    export_items(items, tmp_path / "out")
    fill_all(tmp_path / "out", tmp_path / "done")
    Image.new("RGB", (16, 32)).save(tmp_path / "done" / "a.png")
    with pytest.raises(ImageError, match="is 16x32 but its case is 32x32"):
        PrecomputedAnswers(tmp_path / "done", items).fill(items[0].damaged, items[0].hole)


def test_a_picture_of_no_case_is_refused(folder, tmp_path):
    items = PROTOCOL.items(folder)
    export_items(items, tmp_path / "out")
    fill_all(tmp_path / "out", tmp_path / "done")
    with pytest.raises(InputError, match="is none of the cases"):
        PrecomputedAnswers(tmp_path / "done", items).fill(items[0].image, items[0].hole)
