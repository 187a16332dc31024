"""Reading pictures: depth, channels, orientation, and what is refused."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from pixels.crafted import chunk, noise, png
from twofold.errors import ImageError
from twofold.pixels import Photo, read_photo, write_photo

KINDS = [(dtype, channels) for dtype in ("uint8", "uint16") for channels in (0, 1, 3, 4)]


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_array_is_taken_as_it_is(dtype: str, channels: int) -> None:
    pixels = noise(3, 5, channels, dtype)
    photo = read_photo(pixels)
    assert photo.pixels is pixels
    assert (photo.height, photo.width) == (3, 5)


def test_big_endian_array_keeps_its_values() -> None:
    pixels = noise(4, 3, 3, "uint16")
    read = read_photo(pixels.astype(">u2")).pixels
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize(
    ("image", "seen"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.zeros((4, 4), np.bool_), "bool"),
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.zeros((4, 4, 5), np.uint8), r"\(4, 4, 5\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"\(2, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        ([[1, 2]], "list"),
        (None, "NoneType"),
    ],
)
def test_unusable_array_is_refused_with_what_was_seen(image: object, seen: str) -> None:
    with pytest.raises(ImageError, match=seen):
        read_photo(image)  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_lossless_file_is_read_exactly(tmp_path: Path, ending: str, mode: str) -> None:
    pixels = noise(9, 7, {"L": 0, "RGB": 3, "RGBA": 4}[mode], "uint8")
    options = {"lossless": True, "exact": True} if ending == ".webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"a{ending}", **options)
    read = read_photo(tmp_path / f"a{ending}").pixels
    if ending == ".webp" and mode == "L":  # WebP has no grey
        pixels = np.stack([pixels] * 3, axis=2)
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_16_bit_file_of_opencv_is_read_exactly(tmp_path: Path, ending: str, channels: int) -> None:
    pixels = noise(13, 11, channels, "uint16")
    swapped = pixels if channels == 0 else pixels[..., [2, 1, 0, 3][:channels]]
    assert cv2.imwrite(str(tmp_path / f"a{ending}"), swapped)
    read = read_photo(str(tmp_path / f"a{ending}")).pixels
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, pixels)


def big_endian_tiff(pixels: np.ndarray) -> bytes:
    """Write an uncompressed 16-bit RGB TIFF, most significant byte first, from its specification."""
    height, width, channels = pixels.shape
    body = pixels.astype(">u2").tobytes()
    bits_at = 8 + len(body)
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, bits_at), (259, 3, 1, 1 << 16)]
    entries += [(262, 3, 1, 2 << 16), (273, 4, 1, 8), (277, 3, 1, channels << 16), (278, 4, 1, height)]
    entries += [(279, 4, 1, len(body))]
    folder = struct.pack(">H", len(entries)) + b"".join(struct.pack(">HHII", *e) for e in entries) + bytes(4)
    bits = struct.pack(">4H", 16, 16, 16, 0)
    return b"MM\x00\x2a" + struct.pack(">I", bits_at + len(bits)) + body + bits + folder


def test_big_endian_16_bit_tiff_is_read_exactly(tmp_path: Path) -> None:
    pixels = noise(5, 6, 3, "uint16")
    (tmp_path / "a.tif").write_bytes(big_endian_tiff(pixels))
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, pixels)


def test_16_bit_grey_with_alpha_is_read_exactly_as_rgba(tmp_path: Path) -> None:
    levels = noise(4, 3, 3, "uint16")[..., :2]
    rows = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in levels)
    (tmp_path / "a.png").write_bytes(png((3, 4, 16, 4, 0, 0, 0), rows))
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, levels[..., [0, 0, 0, 1]])


@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_level_of_a_16_bit_png_becomes_alpha(tmp_path: Path, channels: int) -> None:
    levels = np.array([[[1000] * channels, [1001] * channels]], np.uint16)
    body = struct.pack(f">{channels}H", *[1000] * channels)
    transparent = chunk(b"tRNS", body)
    header = (2, 1, 16, {1: 0, 3: 2}[channels], 0, 0, 0)
    (tmp_path / "a.png").write_bytes(png(header, b"\x00" + levels.astype(">u2").tobytes(), transparent))
    read = read_photo(tmp_path / "a.png").pixels
    np.testing.assert_array_equal(read, [[[1000, 1000, 1000, 0], [1001, 1001, 1001, 65535]]])


def test_palette_grey_with_alpha_and_one_bit_are_expanded(tmp_path: Path) -> None:
    colors = Image.fromarray(noise(6, 6, 3, "uint8")).quantize(9)
    colors.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(
        read_photo(tmp_path / "palette.png").pixels, np.array(colors.convert("RGB"))
    )
    colors.save(tmp_path / "clear.png", transparency=2)
    read = read_photo(tmp_path / "clear.png").pixels
    np.testing.assert_array_equal(read[..., 3], np.where(np.array(colors) == 2, 0, 255))
    grey = Image.fromarray(noise(6, 6, 3, "uint8")).convert("LA")
    grey.save(tmp_path / "la.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "la.png").pixels, np.array(grey)[..., [0, 0, 0, 1]])
    dots = Image.fromarray(noise(6, 6, 0, "uint8")).convert("1")
    dots.save(tmp_path / "dots.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "dots.png").pixels, np.array(dots) * np.uint8(255))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", [".png", ".tif", ".jpg"])
def test_every_orientation_is_turned_as_pillow_turns_it(
    tmp_path: Path, orientation: int, ending: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(noise(4, 6, 3, "uint8"))
    stored.save(tmp_path / f"a{ending}", exif=exif)
    with Image.open(tmp_path / f"a{ending}") as opened:
        expected = np.array(ImageOps.exif_transpose(opened))
    photo = read_photo(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(photo.pixels, expected)
    np.testing.assert_array_equal(read_photo(Image.open(tmp_path / f"a{ending}")).pixels, expected)
    assert photo.pixels.shape[:2] == ((6, 4) if orientation > 4 else (4, 6))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_colours_are_turned_like_8_bit_ones(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    deep = noise(4, 6, 3, "uint16")
    shallow = (deep >> 8).astype(np.uint8)
    Image.fromarray(shallow).save(tmp_path / "shallow.png", exif=exif)
    write_photo(Photo(deep), tmp_path / "deep.png")
    body = exif.tobytes().removeprefix(b"Exif\x00\x00")
    data = (tmp_path / "deep.png").read_bytes()
    (tmp_path / "deep.png").write_bytes(data[:33] + chunk(b"eXIf", body) + data[33:])
    read = read_photo(tmp_path / "deep.png").pixels
    np.testing.assert_array_equal(read >> 8, read_photo(tmp_path / "shallow.png").pixels)


def test_unsuitable_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    picture = Image.fromarray(noise(8, 8, 3, "uint8"))
    picture.convert("CMYK").save(tmp_path / "print.jpg")
    picture.save(tmp_path / "film.gif", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    picture.save(tmp_path / "book.tif", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(np.ones((8, 8), np.int32)).save(tmp_path / "wide.tif")
    picture.save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:90])
    (tmp_path / "text.png").write_text("no picture at all")
    (tmp_path / "empty.jpg").touch()
    expected = {
        "print.jpg": "CMYK",
        "film.gif": "2 frames",
        "book.tif": "2 frames",
        "float.tif": "floating-point",
        "wide.tif": "signed levels",
        "cut.png": "damaged",
        "text.png": "not an image",
        "empty.jpg": "not an image",
        "missing.png": "No such file",
        ".": "directory",
    }
    for name, word in expected.items():
        with pytest.raises(ImageError, match=word) as caught:
            read_photo(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png((30_000, 30_000, 8, 2, 0, 0, 0), bytes(1000)))
    with pytest.raises(ImageError, match="million pixels"):
        read_photo(tmp_path / "bomb.png")


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_damaged_files_raise_nothing_but_our_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP"]))
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if kind in ("PNG", "JPEG", "TIFF", "WEBP") else {}
    Image.fromarray(noise(6, 5, 3, "uint8")).save(buffer, kind, **options)
    body = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "a"
    path.write_bytes(bytes(body[: data.draw(st.integers(1, len(body)))]))
    try:
        photo = read_photo(path)
    except ImageError:
        return
    assert photo.pixels.size
