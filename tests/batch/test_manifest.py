"""Pairs from CSV and JSONL, and what is wrong with a row."""

from __future__ import annotations

import pytest

from twofold.batch.manifest import read_manifest
from twofold.batch.naming import Pair
from twofold.errors import InputError


def test_both_kinds_say_the_same() -> None:
    table = 'image,mask,out,caption\nb.jpg,m1.png,,x\na.jpg,m/2.png,y/a.webp,"one, two\nthree"\n'
    lines = (
        '{"image": "b.jpg", "mask": "m1.png", "caption": "one\u2028two"}\n\n'
        '{"mask": "m/2.png", "out": "y/a.webp", "image": "a.jpg"}'
    )
    expected = [Pair("a.jpg", "m/2.png", "", "y/a.webp"), Pair("b.jpg", "m1.png")]
    assert read_manifest(table.encode("utf-8-sig"), "job.csv").pairs == expected
    assert read_manifest(lines.encode(), "job.jsonl").pairs == expected


def test_rows_without_a_mask_are_pictures_without_one() -> None:
    found = read_manifest(b"image,mask\na.png,\nb.png,m.png\n", "job.csv")
    assert found.images_without_mask == ["a.png"]
    assert [pair.image for pair in found.pairs] == ["b.png"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("job.csv", b"picture,mask\n", "has the columns picture, mask; give"),
        ("job.csv", b"", "(none)"),
        ("job.csv", b"image,mask\n", "holds no rows"),
        ("job.csv", b"image,mask\nx.png,m.png\n,m.png\n", "line 3 of manifest job.csv names no image"),
        ("job.csv", b"image,mask\n\xff,m\n", "not UTF-8"),
        ("job.jsonl", b'{"image": "a", "mask": "b"}\n{"image"', "line 2 of manifest job.jsonl is no JSON"),
        ("job.jsonl", b"[1]", "no JSON object"),
        ("job.jsonl", b'{"image": 3, "mask": "b"}', "image is 3"),
    ],
)
def test_a_bad_manifest_is_refused_with_its_line(name: str, content: bytes, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_manifest(content, name)
    assert words in str(caught.value)
