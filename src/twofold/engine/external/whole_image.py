"""What the inpainters share that look at the whole picture: reading, hiding the hole, compositing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError, MaskError
from twofold.inpainter import Channels, Detail, Inpainter, Progress, Result, Sample, SamplingChanges
from twofold.pixels import composite, in_order, read_hole, read_photo, rgb8

if TYPE_CHECKING:
    from twofold.pixels import ImageLike, MaskLike


class WholePicture(Inpainter):
    """An inpainter that is shown the whole picture as 8-bit RGB, black in the hole.

    Grey and 16-bit pictures get fills of that precision. What the picture held in its hole never
    reaches the method.
    """

    _seeded: bool = False
    """Whether each answer is computed, by its own seed; otherwise one is computed and repeated."""

    def fill(
        self,
        image: ImageLike,
        mask: MaskLike,
        samples: int = 1,
        seed: int = 0,
        *,
        options: SamplingChanges = None,
        detail: Detail | None = None,
        channels: Channels = "RGB",
        progress: Progress | None = None,
        on_sample: Callable[[Sample], None] | None = None,
    ) -> Result:
        """Fill the white part of ``mask`` in ``image``; see ``Inpainter.fill``.

        Raises:
            ImageError: if the image cannot be read.
            MaskError: if the mask cannot be used, or leaves nothing of the image.
            InputError: if ``samples`` or ``seed`` is out of range, or options or detail are asked for.
            CheckpointError: if a model cannot answer.
        """
        if samples < 1 or seed < 0:
            raise InputError(
                f"samples is {samples} and seed is {seed}; give at least 1 sample and a seed of at least 0"
            )
        if options is not None:
            raise InputError(
                f"{self.name} takes no sampling options; use a model that samples, such as dsi-small"
            )
        if detail is not None:
            raise InputError(
                f"{self.name} fills whole pictures in its own way and takes no detail; leave it out, or use "
                "a network such as medfe-small"
            )
        pixels = in_order(read_photo(image).pixels, channels)
        hole = read_hole(mask, *pixels.shape[:2])
        if hole.all():
            raise MaskError("mask covers the whole image; leave a part of it black, to fill from")
        # Black in the hole: nothing of what was there can reach the method.
        known = np.where(hole[..., None], np.uint8(0), rgb8(pixels))
        answers: list[Sample] = []
        for index in range(samples):
            if answers and not self._seeded:
                answers.append(replace(answers[0], image=answers[0].image.copy(), index=index))
            else:
                sample_seed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
                fill = self._fill(known, hole, sample_seed) if hole.any() else known
                answers.append(Sample(in_order(composite(pixels, fill, hole), channels), index=index))
            if progress is not None:
                progress(index + 1, samples)
            if on_sample is not None:
                on_sample(answers[-1])
        return Result(answers, model=self.name, seed=seed)

    def _fill(
        self, known: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_], seed: int
    ) -> npt.NDArray[np.uint8]:
        """Answer one hole.

        Args:
            known: [h w 3], 0 in the hole.
            hole: [h w], neither empty nor full.
            seed: 0 to 2^32 - 1.

        Returns:
            [h w 3]; what it holds outside the hole does not matter.
        """
        raise NotImplementedError
