"""The final picture: the original file, the hole, and the layers that were chosen for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from twofold.pixels import Photo, composite, to_depth
from twofold.pixels.compositing import luma1000
from twofold.serve.errors import bad_input, too_large
from twofold.serve.images import (
    MEDIA_TYPES,
    check_format,
    encode_picture,
    hole_from,
    picture_of,
)

if TYPE_CHECKING:
    from twofold.serve.schema import ComposeRequest, LayerRequest
    from twofold.serve.settings import Settings

MOST_TIMES = 8
"""All layers together may have this many times the pixels of the largest picture."""
ENDINGS = {"png": "png", "webp": "webp", "jpeg": "jpg", "tiff": "tif", "avif": "avif"}
_STRIP = 1 << 20  # pixels that are blended at a time


def compose(request: ComposeRequest, settings: Settings) -> tuple[bytes, str, str]:
    """Lay layers over the original, inside the hole only, and write it as a file.

    Depth, EXIF, colour profile and resolution are the original's. In lossless formats every pixel
    outside the hole is the original's, bit for bit; so are those in the hole that no layer covers.

    Returns:
        The file, its media type, and a name for it such as ``filled.png``.

    Raises:
        ApiError: if something is too large, or a layer does not lie inside the picture.
        TwofoldError: if a picture cannot be read, or the format cannot hold it.
    """
    photo, kind = picture_of(request.image, "image", settings)
    hole = hole_from(request.mask, photo, settings)
    format = _same(kind, photo) if request.format == "same" else request.format
    check_format(format, photo)
    pixels, room = photo.pixels.copy(), MOST_TIMES * settings.most_pixels
    for number, layer in enumerate(request.layers, 1):
        room -= _lay(pixels, hole, layer, f"layer {number}", settings)
        if room < 0:
            raise too_large(
                f"the layers up to number {number} have more than {MOST_TIMES} times the pixels of the "
                "largest picture; send fewer, or only the parts that are used"
            )
    data = encode_picture(photo.with_pixels(pixels), format, quality=request.quality)
    return data, MEDIA_TYPES[format], f"filled.{ENDINGS[format]}"


def _same(kind: str, photo: Photo) -> str:
    """The original's format where it can be written, else PNG."""
    if kind not in MEDIA_TYPES:
        return "png"
    deep_color = photo.pixels.dtype == np.uint16 and photo.pixels.ndim == 3
    return "png" if kind == "tiff" and deep_color else kind


def _lay(
    pixels: npt.NDArray[np.generic],
    hole: npt.NDArray[np.bool_],
    layer: LayerRequest,
    name: str,
    settings: Settings,
) -> int:
    """Lay one layer over ``pixels``, in place; gives the number of its pixels."""
    height, width = hole.shape
    fill, _ = picture_of(layer.image, name, settings)
    if layer.left + fill.width > width or layer.top + fill.height > height:
        raise bad_input(
            f"{name} is {fill.width}x{fill.height} at {layer.left},{layer.top} and so not inside the image "
            f"of {width}x{height}; send left and top as they came with the sample"
        )
    weight = None if layer.mask is None else _weight(layer.mask, fill, name, settings)
    rows = max(1, _STRIP // fill.width)
    for start in range(0, fill.height, rows):
        strip = slice(start, min(start + rows, fill.height))
        rows_below = slice(layer.top + strip.start, layer.top + strip.stop)
        place = rows_below, slice(layer.left, layer.left + fill.width)
        taken = None if weight is None else weight[strip]
        pixels[place] = _blended(pixels[place], fill.pixels[strip], hole[place], taken)
    return fill.width * fill.height


def _weight(mask: str, fill: Photo, name: str, settings: Settings) -> npt.NDArray[np.generic]:
    """How much of a layer is taken, [h w] of uint8 or uint16: its mask as grey over black."""
    photo, _ = picture_of(mask, f"the mask of {name}", settings)
    if (photo.width, photo.height) != (fill.width, fill.height):
        raise bad_input(
            f"the mask of {name} is {photo.width}x{photo.height} but the layer {fill.width}x{fill.height}; "
            "send a mask of the layer's size"
        )
    pixels = photo.pixels
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return pixels.reshape(pixels.shape[:2])
    grey = (luma1000(pixels) + 500) // 1000
    if pixels.shape[2] == 4:
        white = _white(pixels.dtype)
        grey = (grey * pixels[..., 3].astype(np.int64) + white // 2) // white
    return grey.astype(pixels.dtype)


def _blended(
    below: npt.NDArray[np.generic],
    fill: npt.NDArray[np.generic],
    hole: npt.NDArray[np.bool_],
    weight: npt.NDArray[np.generic] | None,
) -> npt.NDArray[np.generic]:
    """``below`` with ``fill`` over it inside the hole, by its weight, rounded to the nearest level."""
    over = composite(below, fill, hole)
    if weight is None:
        return over
    white = _white(below.dtype)
    share = to_depth(weight, below.dtype).astype(np.uint32)  # 65535 * 65535 is just within 32 bits
    share = share if below.ndim == 2 else share[..., None]
    mixed = below.astype(np.uint32) * (white - share) + over.astype(np.uint32) * share
    return ((mixed + white // 2) // white).astype(below.dtype)


def _white(dtype: np.dtype[np.generic]) -> int:
    return 255 if dtype == np.uint8 else 65535
