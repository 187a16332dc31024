"""The final picture: what was chosen, inside the hole; outside it, the original in every bit."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from serve.small import Pixels, file_of, hole_in, noise, png, text
from serve.test_images import ICC
from twofold.errors import ImageError, MaskError
from twofold.serve.api.compose import compose
from twofold.serve.errors import ApiError
from twofold.serve.images import read_picture
from twofold.serve.schema import ComposeRequest
from twofold.serve.settings import Settings

LIMITS = Settings(max_megapixels=0.001)


def layer(image: Pixels, left: int = 0, top: int = 0, mask: Pixels | None = None) -> dict[str, Any]:
    return {"image": text(image), "left": left, "top": top, "mask": None if mask is None else text(mask)}


def made(image: bytes | Pixels, *layers: dict[str, Any], hole: Pixels | None = None, **rest: Any) -> Pixels:
    """The pixels of the final picture."""
    hole = hole_in() if hole is None else hole
    body = {"image": text(image), "mask": text(hole), "layers": list(layers), **rest}
    data, _, _ = compose(ComposeRequest.model_validate(body), LIMITS)
    return read_picture(data, "image", 10**6)[0].pixels


@settings(max_examples=40)
@given(
    channels=st.sampled_from([0, 3, 4]),
    dtype=st.sampled_from(["uint8", "uint16"]),
    layer_channels=st.sampled_from([0, 3, 4]),
    layer_dtype=st.sampled_from(["uint8", "uint16"]),
    mask_dtype=st.sampled_from(["none", "uint8", "uint16"]),
    seed=st.integers(0, 999),
)
def test_outside_the_hole_every_bit_and_depth_stays(
    channels: int, dtype: str, layer_channels: int, layer_dtype: str, mask_dtype: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image, hole = noise(12, 16, channels, dtype, seed), rng.random((12, 16)) < 0.4
    hole[3, 3] = True
    mask = None if mask_dtype == "none" else noise(5, 7, 0, mask_dtype, seed + 1)
    left, top = int(rng.integers(10)), int(rng.integers(8))
    result = made(image, layer(noise(5, 7, layer_channels, layer_dtype, seed), left, top, mask), hole=hole)
    assert (result.shape, result.dtype) == (image.shape, image.dtype)
    reached = np.zeros_like(hole)
    reached[top : top + 5, left : left + 7] = True
    np.testing.assert_array_equal(result[~(hole & reached)], image[~(hole & reached)])
    if channels == 4:
        np.testing.assert_array_equal(result[..., 3], image[..., 3])


def slowly_blended(below: Pixels, over: Pixels, weight: Pixels, white: int) -> Pixels:
    """By whole numbers of any size, pixel for pixel."""
    result = below.copy()
    for at in np.ndindex(below.shape):
        share = int(weight[at[:2]])
        mixed = int(below[at]) * (white - share) + int(over[at]) * share
        result[at] = (2 * mixed + white) // (2 * white)
    return result


@pytest.mark.parametrize(("dtype", "white"), [("uint8", 255), ("uint16", 65535)])
def test_grey_blends_in_the_depth_of_the_picture(dtype: str, white: int) -> None:
    image, over = noise(dtype=dtype), noise(dtype=dtype, seed=1)
    weight = noise(channels=0, dtype=dtype, seed=2)
    weight[4, 6:9] = 0, white, white // 2
    whole = np.ones((12, 16), np.bool_)
    result = made(image, layer(over, mask=weight), hole=whole)
    np.testing.assert_array_equal(result, slowly_blended(image, over, weight, white))
    np.testing.assert_array_equal(result[4, 6], image[4, 6])
    np.testing.assert_array_equal(result[4, 7], over[4, 7])


def test_the_extremes_of_16_bits_do_not_overflow() -> None:
    white = np.full((12, 16, 3), 65535, np.uint16)
    weight = np.full((12, 16), 40000, np.uint16)
    np.testing.assert_array_equal(made(white, layer(white, mask=weight)), white)


def test_masks_of_8_bits_weigh_pictures_of_16() -> None:
    image, over = noise(dtype="uint16"), noise(dtype="uint16", seed=1)
    weight = noise(channels=0, seed=2)
    deep = weight.astype(np.uint16) * 257
    np.testing.assert_array_equal(made(image, layer(over, mask=weight)), made(image, layer(over, mask=deep)))


def test_a_mask_from_a_canvas_counts_by_its_colours_over_black() -> None:
    image, over = noise(), noise(seed=1)
    canvas = np.zeros((12, 16, 4), np.uint8)
    canvas[:, 8:] = 255, 255, 255, 255
    canvas[:, :8] = 255, 255, 255, 0
    grey = np.zeros((12, 16), np.uint8)
    grey[:, 8:] = 255
    np.testing.assert_array_equal(made(image, layer(over, mask=canvas)), made(image, layer(over, mask=grey)))


def test_layers_lie_over_one_another_in_order() -> None:
    image, below, over = noise(), noise(seed=1), noise(seed=2)
    half = np.zeros((12, 16), np.uint8)
    half[:, :8] = 255
    result = made(image, layer(below), layer(over, mask=half))
    hole = hole_in()
    right = np.zeros_like(hole)
    right[:, 8:] = True
    np.testing.assert_array_equal(result[hole & ~right], over[hole & ~right])
    np.testing.assert_array_equal(result[hole & right], below[hole & right])
    np.testing.assert_array_equal(made(image), image)


def test_large_layers_are_laid_strip_by_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    image, over, weight = noise(), noise(seed=1), noise(channels=0, seed=2)
    expected = made(image, layer(over, mask=weight))
    for pixels in (1, 16, 48, 50):
        monkeypatch.setitem(compose.__globals__, "_STRIP", pixels)
        np.testing.assert_array_equal(made(image, layer(over, mask=weight)), expected)


@pytest.mark.parametrize(("left", "top"), [(10, 0), (0, 8), (1_000_000, 0), (0, 999_999)])
def test_layers_outside_the_picture_are_refused(left: int, top: int) -> None:
    with pytest.raises(ApiError, match=r"layer 1 is 7x5 at .* not inside the image of 16x12") as caught:
        made(noise(), layer(noise(5, 7), left, top))
    assert (caught.value.status, caught.value.code) == (400, "bad_input")


def test_masks_of_layers_fit_their_layers() -> None:
    with pytest.raises(ApiError, match="the mask of layer 2 is 7x6 but the layer 7x5"):
        made(noise(), layer(noise(5, 7)), layer(noise(5, 7), mask=noise(6, 7, 0)))


def test_all_layers_together_are_bounded() -> None:
    whole = layer(noise(30, 33, seed=1))
    many = [whole] * 8
    hole = np.ones((30, 33), np.bool_)
    assert made(noise(30, 33), *many, hole=hole).shape == (30, 33, 3)
    with pytest.raises(ApiError, match="up to number 9") as caught:
        made(noise(30, 33), *many, whole, hole=hole)
    assert caught.value.status == 413


def test_an_empty_hole_and_a_broken_layer_are_errors_for_users() -> None:
    with pytest.raises(MaskError, match="no hole"):
        made(noise(), hole=np.zeros((12, 16), np.bool_))
    with pytest.raises(ImageError, match="layer 1"):
        made(noise(), {"image": text(b"nothing"), "left": 0, "top": 0, "mask": None})


@pytest.mark.parametrize(
    ("format", "media_type", "name"),
    [
        ("PNG", "image/png", "filled.png"),
        ("TIFF", "image/tiff", "filled.tif"),
        ("WEBP", "image/webp", "filled.webp"),
        ("JPEG", "image/jpeg", "filled.jpg"),
        ("BMP", "image/png", "filled.png"),
    ],
)
def test_the_same_format_comes_back_with_what_the_photo_carried(
    format: str, media_type: str, name: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker"
    carries = format != "BMP"
    options = {"exif": exif, "icc_profile": ICC} if carries else {}
    original = file_of(noise(), format, **({"lossless": True} if format == "WEBP" else {}), **options)
    size = (16, 12) if carries else (12, 16)
    hole, over = np.zeros(size, np.bool_), noise(*size, seed=1)
    hole[4:7, 5:9] = True
    body = {"image": text(original), "mask": text(hole), "layers": [layer(over)], "quality": 100}
    data, *said = compose(ComposeRequest.model_validate(body), LIMITS)
    assert said == [media_type, name]
    result, before = read_picture(data, "image", 10**4)[0], read_picture(original, "image", 10**4)[0]
    if carries:
        assert result.icc_profile == ICC
        written = Image.open(io.BytesIO(data)).getexif()
        assert (written.get(0x0112, 1), written[0x010F]) == (1, "Maker")
    if format != "JPEG":
        np.testing.assert_array_equal(result.pixels[~hole], before.pixels[~hole])
        np.testing.assert_array_equal(result.pixels[hole], over[hole])


def test_a_format_may_be_asked_for_if_it_holds_the_picture() -> None:
    body = {"image": text(noise(channels=4)), "mask": text(hole_in()), "layers": []}
    assert compose(ComposeRequest.model_validate({**body, "format": "webp"}), LIMITS)[1] == "image/webp"
    with pytest.raises(ImageError, match="transparency"):
        compose(ComposeRequest.model_validate({**body, "format": "jpeg"}), LIMITS)
    deep = {**body, "image": text(noise(dtype="uint16"))}
    with pytest.raises(ImageError, match="16 bits"):
        compose(ComposeRequest.model_validate({**deep, "format": "webp"}), LIMITS)


def test_files_larger_than_the_limits_are_refused() -> None:
    with pytest.raises(ApiError) as caught:
        made(noise(40, 40), hole=hole_in(40, 40))
    assert caught.value.status == 413
    assert png(noise(40, 40))
