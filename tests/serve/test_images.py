"""Pictures as text: what is read, within which limits, and what is written."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pixels.crafted import png as crafted_png
from serve.small import file_of, hole_in, noise, png, text
from twofold.errors import ImageError, MaskError
from twofold.pixels import Photo, read_photo
from twofold.serve.errors import ApiError
from twofold.serve.images import (
    READ_FORMATS,
    check_format,
    decode_base64,
    encode_picture,
    hole_from,
    picture_of,
    read_picture,
)
from twofold.serve.settings import Settings

LIMITS = Settings(max_megapixels=0.01, max_body=10_000)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@given(
    data=st.binary(min_size=1, max_size=60),
    padded=st.booleans(),
    urls=st.booleans(),
    prefix=st.sampled_from(["", "data:image/png;base64,", " data:;base64,", "DATA:image/png;name=a;BASE64,"]),
    every=st.integers(1, 9),
    space=st.sampled_from(["", "\n", "\r\n", " ", "\t"]),
)
def test_all_usual_forms_of_base64_are_read(
    data: bytes, padded: bool, urls: bool, prefix: str, every: int, space: str
) -> None:
    plain = (base64.urlsafe_b64encode if urls else base64.b64encode)(data).decode()
    plain = plain if padded else plain.rstrip("=")
    broken = space.join(plain[i : i + every] for i in range(0, len(plain), every))
    assert decode_base64(prefix + broken + space, "image", 60) == data


def test_a_data_url_may_be_percent_encoded() -> None:
    assert decode_base64("data:image/png;base64,%2B%2FA%3D", "image", 9) == base64.b64decode("+/A=")


@pytest.mark.parametrize(
    "wrong",
    [
        "a",
        "abc$",
        "ab=c",
        "aaaaa",
        "====",
        "",
        "\n",
        "äöü",
        "data:image/png,abcd",
        "data:image/png;base64,",
        "\0\0\0\0",
    ],
)
def test_what_is_not_base64_is_refused_in_a_sentence(wrong: str) -> None:
    with pytest.raises(ApiError, match="base64") as caught:
        decode_base64(wrong, "image", 100)
    assert (caught.value.status, caught.value.code) == (400, "bad_input")


@given(st.text(max_size=40))
def test_any_text_is_decoded_or_refused(anything: str) -> None:
    try:
        decoded = decode_base64(anything, "image", 20)
    except ApiError as refusal:
        decoded = None
        status = refusal.status
    assert decoded or status in (400, 413)


def test_size_is_looked_at_before_decoding() -> None:
    assert len(decode_base64("A" * 400, "image", 300)) == 300
    for size in (404, 10_000):
        with pytest.raises(ApiError, match=r"image is more than 0\.0003 MB") as caught:
            decode_base64("A" * size, "image", 300)
        assert (caught.value.status, caught.value.code) == (413, "too_large")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_a_file_in_memory_is_read_like_a_file_on_disk(channels: int, dtype: str, tmp_path: object) -> None:
    data = png(noise(channels=channels, dtype=dtype))
    photo, kind = read_picture(data, "image", 10_000)
    assert kind == "png"
    np.testing.assert_array_equal(photo.pixels, noise(channels=channels, dtype=dtype))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_every_format_is_read_as_from_disk(format: str, tmp_path: object) -> None:
    options = {"icc_profile": ICC} if format in ("PNG", "JPEG", "WEBP", "TIFF") else {}
    path = tmp_path / f"photo.{format}"  # type: ignore[operator]
    path.write_bytes(file_of(noise(), format, **options))
    ours, kind = read_picture(path.read_bytes(), "image", 10_000)
    theirs = read_photo(path)
    assert kind == format.lower()
    assert kind in READ_FORMATS
    np.testing.assert_array_equal(ours.pixels, theirs.pixels)
    assert (ours.icc_profile, ours.exif, ours.dpi) == (theirs.icc_profile, theirs.exif, theirs.dpi)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(orientation: int, tmp_path: object) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.jpg"  # type: ignore[operator]
    path.write_bytes(file_of(noise(), "JPEG", exif=exif))
    ours, theirs = read_picture(path.read_bytes(), "image", 10_000)[0], read_photo(path)
    assert ours.pixels.shape == ((12, 16, 3) if orientation < 5 else (16, 12, 3))
    np.testing.assert_array_equal(ours.pixels, theirs.pixels)
    assert ours.exif == theirs.exif


def test_pixels_are_counted_before_they_are_decoded() -> None:
    for side, message in ((9_000, r"9000x9000, more than 0\.01"), (20_000, r"claims far more than 0\.01")):
        bomb = crafted_png((side, side, 8, 2, 0, 0, 0), bytes(60_001))
        with pytest.raises(ApiError, match=message) as caught:
            read_picture(bomb, "image", LIMITS.most_pixels)
        assert (caught.value.status, caught.value.code) == (413, "too_large")
    with pytest.raises(ApiError):
        read_picture(png(noise(101, 100)), "image", LIMITS.most_pixels)
    assert read_picture(png(noise(100, 100)), "image", LIMITS.most_pixels)[0].width == 100


@pytest.mark.parametrize(
    "wrong", [b"no image at all", b"\x89PNG\r\n\x1a\n", png(noise())[:-30], b"%PDF-1.7", b"<svg>"]
)
def test_what_is_no_whole_picture_is_an_error_for_users(wrong: bytes) -> None:
    with pytest.raises(ImageError, match=r"^image "):
        read_picture(wrong, "image", 10_000)


def test_several_frames_are_refused() -> None:
    file = io.BytesIO()
    frames = [Image.fromarray(noise(seed=seed)) for seed in (0, 1)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="frames"):
        read_picture(file.getvalue(), "image", 10_000)


def test_a_mask_is_a_hole_of_the_pictures_size() -> None:
    photo, _ = picture_of(text(noise()), "image", LIMITS)
    np.testing.assert_array_equal(hole_from(text(hole_in()), photo, LIMITS), hole_in())
    grey = np.where(hole_in(), 128, 127).astype(np.uint8)
    np.testing.assert_array_equal(hole_from(text(grey), photo, LIMITS), hole_in())
    canvas = np.zeros((12, 16, 4), np.uint8)
    canvas[hole_in()] = 255
    np.testing.assert_array_equal(hole_from(text(canvas), photo, LIMITS), hole_in())


def test_masks_that_fit_nothing_are_refused() -> None:
    photo = Photo(noise())
    for mask, message in (
        (hole_in(16, 12), r"mask is 12x16 but image is 16x12.*upright"),
        (hole_in(13, 16), r"mask is 16x13 but image is 16x12.*image's size"),
        (np.zeros((12, 16), np.bool_), "mask has no hole"),
    ):
        with pytest.raises(MaskError, match=message):
            hole_from(text(mask), photo, LIMITS)


@pytest.mark.parametrize("format", ["png", "webp", "tiff"])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_lossless_formats_keep_every_bit_and_the_profile(format: str, channels: int) -> None:
    photo = Photo(noise(channels=channels), icc_profile=None if channels == 0 else ICC)
    again, kind = read_picture(encode_picture(photo, format), "image", 10_000)
    expected = photo.pixels if channels or format != "webp" else np.repeat(photo.pixels[..., None], 3, axis=2)
    np.testing.assert_array_equal(again.pixels, expected)
    assert (kind, again.icc_profile) == (format, photo.icc_profile)


@pytest.mark.parametrize("channels", [0, 3, 4])
def test_16_bits_stay_16_bits(channels: int) -> None:
    photo = Photo(noise(channels=channels, dtype="uint16"), icc_profile=ICC if channels else None)
    again, _ = read_picture(encode_picture(photo, "png"), "image", 10_000)
    np.testing.assert_array_equal(again.pixels, photo.pixels)
    assert again.icc_profile == photo.icc_profile


def test_quality_makes_smaller_jpegs() -> None:
    photo = Photo(noise(64, 64))
    assert len(encode_picture(photo, "jpeg", quality=40)) < len(encode_picture(photo, "jpeg")) / 2


@pytest.mark.parametrize(
    ("pixels", "format", "message"),
    [
        (noise(dtype="uint16"), "webp", "16 bits"),
        (noise(dtype="uint16"), "jpeg", "16 bits"),
        (noise(dtype="uint16"), "tiff", "16 bits"),
        (noise(channels=4), "jpeg", "transparency"),
        (noise(1, 16384), "webp", "16383 pixels"),
    ],
)
def test_what_a_format_cannot_hold_is_said_before_any_work(
    pixels: np.ndarray, format: str, message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        check_format(format, Photo(pixels))
    with pytest.raises(ImageError, match=message):
        encode_picture(Photo(pixels), format)
