"""``twofold masks``: make masks, change them, take them from a picture, and find damage in photos."""

from __future__ import annotations

import csv
import io
import sys
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from twofold.masks.buckets import MASK_KINDS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from twofold.cli.mask_files import MaskFile

MaskArgument = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MASK")]
PhotoArgument = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PHOTO")]
OutArgument = Annotated[str, tyro.conf.arg(aliases=["-o"], metavar="OUT")]

LIST = "masks.csv"
_SIZE, _COUNT = (512, 512), 10


@dataclass(frozen=True)
class MakeOptions:
    """Make random masks, white = hole: OUT/00000.png, ..., and the list OUT/masks.csv."""

    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder to write to, made if need be."""
    kind: Annotated[
        tuple[str, ...], tyro.conf.arg(help=f"One or more kinds, by turns: {', '.join(MASK_KINDS)}.")
    ] = ("free-form",)
    size: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="WIDTH HEIGHT")] = None
    """Width and height in pixels; 512 512 if not given."""
    count: int | None = None
    """How many; 10 if not given."""
    like: Annotated[Path | None, tyro.conf.arg(metavar="PHOTOS")] = None
    """A folder of photos, or one: each gets a mask of its name and size. Instead of --size and --count."""
    ratio: str | None = None
    """Percentage of the picture that is hole, such as 20-30; whatever the kind draws if not given."""
    seed: int = 0
    """The same seed makes the same masks; the first ones do not depend on how many there are."""


@dataclass(frozen=True)
class GrowOptions:
    """Grow the holes of a mask, or shrink them, by a number of pixels in every direction."""

    mask: MaskArgument
    """Mask, or a folder of them; white is the hole."""
    out: OutArgument
    """File to write, of a format without loss; a folder if MASK is one."""
    by: float
    """Radius of the disc by which holes grow; negative: by which they shrink."""


@dataclass(frozen=True)
class FeatherOptions:
    """Give the holes of a mask soft edges, for pasting and for other tools.

    twofold itself cuts every mask at half: to it, a mask feathered in the middle is the same as before.
    """

    mask: MaskArgument
    """Mask, or a folder of them; white is the hole."""
    out: OutArgument
    """File to write, of a format without loss; a folder if MASK is one."""
    width: float
    """Pixels from white to black."""
    side: Literal["middle", "outside", "inside"] = "middle"
    """Where the soft edge lies: across the hole's edge, around the hole, or within it."""


@dataclass(frozen=True)
class InvertOptions:
    """Swap black and white, for masks in which black is the hole; levels of grey are kept."""

    mask: MaskArgument
    """Mask, or a folder of them."""
    out: OutArgument
    """File to write, of a format without loss; a folder if MASK is one."""


@dataclass(frozen=True)
class BinariseOptions:
    """Make a mask black and white: JPEG masks, soft edges, painted colours, transparency."""

    mask: MaskArgument
    """Mask, or a folder of them; white is the hole, and what is transparent is not."""
    out: OutArgument
    """File to write, of a format without loss; a folder if MASK is one."""
    at: int = 128
    """Brightness from which a pixel is white, 1 to 255; twofold fill cuts at 128."""


@dataclass(frozen=True)
class AlphaOptions:
    """Take the transparent part of a picture as the hole."""

    photo: PhotoArgument
    """Picture with an alpha channel, or a folder of them."""
    out: OutArgument
    """Mask to write, of a format without loss; a folder if PHOTO is one."""
    below: int = 128
    """Alpha of 255 below which a pixel is hole: 1 only what is wholly transparent, 255 all not opaque."""


@dataclass(frozen=True)
class ColourOptions:
    """Take what was painted over in one colour as the hole."""

    photo: PhotoArgument
    """Picture, or a folder of them."""
    out: OutArgument
    """Mask to write, of a format without loss; a folder if PHOTO is one."""
    colour: str = "#ff00ff"
    """The colour: '#ff00ff', 'rgb(255, 0, 255)' or a name such as magenta."""
    tolerance: float = 16
    """Levels of 255 by which red, green and blue may each be off."""


@dataclass(frozen=True)
class FindOptions:
    """Find scratches, hairs and dust in a scanned photo, as a mask to look at and to fill.

    Thin lines of the picture itself (wires, whiskers, joints) are found too: look before you fill.
    """

    photo: PhotoArgument
    """Photo, or a folder of them."""
    out: OutArgument
    """Mask to write, of a format without loss; a folder if PHOTO is one."""
    sensitivity: float = 1.0
    """Above 1 finds more, and more that is no damage; below 1 less of both."""
    largest: int | None = None
    """Widest scratch and spot, in pixels; a hundredth of the shorter side, at least 8, if not given."""
    kinds: tuple[Literal["scratches", "spots"], ...] = ("scratches", "spots")
    """What to look for; scratches are all that is long and thin, hairs too."""
    tones: tuple[Literal["bright", "dark"], ...] = ("bright", "dark")
    """Brighter or darker than the picture around: name one if you can, for half the false alarms."""
    margin: float = 2.0
    """Pixels by which what is found is grown."""


MaskOptions = GrowOptions | FeatherOptions | InvertOptions | BinariseOptions
PhotoOptions = AlphaOptions | ColourOptions | FindOptions


def main(arguments: Sequence[str]) -> int:
    """Run ``twofold masks`` with these arguments; the exit status is 0 or an error is raised.

    Raises:
        TwofoldError: if an option, a picture or a place to write to cannot be used.
    """
    options = tyro.extras.subcommand_cli_from_dict(
        {
            "make": MakeOptions,
            "grow": GrowOptions,
            "feather": FeatherOptions,
            "invert": InvertOptions,
            "binarise": BinariseOptions,
            "from-alpha": AlphaOptions,
            "from-colour": ColourOptions,
            "find": FindOptions,
        },
        prog="twofold masks",
        description="Make masks, change them, take them from a picture, and find damage in photos.",
        args=list(arguments),
    )
    with _one_line_warnings():
        if isinstance(options, MakeOptions):
            _make(options)
        else:
            _edit(options)
    return 0


def _make(options: MakeOptions) -> None:
    """Write the masks, then their list: a list means that all of them are there."""
    from twofold.cli.mask_files import MaskFile, make_each, make_folder, plan_masks, write_mask
    from twofold.errors import InputError
    from twofold.masks.buckets import hole_ratio
    from twofold.masks.making import check_kinds, make_mask, parse_ratio
    from twofold.pixels import read_photo

    check_kinds(options.kind)
    ratio = None if options.ratio is None else parse_ratio(options.ratio)
    if options.seed < 0:
        raise InputError(f"seed is {options.seed}; give a seed from 0 on")
    if options.like is None:
        width, height = _SIZE if options.size is None else options.size
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
    rows: list[tuple[str, str, str]] = []
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
    _write_list(options.out / LIST, rows)
    print(options.out / LIST)


def _write_list(path: Path, rows: Sequence[tuple[str, str, str]]) -> None:
    from twofold.errors import InputError
    from twofold.pixels import replacing

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("name", "kind", "ratio"), *rows])
    try:
        with replacing(path) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; choose another folder") from error


def _edit(options: MaskOptions | PhotoOptions) -> None:
    """Make one mask from each input."""
    import numpy as np

    from twofold.cli.mask_files import make_each, plan_masks, write_mask
    from twofold.pixels import read_photo

    source = options.mask if isinstance(options, MaskOptions) else options.photo
    # One pixel shows whether the options can be used, before any picture is read.
    _edited(options, np.zeros((1, 1, 4), np.uint8), Path())

    def make(file: MaskFile) -> str | None:
        mask, remark = _edited(options, read_photo(file.source).pixels, file.source)
        write_mask(mask, file.target)
        return remark

    make_each(plan_masks(source, options.out), make)


def _edited(
    options: MaskOptions | PhotoOptions, pixels: npt.NDArray[np.generic], path: Path
) -> tuple[npt.NDArray[np.bool_] | npt.NDArray[np.uint8], str | None]:
    """The mask that is asked for, and what is to be said about it."""
    import numpy as np

    from twofold.errors import ImageError, InputError
    from twofold.masks import editing
    from twofold.masks.buckets import hole_ratio
    from twofold.pixels import read_hole

    if isinstance(options, InvertOptions):
        return 255 - editing.mask_levels(pixels), None
    if isinstance(options, BinariseOptions):
        if not 1 <= options.at <= 255:
            raise InputError(f"masks are to be cut at {options.at}; give a level from 1 to 255")
        return np.asarray(editing.mask_levels(pixels) >= options.at), None
    if isinstance(options, AlphaOptions | ColourOptions):
        from twofold.masks.keys import hole_from_alpha, hole_from_colour, parse_colour

        try:
            if isinstance(options, AlphaOptions):
                hole = hole_from_alpha(pixels, below=options.below)
            else:
                hole = hole_from_colour(pixels, parse_colour(options.colour), tolerance=options.tolerance)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from error
        return hole, None if hole.any() else f"{path}: nothing is hole"
    if isinstance(options, FindOptions):
        from twofold.masks.damage import DamageOptions, find_damage

        wanted = DamageOptions(
            options.sensitivity, options.largest, options.kinds, options.tones, options.margin
        )
        damage = find_damage(pixels, wanted)
        share = hole_ratio(damage.hole)
        return damage.hole, f"{path}: {damage.scratches} scratches, {damage.spots} spots, {share:.2%} of it"
    hole = read_hole(pixels, *pixels.shape[:2])
    if isinstance(options, FeatherOptions):
        return editing.feather(hole, options.width, side=options.side), None
    if options.by < 0:
        return editing.shrink(hole, -options.by), None
    return editing.grow(hole, options.by), None


@contextmanager
def _one_line_warnings() -> Iterator[None]:
    """Show warnings as ``twofold: warning: ...`` instead of with a line of our code."""

    def show(message: Warning | str, *rest: object) -> None:
        print(f"twofold: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        yield
