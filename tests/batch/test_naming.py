"""No two outputs have one name, and none leaves OUT."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.batch.naming import Pair, files_of, name_outputs
from twofold.errors import InputError


def outs(*pairs: Pair, ending: str = ".png") -> list[str]:
    return [task.out for task in name_outputs(pairs, ending)]


def test_outputs_mirror_their_pictures() -> None:
    assert outs(Pair("a/b/photo.jpg", "m.png"), Pair("c.d/x.y.webp", "m.png")) == [
        "a/b/photo.png",
        "c.d/x.y.png",
    ]
    assert outs(Pair("a.jpg", "m.png", "_mask1"), Pair("a.jpg", "n.png", "_mask2")) == [
        "a_mask1.png",
        "a_mask2.png",
    ]


def test_equal_stems_get_full_names_and_others_do_not() -> None:
    assert outs(Pair("p.jpg", "m"), Pair("p.png", "m"), Pair("q.jpg", "m"), Pair("r/p.png", "m")) == [
        "p.jpg.png",
        "p.png.png",
        "q.png",
        "r/p.png",
    ]


def test_names_that_some_file_systems_take_for_one_do_not_collide() -> None:
    assert outs(Pair("Photo.jpg", "m"), Pair("photo.png", "m")) == ["Photo.jpg.png", "photo.png.png"]


def test_own_endings_are_kept_where_they_are_lossless() -> None:
    images = ["a.png", "b.TIF", "c.webp", "d.jpg", "e.bmp", "a.webp"]
    assert outs(*(Pair(image, "m") for image in images), ending="keep") == [
        "a.png",
        "b.TIF",
        "c.webp",
        "d.png",
        "e.png",
        "a.webp",
    ]


def test_chosen_names_are_kept_and_get_an_ending() -> None:
    assert outs(Pair("a.png", "m", "", "x/y.webp"), Pair("b.png", "m", "", "z.v2")) == [
        "x/y.webp",
        "z.v2.png",
    ]


@pytest.mark.parametrize("out", ["/x.png", "../x.png", "a/../../x.png", "a\\x.png", "s3://x.png", ".x/y.png"])
def test_chosen_names_stay_in_the_folder(out: str) -> None:
    with pytest.raises(InputError, match="leaves OUT or is hidden"):
        outs(Pair("a.png", "m", "", out))


def test_names_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(InputError, match=r"2 outputs share their names \(a.png -> x.png, b.png -> x.png\)"):
        outs(Pair("a.png", "m", "", "x.png"), Pair("b.png", "m", "", "x.png"))
    with pytest.raises(InputError, match="2 outputs"):
        outs(Pair("a.png", "m"), Pair("a.png", "n"))


def test_samples_are_numbered() -> None:
    assert files_of("a/b.png", 1) == ["a/b.png"]
    assert files_of("a/b.png", 3) == ["a/b-1.png", "a/b-2.png", "a/b-3.png"]


@given(
    st.sets(
        st.builds(
            lambda folder, stem, ending: folder + stem + ending,
            st.sampled_from(["", "a/"]),
            st.sampled_from(["p", "P", "p-1", "p.jpg", "p.png", "q"]),
            st.sampled_from([".jpg", ".png", ".PNG"]),
        )
    ),
    st.sampled_from([".png", "keep"]),
    st.integers(1, 3),
)
def test_no_two_files_are_alike(images: set[str], ending: str, samples: int) -> None:
    try:
        tasks = name_outputs([Pair(image, "m") for image in sorted(images)], ending)
    except InputError:  # p.jpg beside p.jpg.png: the full name is taken
        return
    files = [name.casefold() for task in tasks for name in files_of(task.out, samples)]
    assert len(set(files)) == len(images) * samples
