"""What is measured: which crops of which photographs, with which holes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args, overload

import numpy as np
import numpy.typing as npt

from twofold.data.pairs import VALIDATION_BUCKETS, ValidationPairs
from twofold.errors import InputError
from twofold.evaluate.report import Bucket
from twofold.masks.boxes import centre_box
from twofold.tensors import tensor_to_image

Masks = Literal["free-form", "centre"]
"""Kinds of holes: strokes of 10-50 % of the crop in four buckets, or one centre box of half its side."""


@dataclass(frozen=True)
class Protocol:
    """The protocol of the bundled weights: centre crops with one free-form hole each.

    Photographs are taken in the order of their paths. The hole ratio goes through 10-20, 20-30,
    30-40 and 40-50 % in turn, so 300 photographs give 75 of each. These are the examples that
    training validates on (``twofold.data.pairs.ValidationPairs``): a photograph whose shorter side
    is above 9/8 of the crop is scaled down to that, one too small for the crop is enlarged. Answers
    are composited, and every metric but the diversity is taken over the whole crop.

    Attributes:
        size: side of the crops, in pixels.
        seed: of the holes and of the answers; 0 or above.
        limit: only the first so many photographs; None takes all.
        samples: answers to each hole asked of a model that has several to give; others give one.
        masks: kind of the holes; ``centre``, the box on which papers report diversity, is the same
            in each crop.
    """

    size: int = 256
    seed: int = 0
    limit: int | None = None
    samples: int = 1
    masks: Masks = "free-form"

    def __post_init__(self) -> None:
        """Refuse values that cannot work, before anything is read."""
        if self.size < 32 or self.seed < 0 or (self.limit is not None and self.limit < 1):
            raise InputError(
                f"size is {self.size}, seed {self.seed} and limit {self.limit}; "
                f"give a size of 32 or more, a seed of 0 or more, a limit of 1 or more or none"
            )
        if self.samples < 1:
            raise InputError(f"samples is {self.samples}; give 1 or more answers to each hole")
        if self.masks not in get_args(Masks):
            raise InputError(f"masks is {self.masks!r}; choose from {', '.join(get_args(Masks))}")

    @property
    def tag(self) -> str:
        """Short name for reports; equal tags on equal photographs mean equal crops and holes."""
        holes = "free-form-10-50" if self.masks == "free-form" else "centre-box"
        tag = f"centre-{self.size}/{holes}/seed-{self.seed}/v1"
        return tag if self.samples == 1 else f"{tag}/samples-{self.samples}"

    def cases(self, folder: Path) -> Cases:
        """List the cases of a folder of photographs.

        Raises:
            TrainingError: if the folder does not exist or holds no photograph that can be read.
        """
        pairs = ValidationPairs(folder, size=self.size, seed=self.seed, limit=self.limit)
        return Cases(pairs, masks=self.masks)


@dataclass(frozen=True, eq=False)
class Case:
    """One picture with one hole.

    Attributes:
        photo: path of the photograph within its folder, with forward slashes.
        image: the true picture, uint8 RGB [h w 3].
        hole: [h w], True = missing.
        bucket: the range of hole ratios that this case is counted under, or the kind of its hole.
    """

    photo: str
    image: npt.NDArray[np.uint8]
    hole: npt.NDArray[np.bool_]
    bucket: Bucket

    @property
    def damaged(self) -> npt.NDArray[np.uint8]:
        """The picture with black in the hole: what an inpainter is given, so nothing can leak."""
        return np.where(self.hole[..., None], np.uint8(0), self.image)

    @property
    def key(self) -> str:
        """SHA-256 of the true pixels and the hole, in hex."""
        digest = hashlib.sha256(repr(self.image.shape).encode())
        digest.update(np.ascontiguousarray(self.image).tobytes())
        digest.update(np.packbits(self.hole).tobytes())
        return digest.hexdigest()


class Cases(Sequence[Case]):
    """The cases of one folder, read when they are asked for."""

    def __init__(self, pairs: ValidationPairs, *, masks: Masks = "free-form") -> None:
        self._pairs = pairs
        self._masks = masks

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, index: int) -> Case: ...
    @overload
    def __getitem__(self, index: slice) -> list[Case]: ...
    def __getitem__(self, index: int | slice) -> Case | list[Case]:
        """Read one case, or several."""
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(f"case {index} of {len(self)}")
        example = self._pairs[index]
        photos = self._pairs.photos
        photo = photos.paths[int(example["index"])].relative_to(photos.root).as_posix()
        image = tensor_to_image(example["image"][None])[0]
        if self._masks == "centre":
            return Case(photo, image, centre_box(*image.shape[:2]), "centre")
        hole = example["hole"][0].numpy() > 0.5
        return Case(photo, image, hole, VALIDATION_BUCKETS[int(example["bucket"])])
