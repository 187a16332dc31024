"""``twofold masks``: make masks, change them, take them from a picture, and find damage in photos."""

import csv
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import tyro

from twofold.cli.command import one_line_warnings, parse
from twofold.cli.mask_files import MaskFile, make_each, make_folder, plan_masks, write_mask
from twofold.errors import ImageError, InputError
from twofold.masks.buckets import MASK_KINDS, check_kinds, hole_ratio, make_mask, parse_ratio
from twofold.masks.damage import DamageOptions, find_damage
from twofold.masks.editing import feather, grow, shrink
from twofold.masks.keys import hole_from_alpha, hole_from_color, parse_color
from twofold.pixels import read_hole, read_photo, replacing
from twofold.pixels.holes import mask_levels

LIST = "masks.csv"
_SIZE, _COUNT = (512, 512), 10

Made = tuple[npt.NDArray[np.bool_] | npt.NDArray[np.uint8], str | None]
"""A mask [h w], and what is to be said about it."""


@dataclass(frozen=True)
class MakeOptions:
    """Make random masks, white = hole: OUT/00000.png, ..., and the list OUT/masks.csv."""

    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Write to this folder, made if need be."""
    kind: Annotated[
        tuple[str, ...], tyro.conf.arg(help=f"Draw one or more kinds, by turns: {', '.join(MASK_KINDS)}.")
    ] = ("free-form",)
    size: Annotated[
        tuple[int, int] | None,
        tyro.conf.arg(metavar="WIDTH HEIGHT", help_behavior_hint="(default: {} {})".format(*_SIZE)),
    ] = None
    """Make masks of this width and height, in pixels."""
    count: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint=f"(default: {_COUNT})")] = (
        None
    )
    """Make so many masks."""
    like: Annotated[
        Path | None, tyro.conf.arg(metavar="PHOTOS", help_behavior_hint="(default: --size and --count)")
    ] = None
    """Make a mask of its name and size for each photo of this folder, or for this photo."""
    ratio: Annotated[
        str | None, tyro.conf.arg(metavar="LOW-HIGH", help_behavior_hint="(default: what the kind draws)")
    ] = None
    """Make holes of this percentage of the picture, such as 20-30."""
    seed: int = 0
    """Draw by this seed: the same one makes the same masks, the first ones whatever their number."""


@dataclass(frozen=True)
class MaskOptions:
    """What all commands that change masks take."""

    mask: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MASK")]
    """Change this mask, or each of this folder; white is the hole, and what is transparent is not."""
    out: Annotated[str, tyro.conf.arg(aliases=["-o"], metavar="OUT")]
    """Write to this file, of a format without loss; a folder if MASK is one."""


@dataclass(frozen=True)
class GrowOptions(MaskOptions):
    """Grow the holes of a mask, or shrink them, by a number of pixels in every direction."""

    by: float
    """Grow holes by a disc of this radius; shrink them if it is negative."""

    def edited(self, pixels: npt.NDArray[np.generic]) -> Made:
        """The holes, grown or shrunk."""
        hole = read_hole(pixels, *pixels.shape[:2])
        return shrink(hole, -self.by) if self.by < 0 else grow(hole, self.by), None


@dataclass(frozen=True)
class FeatherOptions(MaskOptions):
    """Give the holes of a mask soft edges, for pasting and for other tools.

    twofold itself cuts every mask at half: to it, a mask feathered in the middle is the same as before.
    """

    width: float
    """Go from white to black in so many pixels."""
    side: Literal["middle", "outside", "inside"] = "middle"
    """Lay the soft edge across the hole's edge, around the hole, or within it."""

    def edited(self, pixels: npt.NDArray[np.generic]) -> Made:
        """The holes with soft edges."""
        return feather(read_hole(pixels, *pixels.shape[:2]), self.width, side=self.side), None


@dataclass(frozen=True)
class InvertOptions(MaskOptions):
    """Swap black and white, for masks in which black is the hole; levels of grey are kept."""

    def edited(self, pixels: npt.NDArray[np.generic]) -> Made:
        """The negative."""
        return 255 - mask_levels(pixels), None


@dataclass(frozen=True)
class BinariseOptions(MaskOptions):
    """Make a mask black and white: JPEG masks, soft edges, painted colours, transparency."""

    at: int = 128
    """Make white what is at least this bright, 1 to 255; twofold fill cuts at 128."""

    def edited(self, pixels: npt.NDArray[np.generic]) -> Made:
        """The hole at that level."""
        if not 1 <= self.at <= 255:
            raise InputError(f"masks are to be cut at {self.at}; give a level from 1 to 255")
        return np.asarray(mask_levels(pixels) >= self.at), None


@dataclass(frozen=True)
class PhotoOptions:
    """What all commands that take masks from pictures take."""

    photo: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PHOTO")]
    """Look at this picture, or at each of this folder."""
    out: Annotated[str, tyro.conf.arg(aliases=["-o"], metavar="OUT")]
    """Write the mask to this file, of a format without loss; a folder if PHOTO is one."""


@dataclass(frozen=True)
class AlphaOptions(PhotoOptions):
    """Take the transparent part of a picture as the hole."""

    below: int = 128
    """Take what has less alpha, of 255: 1 only what is wholly transparent, 255 all that is not opaque."""

    def edited(self, pixels: npt.NDArray[np.generic]) -> Made:
        """What is transparent."""
        hole = hole_from_alpha(pixels, below=self.below)
        return hole, None if hole.any() else "nothing is hole"


@dataclass(frozen=True)
class ColorOptions(PhotoOptions):
    """Take what was painted over in one colour as the hole."""

    colour: str = "#ff00ff"
    """Take this colour: '#ff00ff', 'rgb(255, 0, 255)' or a name such as magenta."""
    tolerance: float = 16
    """Let red, green and blue each be off by so many levels of 255."""

    def edited(self, pixels: npt.NDArray[np.generic]) -> Made:
        """What has the colour."""
        hole = hole_from_color(pixels, parse_color(self.colour), tolerance=self.tolerance)
        return hole, None if hole.any() else "nothing is hole"


@dataclass(frozen=True)
class FindOptions(PhotoOptions):
    """Find scratches, hairs and dust in a scanned photo, as a mask to look at and to fill.

    Thin lines of the picture itself (wires, whiskers, joints) are found too: look before you fill.
    """

    sensitivity: float = 1.0
    """Find more above 1, also more that is no damage; less of both below 1."""
    largest: Annotated[
        int | None,
        tyro.conf.arg(
            metavar="INT", help_behavior_hint="(default: a hundredth of the shorter side, at least 8)"
        ),
    ] = None
    """Find scratches and spots of up to this width, in pixels."""
    kinds: tuple[Literal["scratches", "spots"], ...] = ("scratches", "spots")
    """Look for these; scratches are all that is long and thin, hairs too."""
    tones: tuple[Literal["bright", "dark"], ...] = ("bright", "dark")
    """Look for what is brighter or darker than its surroundings: name one if you can, for half the false
    alarms."""
    margin: float = 2.0
    """Grow what is found by so many pixels."""

    def edited(self, pixels: npt.NDArray[np.generic]) -> Made:
        """The damage."""
        wanted = DamageOptions(self.sensitivity, self.largest, self.kinds, self.tones, self.margin)
        found = find_damage(pixels, wanted)
        share = hole_ratio(found.hole)
        return found.hole, f"{found.scratches} scratches, {found.spots} spots, {share:.2%} of it"


Edit = (
    GrowOptions | FeatherOptions | InvertOptions | BinariseOptions | AlphaOptions | ColorOptions | FindOptions
)


def main(arguments: Sequence[str]) -> int:
    """Run ``twofold masks`` with these arguments; the exit status is 0 or an error is raised.

    Raises:
        TwofoldError: if an option, a picture or a place to write to cannot be used.
    """
    options = parse(
        {
            "make": MakeOptions,
            "grow": GrowOptions,
            "feather": FeatherOptions,
            "invert": InvertOptions,
            "binarise": BinariseOptions,
            "from-alpha": AlphaOptions,
            "from-colour": ColorOptions,
            "find": FindOptions,
        },
        "twofold masks",
        arguments,
        description="Make masks, change them, take them from a picture, and find damage in photos.",
    )
    with one_line_warnings():
        if isinstance(options, MakeOptions):
            _make(options)
        else:
            _edit(options)
    return 0


def _make(options: MakeOptions) -> None:
    """Write the masks, then their list: a list means that all of them are there."""
    check_kinds(options.kind)
    ratio = None if options.ratio is None else parse_ratio(options.ratio)
    if options.seed < 0:
        raise InputError(f"seed is {options.seed}; give a seed from 0 on")
    if options.like is None:
        width, height = options.size or _SIZE
        count = _COUNT if options.count is None else options.count
        if min(width, height, count) < 1:
            raise InputError(f"{count} masks of {width}x{height} were asked for; give numbers from 1 on")
        names = [f"{number:05d}.png" for number in range(count)]
        planned = [MaskFile(Path(name), options.out / name, name) for name in names]
    elif options.size is not None or options.count is not None:
        raise InputError("--like says how many masks and of what size; leave out --size and --count")
    else:
        # A slash: OUT is a folder, for one photo too.
        planned = plan_masks(options.like, f"{options.out}/")
    rows = [("name", "kind", "ratio")]
    kinds = {file: options.kind[number % len(options.kind)] for number, file in enumerate(planned)}

    def make(file: MaskFile) -> None:
        if options.like is None:
            size = (height, width)
        else:
            photo = read_photo(file.source)
            size = (photo.height, photo.width)
        # By its name: a photo keeps its mask when others come or go.
        hole = make_mask(kinds[file], *size, (options.seed, zlib.crc32(file.name.encode())), ratio=ratio)
        write_mask(hole, file.target)
        rows.append((file.name, kinds[file], f"{hole_ratio(hole):.6f}"))

    make_folder(options.out)
    make_each(planned, make)
    text, listed = io.StringIO(), options.out / LIST
    csv.writer(text, lineterminator="\n").writerows(rows)
    try:
        with replacing(listed) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {listed}: {error.strerror}; choose another folder") from error
    print(listed)


def _edit(options: Edit) -> None:
    """Make one mask from each input."""
    source = options.mask if isinstance(options, MaskOptions) else options.photo
    # One pixel shows whether the options can be used, before any picture is read.
    options.edited(np.zeros((1, 1, 4), np.uint8))

    def make(file: MaskFile) -> str | None:
        pixels = read_photo(file.source).pixels
        try:
            mask, remark = options.edited(pixels)
        except ImageError as error:
            raise ImageError(f"{file.source}: {error}") from error
        write_mask(mask, file.target)
        return remark and f"{file.source}: {remark}"

    make_each(plan_masks(source, options.out), make)
