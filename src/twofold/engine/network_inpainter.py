"""An inpainter around a network, whatever runs it: crop, fill each sample by its own seed, paste."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from twofold.engine.budget import choose_plan
from twofold.engine.crops import choose_crops, cut
from twofold.engine.detail import DETAIL_VERSION, DETAILS, Detail
from twofold.engine.distinct import Choice, choose_distinct
from twofold.engine.draws import Drawing, Scene
from twofold.engine.fingerprints import twofold_version
from twofold.engine.groups import Box
from twofold.engine.tile_network import TileNetwork
from twofold.errors import InputError
from twofold.inpainter import Progress, Result, Sample
from twofold.pixels import read_hole, read_photo

if TYPE_CHECKING:
    from twofold.inpainter import ImageLike, MaskLike

AT_ONCE = 8
"""So many samples are drawn as one batch; more need more memory and gain little speed."""


class NetworkInpainter:
    """Fills holes of any size in pictures of any size with one network.

    The same seed gives the same pictures on the same machine.
    """

    def __init__(
        self,
        network: TileNetwork,
        name: str,
        *,
        runtime: str,
        digest: str | None = None,
        detail: Detail = "auto",
        max_memory: int | None = None,
    ) -> None:
        """Take a network.

        Args:
            network: fills tiles.
            name: for reports.
            runtime: what computes the answers, such as ``torch 2.13.0, cpu``.
            digest: of the weights' file, see ``twofold.engine.fingerprints.file_digest``; None: the
                weights are of unknown origin, and there is no fingerprint.
            detail: what answers get of their surroundings: ``auto`` detail where a window was scaled down
                and pieces merged elsewhere, ``none`` nothing, ``always`` detail everywhere.
            max_memory: bytes that a call of ``fill`` may take beside the program, the weights and the
                picture; None: no limit. Kept by fewer answers at once, smaller tiles, and no detail.

        Raises:
            InputError: if there is no such detail.
        """
        if detail not in DETAILS:
            raise InputError(f"detail is {detail!r}; choose from {', '.join(DETAILS)}")
        self._detail, self._max_memory = detail, max_memory
        self._tiles, self._name, self._digest, self._runtime = network, name, digest, runtime
        self._own_options = self.options

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._name

    @property
    def diverse(self) -> bool:
        """Whether another seed gives another answer."""
        return self._tiles.diverse

    @property
    def options(self) -> dict[str, Any]:
        """How the network samples, by name; empty if it takes no options."""
        options = getattr(self._tiles, "options", None)
        return asdict(options) if is_dataclass(options) and not isinstance(options, type) else {}

    @property
    def fingerprint(self) -> str | None:
        """Name, digest of the weights, options other than the first ones, versions, kind of device.

        None where the weights' origin is not known: then answers may not be kept.
        """
        if self._digest is None:
            return None
        options = self.options
        changed = [f"{name}={value}" for name, value in options.items() if options != self._own_options]
        if self._detail != "none":  # what detail does to an answer has versions of its own
            changed.append(f"detail={self._detail}-{DETAIL_VERSION}")
        if self._max_memory is not None:
            changed.append(f"max_memory={self._max_memory}")
        return ", ".join([" ".join([self._name, self._digest, *changed]), twofold_version(), self._runtime])

    def fill(
        self,
        image: ImageLike,
        mask: MaskLike,
        samples: int = 1,
        seed: int = 0,
        *,
        progress: Progress | None = None,
        on_sample: Callable[[Sample], None] | None = None,
    ) -> Result:
        """Fill the white part of ``mask`` in ``image``, see ``twofold.Inpainter.fill``.

        Crops larger than the network's largest size are scaled down, and their answers get detail from
        the surroundings when they are scaled up. A 16-bit picture keeps its depth; the
        network itself sees and answers 8 bits. Alpha is kept as it is.

        Of a network that samples, a sample that hardly differs from an earlier one is drawn again by
        seeds of its own, up to four times; so sample i depends on those before it only. A network
        with one best answer computes it once.

        Raises:
            InputError: if image, mask, samples or seed cannot be used, or the memory does not suffice.
        """
        if samples < 1 or seed < 0:
            raise InputError(f"samples is {samples} and seed {seed}; give samples from 1 and seed from 0 on")
        photo = read_photo(image)
        hole = read_hole(mask, photo.height, photo.width)
        plan = choose_plan(
            self._tiles,
            photo.pixels,
            samples,
            limit=self._max_memory,
            at_once=AT_ONCE,
            detail=self._detail,
        )
        crops = choose_crops(hole, self._tiles.native_size)
        tiles = [
            cut(photo.pixels, hole, crop.window, self._tile_size(crop.window, plan.largest_size))
            for crop in crops
        ]
        scene = Scene(photo.pixels, crops, tiles, hole, plan.detail)
        answers = []
        for sample in self._samples(scene, samples, seed, progress, plan.at_once):
            answers.append(sample)
            if on_sample is not None:
                on_sample(sample)
        return Result(answers, model=self.name, seed=seed, options=self.options)

    def _tile_size(self, window: Box, largest: int) -> int:
        """The smallest square that the network takes and that holds the window, up to ``largest``."""
        multiple = self._tiles.size_multiple
        needed = -(-max(window.height, window.width) // multiple) * multiple
        return max(self._tiles.native_size, min(needed, largest))

    def _samples(
        self, scene: Scene, samples: int, seed: int, progress: Progress | None, at_once: int
    ) -> Iterator[Sample]:
        """The samples in order, each as soon as it is known."""
        if not scene.crops:
            yield from (Sample(scene.pixels.copy(), index=index) for index in range(samples))
            return
        drawing = Drawing(self._tiles, scene, seed, progress=progress)
        if not self._tiles.diverse:
            drawing.expect(1)
            only = _sample(scene, 0, Choice(drawing([(0, 0)])[0]))
            yield only
            yield from (replace(only, image=only.image.copy(), index=index) for index in range(1, samples))
            return
        drawing.expect(samples)
        chosen: list[Choice] = []
        for start in range(0, samples, at_once):
            indices = range(start, min(start + at_once, samples))
            for choice in choose_distinct(indices, tuple(chosen), drawing):
                chosen.append(choice)
                yield _sample(scene, len(chosen) - 1, choice)


def _sample(scene: Scene, index: int, choice: Choice) -> Sample:
    draw = choice.draw
    return Sample(
        scene.filled(draw.missing),
        draw.structure,
        draw.texture,
        draw.log_likelihood,
        draw.score,
        draw.codes,
        index,
        choice.attempt,
        choice.duplicate_of,
    )
