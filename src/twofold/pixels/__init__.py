"""Pictures as pixels: read, write, understand masks, paste fills. Numpy and Pillow, no torch.

A picture here is a numpy array [h w], [h w 1], [h w 3] (RGB) or [h w 4] (RGBA) of uint8 or uint16;
a ``hole`` is a boolean array [h w], True where the picture is missing.
"""

from twofold.pixels.atomic import replacing
from twofold.pixels.compositing import composite, in_order, rgb8, to_depth
from twofold.pixels.holes import MaskLike, MaskWarning, hole_of, painted_dark, read_hole
from twofold.pixels.photo import ImageLike, Photo, read_photo
from twofold.pixels.sheet import contact_sheet
from twofold.pixels.writing import ENDINGS, check_output, write_photo

__all__ = [
    "ENDINGS",
    "ImageLike",
    "MaskLike",
    "MaskWarning",
    "Photo",
    "check_output",
    "composite",
    "contact_sheet",
    "hole_of",
    "in_order",
    "painted_dark",
    "read_hole",
    "read_photo",
    "replacing",
    "rgb8",
    "to_depth",
    "write_photo",
]
