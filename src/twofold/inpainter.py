"""The contract every face of twofold speaks: numpy in, numpy out, n samples, one seed.

The command line, the Python functions, the server and the evaluation all hold an ``Inpainter`` and
know nothing else of the model behind it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError

if TYPE_CHECKING:
    from twofold.pixels import ImageLike, MaskLike

Progress = Callable[[int, int], None]
"""Called now and then with the steps done and how many there are; that number may grow."""
SamplingChanges = Mapping[str, Any] | object | None
"""Sampling options: what to change of a model's own, whole ones of its kind, or None: its own."""
Detail = Literal["auto", "none", "always"]
"""``none`` leaves networks' answers alone; ``auto`` carries detail where a window was scaled down and merges
pieces of the surroundings elsewhere; ``always`` carries detail everywhere, which is no better."""
DETAILS: tuple[Detail, ...] = ("auto", "none", "always")
Channels = Literal["RGB", "BGR"]


@dataclass(frozen=True, eq=False)
class Sample:
    """One answer to one hole, and what the model knows of it.

    Attributes:
        image: the filled image; shape and dtype (uint8 or uint16) of the input. Every pixel outside
            the hole is bit-identical to the input.
        structure: the model's own view of the structure of the filled crop, uint8 [h w 3], usually
            at feature resolution; None if the model has none.
        texture: the same for its texture, or None.
        log_likelihood: natural logarithm of the probability that the model gave this answer; None
            for models that cannot tell. Of several crops: their sum.
        score: how much the answer looks like a photograph to the model's own discriminator, higher is
            better, comparable between answers to one hole only; None for models without one. Of
            several crops: their mean by missing pixels.
        codes: the discrete structure that was chosen in the largest crop, integers [h w]; or None.
        index: which answer this is, from 0. Model, options, seed and index name one picture for
            ever, however many others are asked for.
        attempt: how often the answer was drawn again because it hardly differed from an earlier one.
        duplicate_of: index of an earlier sample that it hardly differs from all the same; or None.
    """

    image: npt.NDArray[np.generic]
    structure: npt.NDArray[np.uint8] | None = None
    texture: npt.NDArray[np.uint8] | None = None
    log_likelihood: float | None = None
    score: float | None = None
    codes: npt.NDArray[np.int64] | None = None
    index: int = 0
    attempt: int = 0
    duplicate_of: int | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """The answers to one request, in the order of their index; see ``ranking`` for the best.

    Attributes:
        samples: at least one ``Sample``; sample i is the same picture however many are asked for.
        model: name of the model that answered.
        seed: the seed that was asked for.
        options: how the model sampled, by name; empty for models that take no options.
    """

    samples: list[Sample]
    model: str
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def image(self) -> npt.NDArray[np.generic]:
        """The first sample's image; the same whatever the number of samples."""
        return self.samples[0].image

    @property
    def ranking(self) -> tuple[int, ...]:
        """Indices of the samples, best first; see ``rank_samples``."""
        return rank_samples(self.samples)

    @property
    def best(self) -> Sample:
        """The sample that is ranked first."""
        return self.samples[self.ranking[0]]


def rank_samples(samples: Sequence[Sample]) -> tuple[int, ...]:
    """Rank answers to one hole: positions in ``samples``, best first.

    By the mean of two ranks, that by likelihood and that by score: their units do not compare, and
    each alone has a weakness (likelihood prefers the plain, a discriminator can be fooled). Ties go to the
    likelier, then to the earlier. What is not known of every sample does not count; if nothing is
    known, the order stays.
    """
    likelihood = _ranks([sample.log_likelihood for sample in samples])
    score = _ranks([sample.score for sample in samples])

    def place(position: int) -> tuple[int, int, int]:
        return likelihood[position] + score[position], likelihood[position], position

    return tuple(sorted(range(len(samples)), key=place))


def _ranks(values: Sequence[float | None]) -> list[int]:
    """How many values are better than each; 0 for all if one is not known. NaN is worst."""
    known = [-math.inf if math.isnan(value) else value for value in values if value is not None]
    if len(known) < len(values):
        return [0] * len(values)
    return [sum(other > value for other in known) for value in known]


class Inpainter(ABC):
    """Anything that fills holes: a network, a classical method, a file of another project, a command."""

    name: str
    """Short name for reports, for example ``medfe-small``."""
    diverse: bool = False
    """Whether another seed gives another answer, with the options that it was loaded with."""

    @property
    def options(self) -> Mapping[str, Any]:
        """How it samples where ``fill`` is given no options, by name; empty if it takes none."""
        return {}

    @property
    def fingerprint(self) -> str | None:
        """All that answers depend on beside picture, hole, seed and index, as one line.

        Two inpainters of one fingerprint give the same answers, which may therefore be kept. None: they may
        not.
        """
        return None

    @abstractmethod
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
        """Fill the white part of ``mask`` in ``image``.

        The same seed gives the same pictures. An empty mask gives the image back.

        Args:
            image: a path, a Pillow image, or an array [h w], [h w 3] or [h w 4], uint8 or uint16.
            mask: the same kinds, of the image's height and width; white = hole, binarised at half.
            samples: how many answers; at least 1. Models with one best answer give it each time.
            seed: 0 or above.
            options: how a model that samples does so in this call: what to change of its options, or options
                of its own kind. None: as it was loaded.
            detail: what this call's answers get of their surroundings, see ``twofold.load``; networks only.
                None: as it was loaded.
            channels: the order of colours in an array, and so in the answers: ``BGR`` is OpenCV's.
            progress: called now and then with the steps done and how many there are; what it raises ends the
                call.
            on_sample: called with each sample as soon as it is final, in the order of the indices;
                what it raises ends the call.

        Raises:
            InputError: if image, mask or an option cannot be used; the message says what to do.
        """

    @classmethod
    def from_pretrained(cls, name_or_folder: str | PathLike[str], **options: Any) -> Inpainter:
        """Load a bundled model or a folder with weights: ``twofold.load`` by the name of other libraries.

        Args:
            name_or_folder: see ``twofold.load``.
            options: the keyword arguments of ``twofold.load``.
        """
        # By name, as the engine stands above this module, and imports go down only.
        loaded: Inpainter = import_module("twofold.engine.load").load(name_or_folder, **options)
        return loaded

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write the weights to a folder that ``from_pretrained`` reads.

        Raises:
            InputError: if this model has no weights of ours to write.
        """
        raise InputError(
            f"{self.name} has no weights to save in {folder}; networks such as medfe-small have some"
        )
