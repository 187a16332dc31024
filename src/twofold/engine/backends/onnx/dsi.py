"""DSI from its exported graphs: describe the picture, sample a structure for each seed, give it texture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from twofold.dsi.options import SamplingOptions
from twofold.engine.backends.onnx.parallel import ParallelSampler
from twofold.engine.backends.onnx.raster import Floats, Mask, RasterSampler, SamplerSizes
from twofold.engine.backends.onnx.session import Graph
from twofold.engine.detail.filters import widened
from twofold.errors import CheckpointError, InputError
from twofold.inpainter import Progress, Sample


class OnnxDsi:
    """A ``TileNetwork`` of the graphs ``condition``, ``paint`` and those of a sampler.

    The sampler is ``row`` and ``window``, or ``masked`` of a network that decodes in parallel.

    Args:
        graphs: by name.
        document: of the export, with ``mode``, ``sampling`` and the ``sampler``'s sizes, or the ``order``
            ``parallel`` in their place.

    Raises:
        CheckpointError: if the document does not say them.
    """

    def __init__(self, graphs: Mapping[str, Graph], document: Mapping[str, Any]) -> None:
        self.size_multiple: int = document["size_multiple"]
        self.native_size: int = document["native_size"]
        self.largest_size: int = document["largest_size"]
        self.weight_count: int = document["parameters"]
        try:
            self._official = document["mode"] == "official"
            known = {field.name for field in fields(SamplingOptions)}
            sampling = {key: value for key, value in document["sampling"].items() if key in known}
            self.default_options = SamplingOptions(**sampling)
            self.check_options(self.default_options)
            self._condition, self._paint = graphs["condition"], graphs["paint"]
            self._sampler = _samplers(graphs, document)
        except (KeyError, TypeError, AttributeError, InputError) as error:
            raise CheckpointError(
                f"the export of {document['name']} is incomplete ({error!r}); export it again"
            ) from error

    def check_options(self, options: SamplingOptions) -> None:
        """Refuse options that an exported network cannot follow.

        Raises:
            InputError: if official mode is given an option of ours.
        """
        if self._official and options.keep_margin is not None:
            raise InputError(
                f"keep_margin is {options.keep_margin}, but official mode samples every code; "
                "leave it out, or use weights of paper mode"
            )

    def fill(
        self,
        image: npt.NDArray[np.uint8],
        hole: npt.NDArray[np.bool_],
        seeds: Sequence[int],
        options: SamplingOptions | None = None,
        *,
        progress: Progress | None = None,
    ) -> list[Sample]:
        """Fill tiles of the native size, or one in several ways; see ``TileNetwork.fill``."""
        if len(image) > 1:
            ones = [slice(number, number + 1) for number in range(len(image))]
            return [s for one in ones for s in self.fill(image[one], hole[one], seeds[one], options)]
        image, hole = image[0], hole[0]
        options = options or self.default_options
        picture = {"image": image[None], "hole": hole[None].astype(np.uint8)}
        condition, own = self._condition(["condition", "codes"], picture)
        known = self._known(hole, options.keep_margin)
        sampler = self._sampler(condition)
        steps, samples = sampler.steps(known, options), []
        for number, seed in enumerate(seeds):
            told = _steps_of(progress, number * steps, len(seeds) * steps)
            codes, likelihood = sampler.sample(seed, options, own, known, progress=told)
            painted = self._paint(["answer", "structure", "score"], {**picture, "codes": codes[None]})
            answer, structure, score = (array[0] for array in painted)
            samples.append(Sample(answer, structure, None, likelihood, float(score), codes))
        return samples

    def _known(self, hole: npt.NDArray[np.bool_], margin: int | None) -> Mask:
        """Where the picture's own codes are kept, one for each 8x8 pixels."""
        rows, columns = (side // self.size_multiple for side in hole.shape)
        if margin is None:
            return np.zeros((rows, columns), np.bool_)
        cells = hole.reshape(rows, self.size_multiple, columns, self.size_multiple)
        return ~widened(np.asarray(cells.any(axis=(1, 3))), margin)


def _samplers(
    graphs: Mapping[str, Graph], document: Mapping[str, Any]
) -> Callable[[Floats], RasterSampler | ParallelSampler]:
    """Makes the sampler of a picture from its condition."""
    if document.get("order", "raster") == "parallel":
        return partial(ParallelSampler, graphs["masked"])
    return partial(RasterSampler, graphs["row"], graphs["window"], SamplerSizes(**document["sampler"]))


def _steps_of(progress: Progress | None, before: int, total: int) -> Any:
    """Tells of one sample's steps among those of all."""
    return None if progress is None else lambda done: progress(before + done, total)
