"""What comes in, what goes out, what is kept and what is refused: the rows of docs/formats.md."""

from __future__ import annotations

import io
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from pixels.crafted import chunk, gif_of_frames, noise, png_of, tiff_of_pages
from twofold.errors import ImageError
from twofold.masks.files import read_mask
from twofold.pixels import Photo, check_output, read_hole, read_photo, write_photo
from twofold.pixels.opening import HAS_AVIF

TABLE = Path(__file__).parents[2] / "docs" / "formats.md"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION = 0x0112
LOSSLESS: dict[str, dict[str, object]] = {
    ".webp": {"lossless": True},
    ".jpg": {"quality": 100, "subsampling": 0},
    ".avif": {"quality": 100},
}
KINDS = {"L": 0, "RGB": 3, "RGBA": 4}
with_avif = pytest.mark.skipif(not HAS_AVIF, reason="this Pillow reads no AVIF")


def test_every_row_of_the_documentation_names_a_test_here() -> None:
    named = set(re.findall(r"`(test_\w+)`", TABLE.read_text()))
    tests = {name for name, value in globals().items() if name.startswith("test_") and callable(value)}
    assert named
    assert named <= tests


def encoded(image: Image.Image, kind: str, **options: object) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer


def read_bytes(folder: Path, data: bytes, name: str = "a.bin") -> Photo:
    (folder / name).write_bytes(data)
    return read_photo(folder / name)


def smooth(height: int = 24, width: int = 32) -> Image.Image:
    """A picture without noise: lossy formats come close to it."""
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([rows * 8, columns * 6, (rows + columns) * 4], axis=2).astype(np.uint8))


# --- JPEG ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"subsampling": "4:2:0"}, {"subsampling": "4:4:4"}, {"quality": 30}],
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_read_as_opencv_reads_it(tmp_path: Path, options: dict[str, object], mode: str) -> None:
    data = encoded(smooth().convert(mode), "JPEG", **options).getvalue()
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    theirs = theirs if mode == "L" else theirs[..., ::-1]
    ours = read_bytes(tmp_path, data).pixels
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(int) - theirs).max() <= 4  # their colour conversion rounds otherwise


@pytest.mark.parametrize("transform", [0, 2])  # CMYK, YCCK
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_refused_with_the_way_out(tmp_path: Path, kind: str, transform: int) -> None:
    data = bytearray(encoded(smooth().convert("CMYK"), kind).getvalue())
    if kind == "JPEG":
        data[data.index(b"Adobe") + 11] = transform
    with pytest.raises(ImageError, match="is in CMYK, the colours of print; convert it to grey, RGB or RGBA"):
        read_bytes(tmp_path, bytes(data))


# --- PNG ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("channels", [0, 2, 3, 4])
def test_png_of_every_depth_is_read_exactly(
    tmp_path: Path, bits: int, channels: int, interlaced: bool
) -> None:
    if bits < 8 and channels:
        return  # no such PNG
    levels = noise(11, 13, channels, "uint16", most=2**bits - 1)
    read = read_bytes(tmp_path, png_of(levels, bits, interlaced=interlaced)).pixels
    wide = levels * (255 // (2**bits - 1)) if bits < 8 else levels
    assert read.dtype == (np.uint16 if bits == 16 else np.uint8)
    np.testing.assert_array_equal(read, wide[..., [0, 0, 0, 1]] if channels == 2 else wide)


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_become_colours(tmp_path: Path, bits: int, transparent: bool) -> None:
    image = smooth().quantize(min(2**bits, 200))
    options = {"transparency": 1} if transparent else {}
    read = read_bytes(tmp_path, encoded(image, "PNG", bits=bits, **options).getvalue()).pixels
    np.testing.assert_array_equal(read[..., :3], np.array(image.convert("RGB")))
    assert read.shape[2] == 3 + transparent
    if transparent:
        np.testing.assert_array_equal(read[..., 3], np.where(np.array(image) == 1, 0, 255))


# --- WebP, GIF, BMP -----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp_is_read_as_opencv_reads_it(tmp_path: Path, mode: str) -> None:
    image = smooth().convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    for options in ({"lossless": True, "exact": True}, {"quality": 80}):
        data = encoded(image, "WEBP", **options).getvalue()
        theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        ours = read_bytes(tmp_path, data).pixels
        np.testing.assert_array_equal(ours, theirs[..., [2, 1, 0, 3][: len(mode)]])


@pytest.mark.parametrize("kind", ["GIF", "BMP"])
def test_gif_of_one_frame_and_bmp_are_read_exactly(tmp_path: Path, kind: str) -> None:
    image = smooth().quantize(60).convert("RGB")
    np.testing.assert_array_equal(
        read_bytes(tmp_path, encoded(image, kind).getvalue()).pixels, np.array(image)
    )


# --- TIFF ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [0, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_in_strips_and_tiles_is_read_exactly(
    tmp_path: Path, channels: int, dtype: str, byteorder: str, compression: str | None
) -> None:
    pixels = noise(20, 24, channels, dtype)
    options = {
        "byteorder": byteorder,
        "compression": compression,
        "predictor": bool(compression),
        "photometric": "rgb" if channels else "minisblack",
        "extrasamples": ["unassalpha"] if channels == 4 else None,
    }
    layouts: list[dict[str, object]] = [{}, {"tile": (16, 16)}, {"rowsperstrip": 3}]
    if byteorder == "<":  # Pillow reads no other large TIFF
        layouts.append({"bigtiff": True})
    for layout in layouts:
        tifffile.imwrite(tmp_path / "a.tif", pixels, **options, **layout)
        read = read_photo(tmp_path / "a.tif").pixels
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA"])
def test_tiff_of_every_mode_is_read_exactly(tmp_path: Path, compression: str, mode: str) -> None:
    image = smooth().quantize(30) if mode == "P" else smooth().convert(mode)
    read = read_bytes(tmp_path, encoded(image, "TIFF", compression=compression).getvalue()).pixels
    plain = image.convert({"P": "RGB", "1": "L", "LA": "RGBA"}.get(mode, mode))
    np.testing.assert_array_equal(read, np.array(plain))


@pytest.mark.parametrize("channels", [0, 3, 4])
def test_lzw_of_16_bits_is_read_exactly(tmp_path: Path, channels: int) -> None:
    pixels = noise(9, 14, channels, "uint16")
    order = [2, 1, 0, 3][:channels]
    lzw = [cv2.IMWRITE_TIFF_COMPRESSION, 5]
    assert cv2.imwrite(str(tmp_path / "a.tif"), pixels[..., order] if channels else pixels, lzw)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_grey_whose_zero_is_white_is_turned_over(tmp_path: Path, dtype: str) -> None:
    levels = noise(9, 14, 0, dtype)
    tifffile.imwrite(tmp_path / "a.tif", levels, photometric="miniswhite")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, np.iinfo(dtype).max - levels)


@pytest.mark.parametrize(
    ("pixels", "options", "word"),
    [
        (np.ones((8, 8), np.float32), {}, "floating-point"),
        (np.ones((8, 8, 3), np.float32), {"photometric": "rgb"}, "of a kind that Pillow does not read"),
        (np.ones((8, 8), np.float16), {}, "of a kind that Pillow does not read"),
        (np.ones((8, 8), np.uint32), {}, "colour mode I"),
        (np.ones((8, 8), np.int16), {}, "signed"),
        (np.ones((8, 8), np.int8), {}, "signed"),
        (np.ones((8, 8, 5), np.uint8), {"photometric": "rgb"}, "has 5 channels, of which"),
        (
            np.ones((8, 8, 4), np.uint8),
            {"photometric": "rgb", "extrasamples": ["unspecified"]},
            "has 4 channels, of which 3",
        ),
        (np.ones((3, 8, 8), np.uint16), {"photometric": "rgb", "planarconfig": "separate"}, "rare way"),
        (np.ones((8, 8, 4), np.uint16), {"photometric": "separated"}, "CMYK"),
    ],
)
def test_tiff_that_would_lose_something_is_refused(
    tmp_path: Path, pixels: np.ndarray, options: dict[str, object], word: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    with pytest.raises(ImageError, match=word) as caught:
        read_photo(tmp_path / "a.tif")
    assert "\n" not in str(caught.value)


# --- AVIF ---------------------------------------------------------------------------------------


@with_avif
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_avif_is_read_and_written_within_three_levels(tmp_path: Path, mode: str) -> None:
    pixels = noise(24, 32, KINDS[mode], "uint8")
    write_photo(Photo(pixels), tmp_path / "a.avif")
    read = read_photo(tmp_path / "a.avif").pixels
    wide = pixels[..., None] if mode == "L" else pixels
    read = read[..., None] if read.ndim == 2 else read
    largest = np.abs(read.astype(int) - wide).reshape(-1, read.shape[2]).max(axis=0)
    assert largest.max() <= (0 if mode == "L" else 3)
    if mode == "RGBA":
        assert largest[3] == 0


@with_avif
@pytest.mark.skipif(not cv2.haveImageWriter(".avif"), reason="this OpenCV writes no AVIF")
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_avif_of_more_than_8_bits_is_refused(tmp_path: Path, bits: int) -> None:
    levels = noise(16, 16, 3, "uint16" if bits > 8 else "uint8", most=2**bits - 1)
    assert cv2.imwrite(str(tmp_path / "a.avif"), levels, [cv2.IMWRITE_AVIF_DEPTH, bits])
    if bits == 8:
        assert read_photo(tmp_path / "a.avif").pixels.shape == (16, 16, 3)
        return
    with pytest.raises(ImageError, match=f"stores {bits} bits a channel in a way that would lose some"):
        read_photo(tmp_path / "a.avif")


# --- what moves, and what is something else -----------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF", pytest.param("AVIF", marks=with_avif)])
def test_animations_and_pages_are_refused_with_their_number(tmp_path: Path, kind: str) -> None:
    first, more = smooth(), [smooth().rotate(90 * turn) for turn in (1, 2)]
    data = encoded(first, kind, save_all=True, append_images=more).getvalue()
    with pytest.raises(ImageError, match="holds 3 frames or pages; give one still picture"):
        read_bytes(tmp_path, data)


def test_a_phones_jpeg_with_a_second_picture_is_its_first(tmp_path: Path) -> None:
    first = smooth()
    data = encoded(first, "MPO", save_all=True, append_images=[first.rotate(180)], quality=100).getvalue()
    assert np.abs(read_bytes(tmp_path, data).pixels.astype(int) - np.array(first)).max() < 12


@pytest.mark.parametrize(
    ("data", "pages"), [(tiff_of_pages(30_000), "more than 1000"), (gif_of_frames(400_000), "many")]
)
def test_thousands_of_frames_are_refused_before_they_are_counted(
    tmp_path: Path, data: bytes, pages: str
) -> None:
    with pytest.raises(ImageError, match=f"holds {pages} frames or pages"):
        read_bytes(tmp_path, data)


def test_pages_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="frames or pages"):
        read_bytes(tmp_path, tiff_of_pages(3, loop=True))
    assert read_bytes(tmp_path, tiff_of_pages(1, loop=True)).pixels.shape == (1, 1)


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(40), "a JPEG XL file"),
        (b"\xff\x0a" + bytes(40), "a JPEG XL file"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40), "a JPEG 2000 file"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(40), "a HEIC file"),
        (b"\x00\x00\x00\x18ftypmif1" + bytes(40), "a HEIC file"),
        (b"\x00\x00\x00\x18ftypavif" + bytes(40), "an AVIF file"),
        (b"8BPS" + bytes(40), "a Photoshop file"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"<svg xmlns='x'/>", "an SVG drawing"),
        (b"hello", "not an image"),
        (b"", "not an image"),
    ],
)
def test_other_formats_are_named_and_refused_with_what_is_taken(
    tmp_path: Path, data: bytes, seen: str
) -> None:
    with pytest.raises(ImageError, match=f"a.bin is {seen}.*; give PNG, JPEG, WebP, TIFF, ") as caught:
        read_bytes(tmp_path, data)
    assert "\n" not in str(caught.value)


def test_endings_do_not_matter_to_the_reader(tmp_path: Path) -> None:
    data = encoded(smooth(), "PNG").getvalue()
    np.testing.assert_array_equal(read_bytes(tmp_path, data, "a.jpg").pixels, np.array(smooth()))


# --- orientation --------------------------------------------------------------------------------


TURNED = {
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: np.rot90(np.fliplr(pixels)),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(np.fliplr(pixels), -1),
    8: np.rot90,
}
"""EXIF orientation -> how stored pixels come upright, from the standard: where its row 0 and column 0 are."""


def oriented(path: Path, image: Image.Image, orientation: int) -> np.ndarray:
    """Write a picture that is to be turned, and give its stored pixels turned by the standard."""
    exif = Image.Exif()
    image.save(path, **LOSSLESS.get(path.suffix, {}))
    with Image.open(path) as stored:
        pixels = np.array(stored.convert(image.mode))
    exif[ORIENTATION] = orientation
    image.save(path, exif=exif, **LOSSLESS.get(path.suffix, {}))
    return TURNED[orientation](pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", pytest.param(".avif", marks=with_avif)])
def test_photo_and_mask_are_turned_alike_and_written_upright(
    tmp_path: Path, orientation: int, ending: str
) -> None:
    blob = Image.new("L", (9, 5))
    blob.paste(255, (1, 1, 4, 3))
    upright = oriented(tmp_path / f"mask{ending}", blob, orientation) >= 128
    colors = oriented(tmp_path / f"in{ending}", smooth(5, 9), orientation)
    photo = read_photo(tmp_path / f"in{ending}")
    np.testing.assert_array_equal(photo.pixels, colors)
    with Image.open(tmp_path / f"in{ending}") as opened:
        np.testing.assert_array_equal(read_photo(opened).pixels, colors)
    with Image.open(tmp_path / f"mask{ending}") as opened:
        np.testing.assert_array_equal(read_hole(opened, photo.height, photo.width), upright)
    np.testing.assert_array_equal(read_hole(tmp_path / f"mask{ending}", photo.height, photo.width), upright)
    np.testing.assert_array_equal(read_mask(tmp_path / f"mask{ending}"), upright)
    for out in ("out.png", "out.tif", "out.jpg", "out.webp", "out.avif")[: 4 + HAS_AVIF]:
        write_photo(photo, tmp_path / out)
        with Image.open(tmp_path / out) as written:
            assert written.getexif().get(ORIENTATION, 1) == 1
            assert written.size == (photo.width, photo.height)
        again = read_photo(tmp_path / out).pixels
        assert np.abs(again.astype(int) - photo.pixels).max() <= (12 if out[-3:] in ("jpg", "vif") else 0)


# --- what lies beside the pixels ----------------------------------------------------------------


@pytest.mark.parametrize("size", [len(PROFILE), 200_000])
@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", pytest.param(".avif", marks=with_avif)])
def test_colour_profile_is_kept_bit_for_bit(tmp_path: Path, ending: str, size: int) -> None:
    profile = PROFILE + np.random.default_rng(0).bytes(size - len(PROFILE))
    smooth().save(tmp_path / "in.png", icc_profile=profile)
    write_photo(read_photo(tmp_path / "in.png"), tmp_path / f"out{ending}")
    assert read_photo(tmp_path / f"out{ending}").icc_profile == profile


def test_grey_profile_is_not_put_into_a_webp_whose_grey_is_colours(tmp_path: Path) -> None:
    grey_profile = PROFILE[:16] + b"GRAY" + PROFILE[20:]
    for ending, kept in ((".webp", None), (".png", grey_profile)):
        write_photo(Photo(noise(4, 4, 0, "uint8"), icc_profile=grey_profile), tmp_path / f"a{ending}")
        assert read_photo(tmp_path / f"a{ending}").icc_profile == kept


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif"])
def test_resolution_is_kept(tmp_path: Path, ending: str) -> None:
    smooth().save(tmp_path / "in.png", dpi=(300, 150))
    write_photo(read_photo(tmp_path / "in.png"), tmp_path / f"out{ending}")
    assert read_photo(tmp_path / f"out{ending}").dpi == pytest.approx((300, 150), abs=0.1)


def camera_exif() -> bytes:
    """What a phone writes: a maker's note, a position, and the width of its own picture."""
    exif = Image.Exif()
    exif[0x0100], exif[0x0101], exif[0x0103], exif[0x0106] = 4000, 3000, 6, 6  # of its storage, not of ours
    exif[0x010F] = "Maker"
    exif[ORIENTATION] = 6
    exif[0x8769] = {
        0x9003: "2024:05:01 10:00:00",
        0x927C: b"MAKER\x00\x01\x02\xff",
        0x9286: b"ASCII\0\0\0note",
    }
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 14.0)}
    return exif.tobytes()


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", pytest.param(".avif", marks=with_avif)])
def test_exif_is_kept_but_for_orientation_and_storage(tmp_path: Path, ending: str) -> None:
    pixels = noise(24, 32, 3, "uint8")
    Image.fromarray(pixels).save(tmp_path / "in.png", exif=camera_exif())
    photo = read_photo(tmp_path / "in.png")
    write_photo(photo, tmp_path / f"out{ending}")
    with Image.open(tmp_path / f"out{ending}") as written:
        assert written.size == (24, 32)  # the phone's own width does not become the file's
        exif = written.getexif()
        assert exif[0x010F] == "Maker"
        assert exif.get(ORIENTATION, 1) == 1
        folder = exif.get_ifd(0x8769)
        assert (folder[0x9003], folder[0x927C]) == ("2024:05:01 10:00:00", b"MAKER\x00\x01\x02\xff")
        assert dict(exif.get_ifd(0x8825)) == {1: "N", 2: (48.0, 8.0, 14.0)}
    if ending in (".png", ".tif", ".webp"):
        np.testing.assert_array_equal(read_photo(tmp_path / f"out{ending}").pixels, photo.pixels)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", pytest.param(".avif", marks=with_avif)])
def test_exif_block_keeps_its_bytes_where_the_format_has_room_for_them(tmp_path: Path, ending: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x8769] = {0x927C: bytes(range(256))}
    Image.fromarray(noise(4, 4, 3, "uint8")).save(tmp_path / "in.jpg", exif=exif.tobytes())
    photo = read_photo(tmp_path / "in.jpg")
    write_photo(photo, tmp_path / f"out{ending}")
    assert photo.exif == exif.tobytes()
    assert read_photo(tmp_path / f"out{ending}").exif == photo.exif


@pytest.mark.parametrize(
    ("ending", "most"),
    [(".webp", 16383), (".jpg", 65500), pytest.param(".avif", 65536, marks=with_avif)],
)
def test_pictures_too_wide_for_a_format_are_refused_before_the_work(
    ending: str, most: int, tmp_path: Path
) -> None:
    check_output(tmp_path / f"a{ending}", np.zeros((1, most), np.uint8))
    with pytest.raises(ImageError, match=f"ends at {most} pixels a side; use .png"):
        check_output(tmp_path / f"a{ending}", np.zeros((most + 1, 1), np.uint8))


def test_avif_is_refused_where_pillow_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from twofold.pixels import writing

    monkeypatch.setattr(writing, "HAS_AVIF", False)
    with pytest.raises(ImageError, match=r"AVIF needs Pillow 11\.3 or newer; use \.png"):
        check_output(tmp_path / "a.avif", np.zeros((1, 1), np.uint8))


def test_texts_xmp_and_gamma_are_not_kept(tmp_path: Path) -> None:
    extra = chunk(b"gAMA", (45455).to_bytes(4, "big")) + chunk(b"tEXt", b"Comment\0hello")
    photo = read_bytes(tmp_path, png_of(noise(4, 4, 3, "uint8"), 8, extra=extra), "in.png")
    write_photo(photo, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as written:
        assert not written.info.keys() & {"gamma", "Comment", "xmp"}
