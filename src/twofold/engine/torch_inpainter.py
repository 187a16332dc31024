"""An inpainter around a network: crop, fill each sample by its own seed, paste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from twofold.devices import choose_device, derive_seed, exact_arithmetic
from twofold.engine.crops import Crop, Tile, choose_crops, cut, paste
from twofold.engine.groups import Box
from twofold.errors import InputError
from twofold.inpainter import Result, Sample
from twofold.network import FilledBatch, FillingNetwork
from twofold.pixels import read_hole, read_photo
from twofold.tensors import hole_to_tensor, image_to_tensor, tensor_to_image

if TYPE_CHECKING:
    from twofold.inpainter import ImageLike, MaskLike


class TorchInpainter:
    """Fills holes of any size in pictures of any size with one network.

    Float32, without gradients, with reproducible kernels: the same seed gives the same pictures
    on the same machine.
    """

    def __init__(self, network: FillingNetwork, name: str, *, device: str = "auto") -> None:
        """Take a network; a torch module is moved to the device and set to evaluation.

        Args:
            network: fills batches of crops.
            name: for reports.
            device: see ``twofold.devices.choose_device``.

        Raises:
            InputError: if the device cannot be used.
        """
        self._device = choose_device(device)
        if isinstance(network, nn.Module):
            network.to(self._device).float().eval().requires_grad_(False)
        self._network = network
        self._name = name

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._name

    def fill(self, image: ImageLike, mask: MaskLike, samples: int = 1, seed: int = 0) -> Result:
        """Fill the white part of ``mask`` in ``image``, see ``twofold.Inpainter.fill``.

        Crops larger than the network's largest size are scaled down and their answers scaled up:
        large holes come out soft. A 16-bit picture keeps its depth; the
        network itself sees and answers 8 bits. Alpha is kept as it is.

        Raises:
            InputError: if image, mask, samples or seed cannot be used.
        """
        if samples < 1 or seed < 0:
            raise InputError(f"samples is {samples} and seed {seed}; give samples from 1 and seed from 0 on")
        photo = read_photo(image)
        hole = read_hole(mask, photo.height, photo.width)
        crops = choose_crops(hole, self._network.native_size)
        tiles = [cut(photo.pixels, hole, crop.window, self._tile_size(crop.window)) for crop in crops]
        answers = [self._sample(photo.pixels, crops, tiles, seed, index) for index in range(samples)]
        if all(answer.log_likelihood is not None for answer in answers):
            answers.sort(key=lambda answer: -(answer.log_likelihood or 0.0))
        return Result(answers, model=self.name, seed=seed)

    def _tile_size(self, window: Box) -> int:
        """The smallest square that the network takes and that holds the window, up to its largest."""
        multiple = self._network.size_multiple
        needed = -(-max(window.height, window.width) // multiple) * multiple
        return max(self._network.native_size, min(needed, self._network.largest_size))

    def _sample(
        self, pixels: npt.NDArray[np.generic], crops: list[Crop], tiles: list[Tile], seed: int, index: int
    ) -> Sample:
        filled = pixels.copy()
        views = _Views()
        for place, (crop, tile) in enumerate(zip(crops, tiles, strict=True)):
            # One crop at a time: a network's last bits may depend on the size of its batch, and
            # sample 0 must not depend on how many others are asked for.
            batch = self._run(tile, derive_seed(seed, index, place))
            answer = tensor_to_image(batch.image)[0]
            rows, columns = crop.window.slices
            filled[rows, columns] = paste(filled, answer, tile, crop)
            views = views.with_batch(batch)
        return Sample(filled, views.structure, views.texture, views.log_likelihood)

    def _run(self, tile: Tile, seed: int) -> FilledBatch:
        image = image_to_tensor(tile.image).to(self._device)
        hole = hole_to_tensor(tile.hole).to(self._device)
        with exact_arithmetic():
            return self._network.fill(image, hole, [seed])


@dataclass(frozen=True, eq=False)
class _Views:
    """What the network knows of its answers: pictures of the first (largest) crop, sums over all."""

    count: int = 0
    structure: npt.NDArray[np.uint8] | None = None
    texture: npt.NDArray[np.uint8] | None = None
    log_likelihood: float | None = None

    def with_batch(self, batch: FilledBatch) -> _Views:
        """Add the answer to one more crop."""
        likelihood = None if batch.log_likelihood is None else float(batch.log_likelihood[0])
        if self.count == 0:
            return _Views(1, _picture(batch.structure), _picture(batch.texture), likelihood)
        known = likelihood is not None and self.log_likelihood is not None
        total = (self.log_likelihood or 0.0) + (likelihood or 0.0) if known else None
        return _Views(self.count + 1, self.structure, self.texture, total)


def _picture(view: Tensor | None) -> npt.NDArray[np.uint8] | None:
    return None if view is None else tensor_to_image(view)[0]
