"""What a name may lead to besides a file: nobody waits, nobody writes there, everybody gets a sentence."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fuzz.corpus import HEIGHT, WIDTH, valid_pictures
from fuzz.limits import within
from twofold.checkpoints.format import load_weights
from twofold.checkpoints.from_medfe import convert_medfe
from twofold.checkpoints.tf_bundle import TensorBundle
from twofold.data.folder import PhotoFolder
from twofold.data.folder import read_photo as read_training_photo
from twofold.errors import ImageError, TwofoldError
from twofold.masks.files import MaskFolder, read_mask
from twofold.pixels import Photo, check_output, read_hole, read_photo, write_photo

PIXELS = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
READERS: dict[str, Callable[[Path], object]] = {
    "photo": read_photo,
    "hole": lambda path: read_hole(path, HEIGHT, WIDTH),
    "mask": read_mask,
    "training": read_training_photo,
    "weights": load_weights,
    "table": TensorBundle,
}


def made(folder: Path, kind: str) -> Path:
    """Make something in a folder that is no picture, and name it."""
    path = folder / "a.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a pipe":
        os.mkfifo(folder / "pipe")
        path.symlink_to(folder / "pipe")
    elif kind == "folder":
        path.mkdir()
    elif kind == "circle":
        path.symlink_to(folder / "b.png")
        (folder / "b.png").symlink_to(path)
    elif kind == "link to nothing":
        path.symlink_to(folder / "nothing")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(path))
    elif kind == "empty":
        path.touch()
    return {
        "endless zeros": Path("/dev/zero"),
        "endless noise": Path("/dev/urandom"),
        "nothing at all": Path("/dev/null"),
        "null byte": folder / "a\0.png",
        "long name": folder / ("x" * 5000 + ".png"),
        "file as a folder": Path(__file__) / "a.png",
    }.get(kind, path)


KINDS = ["pipe", "link to a pipe", "folder", "circle", "link to nothing", "socket", "empty", "endless zeros"]
KINDS += ["endless noise", "nothing at all", "null byte", "long name", "file as a folder"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, kind: str, reader: str) -> None:
    path = made(tmp_path, kind)
    with within(2, f"{reader} of a {kind}"), pytest.raises(TwofoldError) as caught:
        READERS[reader](path)
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value)


def test_a_pipe_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(
        ImageError, match=r"cannot read .*a\.png: it is a named pipe, not a file; give an image"
    ):
        read_photo(made(tmp_path, "pipe"))
    with pytest.raises(ImageError, match="it is a device, not a file"):
        read_photo("/dev/zero")


@pytest.mark.parametrize(
    "kind", ["pipe", "circle", "folder", "null byte", "long name", "file as a folder", "socket"]
)
def test_no_picture_is_written_where_no_file_can_be(tmp_path: Path, kind: str) -> None:
    path = made(tmp_path, kind)
    before = sorted(tmp_path.rglob("*"))
    for attempt in (check_output, lambda path, pixels: write_photo(Photo(pixels), path)):
        with within(2, kind), pytest.raises(ImageError, match="cannot write") as caught:
            attempt(path, PIXELS)
        assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_folders_of_training_and_of_masks_pass_over_pipes(tmp_path: Path) -> None:
    made(tmp_path, "pipe")
    (tmp_path / "b.png").write_bytes(valid_pictures()["png"])
    broken: list[Path] = []
    with within(2, "folders"):
        photos = PhotoFolder(tmp_path, on_broken=lambda path, reason: broken.append(path))
        assert [photos.read(index) is None for index in range(len(photos))] == [True, False]
        assert MaskFolder(tmp_path).paths == [tmp_path / "b.png"]
    assert broken == [tmp_path / "a.png"]


def test_checkpoints_of_pipes_are_refused_without_waiting(tmp_path: Path) -> None:
    for name in ("EN.pkl", "DE.pkl", "MEDEF.pkl"):
        os.mkfifo(tmp_path / name)
    with within(10, "convert medfe"), pytest.raises(TwofoldError, match=r"no EN \(.pkl or .pth\)"):
        convert_medfe(tmp_path, tmp_path / "out")
    os.mkfifo(tmp_path / "checkpoint")
    os.mkfifo(tmp_path / "model.ckpt.index")
    with within(2, "the folder of a checkpoint"), pytest.raises(TwofoldError, match="it is a named pipe"):
        TensorBundle(tmp_path)


NAMES = [
    "-o.png",
    "--help.png",
    "ä ö.png",
    "🖼.png",
    "new\nline.png",
    "quote'\".png",
    "tab\t.png",
    ".png.png",
    "%s.png",
]


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"\xff\xfe.png")])
def test_any_name_of_a_file_is_read_and_written(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(valid_pictures()["png"])
    photo = read_photo(tmp_path / name)
    write_photo(photo, tmp_path / f"out{name}")
    np.testing.assert_array_equal(read_photo(tmp_path / f"out{name}").pixels, photo.pixels)


def test_paths_of_bytes_inside_a_path_object_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(valid_pictures()["png"])
    with os.scandir(os.fsencode(tmp_path)) as entries:
        assert read_photo(next(entries)).pixels.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("ending", [".png", ".tif", ".webp", ".jpg"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path, ending: str, dtype: str) -> None:
    if dtype == "uint16" and ending != ".png":
        return
    path = tmp_path / f"a{ending}"
    path.write_text("old")
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(dtype)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, usual[1]))
    try:
        with pytest.raises(ImageError, match="cannot write") as caught:
            write_photo(Photo(pixels), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
