"""How public model files take a picture and a hole, and how their answers are read.

Facts, read from the code that makes or runs these files: advimman/lama, Sanster/IOPaint,
enesmsahin/simple-lama-inpainting and Carve/LaMa-ONNX; Picsart-AI-Research/MI-GAN and IOPaint.

============== ============================================ ====================== =================
convention     inputs                                       sides                  answer
============== ============================================ ====================== =================
LaMa, pair     image float in [0, 1]; mask, 1 = hole        multiples of 8         [0, 1] or [0, 255]
LaMa, stacked  4 channels: image in [0, 1], then mask       multiples of 32        [0, 1] or [0, 255]
MI-GAN pair    image uint8; mask uint8, 255 = known         any                    uint8
MI-GAN stacked 4 channels: known - 0.5, image in [-1, 1]    512 if not in the file [-1, 1]
============== ============================================ ====================== =================
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from twofold.errors import CheckpointError

Pixels = npt.NDArray[np.uint8]
Hole = npt.NDArray[np.bool_]
Arrays = tuple[npt.NDArray[Any], ...]

CONVENTIONS = ("lama", "migan")
"""What a model file may be said to be, as in ``lama:FILE``."""
_KNOWN = (
    "LaMa (image [1 3 h w] in [0, 1] and mask [1 1 h w], floats) "
    "and MI-GAN (the same in uint8, or one [1 4 h w] of floats)"
)
_FLOATS = ("float32", "float16", "float64")


@dataclass(frozen=True)
class Slot:
    """One input of a model file.

    Attributes:
        name: as the file has it.
        kind: a numpy dtype's name; None if the file does not say.
        shape: lengths of the axes, None for those that may vary; None if the file does not say.
    """

    name: str
    kind: str | None = None
    shape: tuple[int | None, ...] | None = None

    def __str__(self) -> str:
        """As in ``image float32 [1 3 h w]``."""
        parts = [self.name, self.kind or ""]
        if self.shape is not None:
            parts.append(f"[{' '.join('?' if n is None else str(n) for n in self.shape)}]")
        return " ".join(part for part in parts if part)

    def axis(self, index: int) -> int | None:
        """Length of an axis; None if it may vary or is not known."""
        return self.shape[index] if self.shape is not None else None


@dataclass(frozen=True)
class Convention:
    """How one kind of model file is asked.

    Attributes:
        family: one of ``CONVENTIONS``.
        encode: image [h w 3] (surroundings grown into the hole) and hole [h w] -> what goes into the
            file, each [1 c h w].
        decode: the file's answer [3 h w], the image and the hole that it was given -> uint8 [h w 3].
        multiple: sides of the picture are multiples of this.
        least: and at least this: deep networks cannot mirror pictures of a few pixels.
        size: height and width, if they are fixed.
        order: which of the arrays each of the file's inputs is.
        kinds: their numpy dtypes.
    """

    family: str
    encode: Callable[[Pixels, Hole], Arrays]
    decode: Callable[[npt.NDArray[Any], Pixels, Hole], Pixels]
    multiple: int
    least: int = 64
    size: tuple[int, int] | None = None
    order: tuple[int, ...] = (0, 1)
    kinds: tuple[str, ...] = ("float32", "float32")

    def inputs(self, image: Pixels, hole: Hole) -> Arrays:
        """The arrays for the file's inputs, in its order and kinds."""
        arrays = self.encode(image, hole)
        return tuple(
            np.ascontiguousarray(arrays[place], dtype=np.dtype(kind))
            for place, kind in zip(self.order, self.kinds, strict=True)
        )


def _lama_pair(image: Pixels, hole: Hole) -> Arrays:
    missing = hole[None, None].astype(np.float32)
    return _planes(image) / np.float32(255) * (1 - missing), missing


def _lama_stacked(image: Pixels, hole: Hole) -> Arrays:
    return (np.concatenate(_lama_pair(image, hole), axis=1),)


def _migan_pair(image: Pixels, hole: Hole) -> Arrays:
    # These files blend what lies up to three pixels inside the hole into their answer, so the image
    # keeps its grown surroundings there; black would leave a dark rim.
    return _planes(image).astype(np.uint8), np.where(hole, np.uint8(0), np.uint8(255))[None, None]


def _migan_stacked(image: Pixels, hole: Hole) -> Arrays:
    valid = (~hole)[None, None].astype(np.float32)
    signed = _planes(image) / np.float32(127.5) - 1
    return (np.concatenate([valid - 0.5, signed * valid], axis=1),)


def _planes(image: Pixels) -> npt.NDArray[np.float32]:
    return image.transpose(2, 0, 1)[None].astype(np.float32)


def _unit_or_bytes(answer: npt.NDArray[Any], image: Pixels, hole: Hole) -> Pixels:
    """Read levels in [0, 1] or in [0, 255], as the answer itself shows.

    Above 2 it must be the latter. Below, it may be either if the picture is nearly black: then the
    reading that is nearer to the known pixels.
    """
    levels = answer.transpose(1, 2, 0).astype(np.float64)
    if levels.max() <= 2:
        known = image[~hole]
        as_unit, as_bytes = (np.abs(scale * levels[~hole] - known).sum() for scale in (255, 1))
        levels = levels if as_bytes < as_unit else levels * 255
    return _rounded(levels)


def _bytes(answer: npt.NDArray[Any], image: Pixels, hole: Hole) -> Pixels:
    return _rounded(answer.transpose(1, 2, 0).astype(np.float64))


def _signed(answer: npt.NDArray[Any], image: Pixels, hole: Hole) -> Pixels:
    return _rounded(answer.transpose(1, 2, 0).astype(np.float64) * 127.5 + 127.5)


def _rounded(levels: npt.NDArray[np.float64]) -> Pixels:
    return levels.round().clip(0, 255).astype(np.uint8)


LAMA_PAIR = Convention("lama", _lama_pair, _unit_or_bytes, multiple=8)
LAMA_STACKED = Convention("lama", _lama_stacked, _unit_or_bytes, multiple=32, order=(0,), kinds=("float32",))
MIGAN_PAIR = Convention("migan", _migan_pair, _bytes, multiple=1, kinds=("uint8", "uint8"))
MIGAN_STACKED = Convention(
    "migan", _migan_stacked, _signed, multiple=1, size=(512, 512), order=(0,), kinds=("float32",)
)


def choose_convention(slots: Sequence[Slot], family: str | None, source: str) -> Convention:
    """Find how a model file wants to be asked from what its inputs are.

    Args:
        slots: the file's inputs in order.
        family: what the user says it is, one of ``CONVENTIONS``; None lets the inputs tell.
        source: what to call the file in an error.

    Raises:
        CheckpointError: if the inputs are of no known kind, or could be of two.
    """
    fitting = [convention for convention in _candidates(slots) if family in (None, convention.family)]
    if not fitting:
        said = f" as {family}" if family else ""
        seen = ", ".join(map(str, slots)) or "no input"
        raise CheckpointError(
            f"{source} cannot be asked{said}: it takes {seen}, and known are {_KNOWN}; "
            "export it like one of these, or give a command: 'cmd: TOOL {image} {mask} {out}'"
        )
    if len(fitting) > 1:
        raise CheckpointError(
            f"{source} takes {slots[0]}, as files of LaMa and of MI-GAN both do; "
            "say which it is: lama:FILE or migan:FILE"
        )
    return fitting[0]


def _candidates(slots: Sequence[Slot]) -> list[Convention]:
    """The conventions that fit the inputs."""
    if not all(_takes_one_picture(slot) for slot in slots):
        return []
    sizes = {(slot.axis(2), slot.axis(3)) for slot in slots} - {(None, None)}
    if len(sizes) > 1:
        return []
    rows, columns = next(iter(sizes), (None, None))
    if (rows is None) != (columns is None):
        return []
    found = {1: _stacked, 2: _pair}[len(slots)](slots) if len(slots) in (1, 2) else []
    if rows is None or columns is None:
        return found
    return [replace(convention, size=(rows, columns)) for convention in found]


def _takes_one_picture(slot: Slot) -> bool:
    return slot.shape is None or (len(slot.shape) == 4 and slot.shape[0] in (1, None))


def _stacked(slots: Sequence[Slot]) -> list[Convention]:
    """One input of four channels: only the user knows which comes first."""
    slot = slots[0]
    if slot.axis(1) not in (4, None) or slot.kind not in (*_FLOATS, None):
        return []
    kinds = (slot.kind or "float32",)
    return [replace(MIGAN_STACKED, kinds=kinds), replace(LAMA_STACKED, kinds=kinds)]


def _pair(slots: Sequence[Slot]) -> list[Convention]:
    """Tell image and mask apart by their channels, else by their names, else by their order."""
    channels = [slot.axis(1) for slot in slots]
    swapped = channels in ([1, 3], [1, None], [None, 3]) or (
        channels == [None, None] and "mask" in slots[0].name.lower() and "mask" not in slots[1].name.lower()
    )
    image, mask = reversed(slots) if swapped else slots
    if image.axis(1) not in (3, None) or mask.axis(1) not in (1, None):
        return []
    order = (1, 0) if swapped else (0, 1)
    kinds = tuple(slot.kind or "float32" for slot in slots)
    if image.kind == "uint8" and mask.kind == "uint8":
        return [replace(MIGAN_PAIR, order=order, kinds=kinds)]
    if image.kind in (*_FLOATS, None) and mask.kind != "uint8":
        return [replace(LAMA_PAIR, order=order, kinds=kinds)]
    return []
