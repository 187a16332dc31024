"""Writing photos: no pixel lost, metadata kept, whole files or none."""

from __future__ import annotations

import os
import struct
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pixels.crafted import noise
from twofold.errors import ImageError
from twofold.pixels import Photo, check_output, read_photo, replacing, write_photo

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def camera_exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = orientation
    exif[0x8769] = {0x829A: (1, 125), 0x9003: "2024:05:01 10:00:00"}
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 14.0)}
    return exif


def tags(exif: Image.Exif) -> tuple[object, ...]:
    if not exif.endian:  # made here: see it as a reader does
        exif.load(exif.tobytes())
    return (exif.get(0x010F), dict(exif.get_ifd(0x8769)), dict(exif.get_ifd(0x8825)), exif.get(0x0112, 1))


@settings(deadline=None, max_examples=40)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.sampled_from([0, 1, 3, 4]),
    dtype=st.sampled_from(["uint8", "uint16"]),
    ending=st.sampled_from([".png", ".tif", ".tiff", ".webp", ".PNG"]),
    seed=st.integers(0, 99),
)
def test_lossless_formats_give_every_pixel_back(
    height: int,
    width: int,
    channels: int,
    dtype: str,
    ending: str,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    pixels = noise(height, width, channels, dtype, seed)
    path = tmp_path_factory.mktemp("out") / f"a{ending}"
    holds = ending.lower() == ".png" or dtype == "uint8" or (channels < 3 and "tif" in ending)
    if not holds:
        with pytest.raises(ImageError, match="16 bits"):
            write_photo(Photo(pixels), path)
        assert not list(path.parent.iterdir())
        return
    write_photo(Photo(pixels), path)
    read = read_photo(path).pixels
    colors = pixels if channels else pixels[..., None]
    read = read if read.ndim == 3 else read[..., None]
    if read.shape[2] == 4 and channels != 4:
        raise AssertionError("alpha came from nowhere")
    if ending == ".webp" and read.shape[2] == 3 and channels == 4:  # WebP drops an alpha that is all opaque
        colors = colors[..., :3]
    np.testing.assert_array_equal(read, np.broadcast_to(colors, read.shape))
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("ending", [".png", ".tif", ".webp"])
def test_colours_under_full_transparency_are_kept(tmp_path: Path, ending: str) -> None:
    pixels = noise(9, 9, 4, "uint8")
    pixels[..., 3] = np.where(np.arange(9) < 5, 0, 255)
    write_photo(Photo(pixels), tmp_path / f"a{ending}")
    np.testing.assert_array_equal(read_photo(tmp_path / f"a{ending}").pixels, pixels)


@pytest.mark.parametrize("channels", [0, 3, 4])
def test_16_bit_png_is_read_by_opencv_alike(tmp_path: Path, channels: int) -> None:
    pixels = noise(7, 9, channels, "uint16")
    write_photo(
        Photo(pixels, exif=camera_exif().tobytes(), icc_profile=PROFILE, dpi=(300.0, 300.0)),
        tmp_path / "a.png",
    )
    read = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read, pixels if channels == 0 else pixels[..., [2, 1, 0, 3][:channels]])
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["icc_profile"] == PROFILE
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert tags(image.getexif()) == tags(camera_exif())


@pytest.mark.parametrize("source", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("target", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_exif_and_profile_travel_and_orientation_is_applied(
    tmp_path: Path, source: str, target: str, orientation: int
) -> None:
    options = {"lossless": True} if source == ".webp" else {}
    picture = Image.fromarray(noise(6, 8, 3, "uint8"))
    exif = camera_exif(orientation).tobytes()
    picture.save(tmp_path / f"in{source}", exif=exif, icc_profile=PROFILE, **options)
    photo = read_photo(tmp_path / f"in{source}")
    write_photo(photo, tmp_path / f"out{target}")
    with Image.open(tmp_path / f"out{target}") as image:
        assert image.info["icc_profile"] == PROFILE
        assert tags(image.getexif()) == tags(camera_exif(1))
    again = read_photo(tmp_path / f"out{target}")
    assert again.pixels.shape == ((8, 6, 3) if orientation == 6 else (6, 8, 3))
    if target != ".jpg":
        np.testing.assert_array_equal(again.pixels, photo.pixels)


def test_upright_exif_is_kept_byte_for_byte(tmp_path: Path) -> None:
    block = camera_exif().tobytes()
    Image.fromarray(noise(6, 8, 3, "uint8")).save(tmp_path / "in.jpg", exif=block)
    assert read_photo(tmp_path / "in.jpg").exif == block


@pytest.mark.parametrize("order", ["<", ">"])
def test_embedded_thumbnail_is_blanked(tmp_path: Path, order: str) -> None:
    # Folder 0 with the orientation, folder 1 with a thumbnail of eight bytes behind it.
    secret = b"SECRET!!"
    block = {"<": b"II*\x00", ">": b"MM\x00*"}[order] + struct.pack(order + "I", 8)
    block += struct.pack(order + "HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 26)
    block += struct.pack(order + "HHHIIHHIII", 2, 0x0201, 4, 1, 56, 0x0202, 4, 1, 8, 0) + secret
    assert block[56:64] == secret
    Image.fromarray(noise(6, 8, 3, "uint8")).save(tmp_path / "in.jpg", exif=b"Exif\x00\x00" + block)
    photo = read_photo(tmp_path / "in.jpg")
    assert photo.exif is not None
    assert len(photo.exif) == len(block) + 6
    assert secret not in photo.exif
    assert struct.unpack_from(order + "H", photo.exif, 6 + 18) == (1,)
    assert struct.unpack_from(order + "I", photo.exif, 6 + 22) == (0,)  # no second folder any more


def test_damaged_exif_is_left_out_and_the_picture_kept(tmp_path: Path) -> None:
    pixels = noise(6, 8, 3, "uint8")
    Image.fromarray(pixels).save(tmp_path / "in.png", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photo = read_photo(tmp_path / "in.png")
    assert photo.exif is None
    np.testing.assert_array_equal(photo.pixels, pixels)


def test_grey_profile_is_not_put_beside_colours(tmp_path: Path) -> None:
    grey_profile = PROFILE[:16] + b"GRAY" + PROFILE[20:]
    grey = Image.fromarray(noise(6, 8, 3, "uint8"))
    grey.convert("LA").save(tmp_path / "la.png", icc_profile=grey_profile)
    grey.convert("L").save(tmp_path / "l.png", icc_profile=grey_profile)
    assert read_photo(tmp_path / "la.png").icc_profile is None
    assert read_photo(tmp_path / "l.png").icc_profile == grey_profile


@pytest.mark.parametrize(
    ("name", "pixels", "word"),
    [
        ("a.xyz", noise(2, 2, 3, "uint8"), "ending .xyz"),
        ("a", noise(2, 2, 3, "uint8"), "none"),
        ("a.jpg", noise(2, 2, 4, "uint8"), "alpha"),
        ("a.jpg", noise(2, 2, 3, "uint16"), "16 bits"),
        ("a.webp", noise(2, 2, 0, "uint16"), "16 bits"),
        ("no/such/a.png", noise(2, 2, 3, "uint8"), "no folder"),
        ("folder.png", noise(2, 2, 3, "uint8"), "is a folder"),
        ("wide.webp", np.zeros((1, 20_000, 3), np.uint8), "use .png"),
    ],
)
def test_unwritable_output_is_refused_and_nothing_written(
    tmp_path: Path, name: str, pixels: np.ndarray, word: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError, match=word) as caught:
        write_photo(Photo(pixels), tmp_path / name)
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may write anywhere"
)
def test_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ImageError, match="permission"):
        check_output(tmp_path / "a.png", noise(2, 2, 3, "uint8"))
    tmp_path.chmod(0o700)


def test_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")

    def interrupted() -> None:
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


def test_replacing_follows_links_and_keeps_permissions(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "real.txt").chmod(0o640)
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    with replacing(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"
    assert (tmp_path / "real.txt").stat().st_mode & 0o777 == 0o640


def test_jpeg_is_close_and_in_full_colour_resolution(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, ::2, 0] = 255  # single red columns: halved colour resolution would wash them out
    write_photo(Photo(pixels), tmp_path / "a.jpg")
    read = read_photo(tmp_path / "a.jpg").pixels.astype(int)
    assert np.abs(read - pixels).mean() < 4
