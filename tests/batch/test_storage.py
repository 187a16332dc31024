"""A folder of this machine and one that fsspec reaches keep the same promises."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from twofold.batch.storage import LocalStorage, RemoteStorage, check_apart, open_storage
from twofold.errors import ImageError, InputError, MissingExtraError


@pytest.fixture(params=["local", "memory", "fsspec"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalStorage | RemoteStorage]:
    if request.param == "local":
        yield open_storage(str(tmp_path / "place"))
        return
    fsspec = pytest.importorskip("fsspec")
    if request.param == "fsspec":
        yield open_storage(f"local://{tmp_path / 'place'}")
        return
    address = f"memory://{uuid.uuid4().hex}"
    yield open_storage(address)
    with suppress(FileNotFoundError):
        fsspec.filesystem("memory").rm(address, recursive=True)


def put(place: LocalStorage | RemoteStorage, tmp_path: Path, name: str, content: bytes = b"x") -> None:
    file = tmp_path / "new"
    file.write_bytes(content)
    place.put(file, name)
    assert not file.exists()


def test_what_is_put_is_found_and_read(place: LocalStorage | RemoteStorage, tmp_path: Path) -> None:
    put(place, tmp_path, "a/b/c.png", b"123")
    put(place, tmp_path, "a/b/c.png", b"1234")
    assert place.read("a/b/c.png") == b"1234"
    assert place.size("a/b/c.png") == 4
    with place.reading("a/b/c.png") as path:
        assert path.suffix == ".png"
        assert path.read_bytes() == b"1234"
    place.remove("a/b/c.png")
    place.remove("a/b/c.png")
    assert place.size("a/b/c.png") is None
    assert place.stamp("a/b/c.png") is None


def test_stamp_changes_with_the_file(place: LocalStorage | RemoteStorage, tmp_path: Path) -> None:
    put(place, tmp_path, "a.png", b"1")
    before = place.stamp("a.png")
    assert before == place.stamp("a.png")
    put(place, tmp_path, "a.png", b"12")
    assert place.stamp("a.png") != before


def test_listing_and_asking_give_the_same_stamp(place: LocalStorage | RemoteStorage, tmp_path: Path) -> None:
    put(place, tmp_path, "a.png", b"1")
    asked = place.stamp("a.png")
    assert asked is not None
    place.learn()
    assert place.stamp("a.png") == asked
    assert place.size("a.png") == 1
    assert place.stamp("b.png") is None


def test_names_have_the_endings_and_nothing_hidden(
    place: LocalStorage | RemoteStorage, tmp_path: Path
) -> None:
    for name in ("a.png", "B.PNG", "c.txt", "d/e.jpg", "d/.f.png", ".g/h.png", "d.png/i.png", "out/x/j.png"):
        put(place, tmp_path, name)
    inside = open_storage(f"{place.text}/out")
    assert sorted(place.names([".png", ".jpg"])) == [
        "B.PNG",
        "a.png",
        "d.png/i.png",
        "d/e.jpg",
        "out/x/j.png",
    ]
    assert "out/x/j.png" not in place.names([".png"], but=[inside])


def test_missing_files_are_told_when_they_are_read(place: LocalStorage | RemoteStorage) -> None:
    if isinstance(place, LocalStorage):
        with place.reading("no.png") as path:
            assert not path.exists()  # the picture's reader says so, in a sentence
        return
    with pytest.raises(ImageError, match=r"cannot fetch no\.png from"), place.reading("no.png"):
        pass


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").touch()
    (tmp_path / "a" / "back").symlink_to(tmp_path / "a")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert sorted(LocalStorage(tmp_path).names([".png"])) == ["a/x.png", "gone.png"]


def test_file_addresses_are_folders_of_this_machine(tmp_path: Path) -> None:
    assert isinstance(open_storage(f"file://{tmp_path}"), LocalStorage)
    assert open_storage(f"file://{tmp_path}").text == str(tmp_path)


def test_stores_that_nobody_knows_are_refused() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises((InputError, MissingExtraError), match="nonsense"):
        open_storage("nonsense://bucket")


@pytest.mark.parametrize(
    ("out", "refused"), [("in", True), (".", True), ("in/out", False), ("out", False), ("inner", False)]
)
def test_outputs_never_take_the_place_of_inputs(tmp_path: Path, out: str, refused: bool) -> None:
    (tmp_path / "in").mkdir()
    for start in ("", "memory://base"):
        address = f"{start}{tmp_path}" if start else str(tmp_path)
        inputs = [open_storage(f"{address}/in")]
        target = open_storage(address if out == "." else f"{address}/{out}")
        if refused:
            with pytest.raises(InputError, match="choose an OUT beside it"):
                check_apart(target, inputs)
        else:
            check_apart(target, inputs)
