"""Broken picture files: a sentence of ours or a picture, in time, whoever reads them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fuzz.corpus import HEIGHT, WIDTH, bombs, flips, truncations, valid_pictures
from fuzz.limits import run_with_little, within
from twofold.data.folder import read_photo as read_training_photo
from twofold.errors import ImageError, MaskError, TwofoldError
from twofold.masks.files import read_mask
from twofold.pixels import MaskWarning, read_hole, read_photo, write_photo

PICTURES = valid_pictures()
READERS: dict[str, Callable[[Path], object]] = {
    "photo": read_photo,
    "hole": lambda path: read_hole(path, HEIGHT, WIDTH),
    "mask": read_mask,
    "training": read_training_photo,
}


def read_by_all(path: Path) -> None:
    """Let every reader try a file; each gives a picture, or says in one sentence why not."""
    for name, reader in READERS.items():
        with within(2, f"{name} of {path}"), warnings.catch_warnings():
            warnings.simplefilter("ignore", MaskWarning)
            try:
                assert reader(path) is not None
            except (ImageError, MaskError) as error:
                said = str(error)
                assert path.name in said or said.startswith("mask is ")
                assert "\n" not in said
                assert "; " in said  # the way out


@pytest.mark.parametrize("name", PICTURES)
def test_files_that_are_whole_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").write_bytes(PICTURES[name])
    if name == "moving":
        with pytest.raises(ImageError, match="2 frames"):
            read_photo(tmp_path / "a")
        return
    assert read_photo(tmp_path / "a").pixels.shape[:2] == (HEIGHT, WIDTH)
    read_by_all(tmp_path / "a")


@pytest.mark.parametrize("name", PICTURES)
def test_files_cut_off_anywhere_end_in_a_sentence(tmp_path: Path, name: str) -> None:
    refused = 0
    for index, data in enumerate(truncations(PICTURES[name], 24)):
        path = tmp_path / f"{index}.png"
        path.write_bytes(data)
        read_by_all(path)
        try:
            read_photo(path)
        except ImageError:
            refused += 1
    assert refused > 12  # the last bytes of some formats mean nothing


@pytest.mark.parametrize("name", PICTURES)
def test_files_with_flipped_bytes_end_in_a_sentence_and_what_is_read_can_be_written(
    tmp_path: Path, name: str
) -> None:
    for index, data in enumerate(flips(PICTURES[name], 24, seed=sum(name.encode()))):
        path = tmp_path / f"{index}.jpg"
        path.write_bytes(data)
        read_by_all(path)
        try:
            photo = read_photo(path)
        except ImageError:
            continue
        if photo.pixels.size > 10_000:
            continue
        for ending in (".png", ".tif", ".webp", ".jpg"):
            out = tmp_path / "out" / f"a{ending}"
            out.parent.mkdir(exist_ok=True)
            try:
                write_photo(photo, out)
            except ImageError as error:
                assert "16 bits" in str(error) or "alpha" in str(error), error  # noqa: PT017
            else:
                written = read_photo(out).pixels
                assert written.shape[:2] == photo.pixels.shape[:2]
        assert not [file for file in out.parent.iterdir() if file.name.startswith(".")]


def test_bombs_are_refused_with_little_memory_and_in_little_time(tmp_path: Path) -> None:
    files = bombs()
    for index, data in enumerate(files.values()):
        (tmp_path / f"{index}.png").write_bytes(data)
    # The largest picture that is read takes less than this; each bomb gets two seconds.
    program = f"""
import time
from pathlib import Path
from twofold.errors import TwofoldError
from twofold.masks.files import read_mask
from twofold.pixels import read_hole, read_photo
for index in range({len(files)}):
    path = Path({str(tmp_path)!r}) / f"{{index}}.png"
    for reader in (read_photo, read_mask, lambda path: read_hole(path, 4, 4)):
        start = time.process_time()
        try:
            reader(path)
            said = "read"
        except TwofoldError as error:
            said = str(error)
        print(index, time.process_time() - start, said.replace("\\n", "NEWLINE"))
"""
    lines = run_with_little(program, gigabytes=3, seconds=60).splitlines()
    assert len(lines) == 3 * len(files)
    names = list(files)
    for line in lines:
        index, elapsed, said = line.split(" ", 2)
        assert float(elapsed) < 2, (names[int(index)], line)
        assert "NEWLINE" not in said
        assert said != "read" or names[int(index)] in READABLE, (names[int(index)], line)


READABLE = {f"tiff with {what}" for what in ("itself as its Exif folder", "a huge byte count")}
"""Absurd, and yet a whole picture."""


def test_the_arrays_of_a_broken_program_are_refused() -> None:
    broken = [
        np.full((4, 5, 3), np.nan),
        np.full((4, 5, 3), np.inf, np.float32),
        np.full((4, 5), -1, np.int8),
        np.full((4, 5), -1, np.int64),
        np.empty((4, 5), object),
        np.zeros((4, 5), "S3"),
        np.zeros((4, 5), "M8[s]"),
        np.zeros((4, 5), [("r", "u1"), ("g", "u1")]),
        np.zeros((4, 5), np.complex64),
        np.zeros((4, 0, 3), np.uint8),
        np.zeros((0, 0), np.uint16),
        np.zeros((4, 5, 0), np.uint8),
        np.zeros((4, 5, 5), np.uint8),
        np.zeros((4, 5, 2), np.uint8),
        np.zeros((1, 4, 5, 3), np.uint8),
        np.zeros(20, np.uint8),
        np.uint8(3)[None][0:0],
        np.array(7, np.uint8),
        np.broadcast_to(np.uint8(0), (10**6, 10**6, 3)),
        np.broadcast_to(np.uint16(0), (1, 2 * 10**6)),
        np.broadcast_to(True, (10**6, 10**6)),
        np.ones((4, 5, 3), np.bool_),
    ]
    for array in broken:
        with within(2, array.dtype):
            with pytest.raises(ImageError, match="image array"):
                read_photo(array)
            height, width = (*array.shape, 4, 4)[:2]
            with pytest.raises(MaskError, match="mask"):
                read_hole(array, height, width)


def test_arrays_that_lie_strangely_in_memory_are_read_and_written(tmp_path: Path) -> None:
    whole = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    frozen = whole.copy()
    frozen.flags.writeable = False
    strange = [whole[::2, ::-1], whole.transpose(1, 0, 2), np.asfortranarray(whole), frozen, whole[..., ::-1]]
    strange += [np.broadcast_to(whole[:1, :1], (8, 10, 3)), whole.astype(np.uint16)[::-1], whole[..., 0].T]
    strange += [whole.astype(">u2"), whole.view(np.recarray)]
    for index, array in enumerate(strange):
        for ending in (".png", ".tif", ".webp"):
            try:
                write_photo(read_photo(array), tmp_path / f"{index}{ending}")
            except TwofoldError as error:
                assert "16 bits" in str(error)  # noqa: PT017
                continue
            expected = np.stack([array] * 3, axis=2) if array.ndim == 2 and ending == ".webp" else array
            np.testing.assert_array_equal(read_photo(tmp_path / f"{index}{ending}").pixels, expected)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MaskWarning)
            assert read_hole(array, *array.shape[:2]).shape == array.shape[:2]
