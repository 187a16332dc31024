"""An inpainter around a network: crop, fill each sample by its own seed, paste."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from twofold.devices import choose_device
from twofold.engine.budget import choose_plan
from twofold.engine.crops import choose_crops, cut
from twofold.engine.detail import DETAILS, Detail
from twofold.engine.distinct import Choice, choose_distinct
from twofold.engine.draws import Drawing, Scene
from twofold.engine.fingerprints import twofold_version
from twofold.engine.groups import Box
from twofold.errors import InputError
from twofold.inpainter import Progress, Result, Sample
from twofold.network import DiverseNetwork, FillingNetwork
from twofold.pixels import read_hole, read_photo

if TYPE_CHECKING:
    from twofold.inpainter import ImageLike, MaskLike

AT_ONCE = 8
"""So many samples are drawn as one batch; more need more memory and gain little speed."""


class TorchInpainter:
    """Fills holes of any size in pictures of any size with one network.

    Float32, without gradients, with reproducible kernels: the same seed gives the same pictures
    on the same machine.
    """

    def __init__(
        self,
        network: FillingNetwork,
        name: str,
        *,
        device: str = "auto",
        digest: str | None = None,
        detail: Detail = "auto",
        max_memory: int | None = None,
    ) -> None:
        """Take a network; a torch module is moved to the device and set to evaluation.

        Args:
            network: fills batches of crops.
            name: for reports.
            device: see ``twofold.devices.choose_device``.
            digest: of the weights' file, see ``twofold.engine.fingerprints.file_digest``; None: the
                weights are of unknown origin, and there is no fingerprint.
            detail: where answers get detail of their surroundings: ``auto`` where a window was scaled
                down, ``none`` nowhere, ``always`` everywhere.
            max_memory: bytes that a call of ``fill`` may take beside the program, the weights and the
                picture; None: no limit. Kept by fewer answers at once, smaller tiles, and no detail.

        Raises:
            InputError: if the device cannot be used, or there is no such detail.
        """
        if detail not in DETAILS:
            raise InputError(f"detail is {detail!r}; choose from {', '.join(DETAILS)}")
        self._detail, self._max_memory = detail, max_memory
        self._device = choose_device(device)
        if isinstance(network, nn.Module):
            network.to(self._device).float().eval().requires_grad_(False)
        self._network = network
        self._name = name
        self._digest = digest
        self._own_options = self.options

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._name

    @property
    def diverse(self) -> bool:
        """Whether another seed gives another answer."""
        return self._network.diverse

    @property
    def options(self) -> dict[str, Any]:
        """How the network samples, by name; empty if it takes no options."""
        if isinstance(self._network, DiverseNetwork) and is_dataclass(self._network.options):
            return asdict(self._network.options)  # type: ignore[arg-type]  # an instance, not a class
        return {}

    @property
    def fingerprint(self) -> str | None:
        """Name, digest of the weights, options other than the first ones, versions, kind of device.

        None where the weights' origin is not known: then answers may not be kept.
        """
        if self._digest is None:
            return None
        options = self.options
        changed = [f"{name}={value}" for name, value in options.items() if options != self._own_options]
        if self._detail != "auto":
            changed.append(f"detail={self._detail}")
        if self._max_memory is not None:
            changed.append(f"max_memory={self._max_memory}")
        versions = [twofold_version(), f"torch {torch.__version__}", self._device.type]
        return ", ".join([" ".join([self._name, self._digest, *changed]), *versions])

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
            self._network,
            photo.pixels,
            samples,
            limit=self._max_memory,
            at_once=AT_ONCE,
            detail=self._detail,
        )
        crops = choose_crops(hole, self._network.native_size)
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
        multiple = self._network.size_multiple
        needed = -(-max(window.height, window.width) // multiple) * multiple
        return max(self._network.native_size, min(needed, largest))

    def _samples(
        self, scene: Scene, samples: int, seed: int, progress: Progress | None, at_once: int
    ) -> Iterator[Sample]:
        """The samples in order, each as soon as it is known."""
        if not scene.crops:
            yield from (Sample(scene.pixels.copy(), index=index) for index in range(samples))
            return
        drawing = Drawing(self._network, self._device, scene, seed, progress=progress)
        if not self._network.diverse:
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
