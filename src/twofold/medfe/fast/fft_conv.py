"""Large convolutions over tiles of frequencies: the same sums with a fraction of the multiplications.

A 7x7 convolution takes 49 multiplications for each output and pair of channels. Cut into tiles of 14x14
positions that answer 8x8 of them, it is one product for each frequency of the tile: 196 real numbers, or
6 multiplications an output. Transforms are small matrix products, so everything runs at their speed, and
the rounding errors are smaller than those of the direct sum.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

ANSWERED = 8  # positions a side that one tile answers
SINGLE = 4  # frequencies of a tile of even size that are real: both axes at 0 or at half the size


class FftConv(nn.Module):
    """A convolution of stride 1 that keeps the height and width, computed over frequencies; inference only.

    Args:
        weight: of the convolution, with odd kernels of at least 3.
        dtype: of the products. Transforms are float32 in any case: so bfloat16 rounds as often as in the
            direct sum (what goes in, the weights, what comes out), and not at every step between.
        kept: keep the weights' spectrum, which takes ``spectrum_bytes``. Otherwise it is made anew in every
            call, one pair of lines at a time, which takes no memory and up to a quarter of the time.
    """

    def __init__(
        self,
        weight: Float[Tensor, "out into k k"],
        dtype: torch.dtype = torch.float32,
        *,
        kept: bool = True,
    ) -> None:
        super().__init__()
        outputs, inputs, kernel = weight.shape[:3]
        self.kernel, self.size, self.dtype = kernel, ANSWERED + kernel - 1, dtype
        self.inputs, self.outputs = inputs, outputs
        self.plain: nn.Parameter | None = None
        for name, matrix in _matrices(self.size).items():
            self.register_buffer(name, matrix.clone(), persistent=False)
        if not kept:
            listed = weight.detach().float().permute(3, 2, 1, 0).reshape(kernel, -1)
            self.plain = nn.Parameter(listed, requires_grad=False)
            return
        complex_rows = self.size**2 - SINGLE
        taps = tile_transform(self.size)[:, :kernel, :kernel].reshape(self.size**2, kernel**2).float()
        listed = weight.detach().float().permute(2, 3, 1, 0).reshape(kernel**2, inputs * outputs)

        def spectrum(rows: Tensor) -> nn.Parameter:
            return nn.Parameter((rows @ listed).view(-1, inputs, outputs).to(dtype), requires_grad=False)

        self.real = spectrum(taps[:complex_rows:2])
        self.imaginary = spectrum(-taps[1:complex_rows:2])  # a correlation multiplies by the conjugate
        self.single = spectrum(taps[complex_rows:])

    def _apply(self, fn: Any, recurse: bool = True) -> FftConv:
        """Stay as it is: ``network.float()`` would undo the precision."""
        return self

    across: Tensor
    down: Tensor
    up: Tensor
    up_crossed: Tensor
    back: Tensor

    def forward(self, features: Float[Tensor, "b into h w"]) -> Float[Tensor, "b out h w"]:
        """Convolve; the answer is float32, its channels last in memory."""
        batch, _, height, width = features.shape
        rows, columns = -(-height // ANSWERED), -(-width // ANSWERED)
        tiles = self._tiles(features, rows, columns)
        pairs = torch.mm(self.across, tiles.view(self.size, -1)).view(self.size // 2, 2 * self.size, -1)
        del tiles
        lines = pairs.new_empty(self.size // 2, 2 * ANSWERED, batch * rows * columns * self.outputs)
        for index, pair in enumerate(pairs):
            self._line(index, pair, lines[index])
        answer = torch.mm(self.back, lines.view(self.size, -1))
        answer = answer.view(ANSWERED, ANSWERED, batch, rows, columns, self.outputs)
        answer = answer.permute(2, 3, 1, 4, 0, 5)  # b rows y columns x c
        answer = answer.reshape(batch, rows * ANSWERED, columns * ANSWERED, self.outputs)
        return answer[:, :height, :width].permute(0, 3, 1, 2)

    def _line(self, index: int, pair: Float[Tensor, "positions _"], out: Float[Tensor, "answered _"]) -> None:
        """One pair of lines from positions to frequencies, times the weights, and back.

        Products with the weights' real and imaginary part stay apart; the way back adds them up. Pair after
        pair, so that what lies between stays in the cache.
        """
        size = self.size
        spectrum = torch.mm(self.down[index], pair).to(self.dtype).view(2 * size, -1, self.inputs)
        real, imaginary, single = self._weights(index)
        count = len(real)  # of complex frequencies
        rows = spectrum[: 2 * count].view(count, -1, self.inputs)  # of both parts
        products = spectrum.new_empty(2 * size, spectrum.shape[1], self.outputs)
        torch.bmm(rows, real, out=products[: 2 * count].view(count, -1, self.outputs))
        crossed = torch.bmm(rows, imaginary).view(2 * count, -1)
        if single is not None:
            torch.bmm(spectrum[2 * count :], single, out=products[2 * count :])
        torch.mm(self.up[index], products.float().view(2 * size, -1), out=out)
        out.addmm_(self.up_crossed[index, :, : 2 * count], crossed.float())

    def _weights(self, index: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Real and negative imaginary part of the weights of one pair of lines, and what is real alone."""
        last = index == self.size // 2 - 1
        count = self.size - 2 if last else self.size
        if self.plain is None:
            own = slice(index * self.size, index * self.size + count)
            return self.real[own], self.imaginary[own], self.single if last else None
        lines, columns = _weight_transforms(self.size, self.kernel)[index]
        transformed = torch.mm(columns, torch.mm(lines, self.plain).view(2 * self.kernel, -1)).to(self.dtype)
        spectrum = transformed.view(-1, self.inputs, self.outputs)
        return spectrum[:count], spectrum[count : 2 * count], spectrum[2 * count :] if last else None

    def _tiles(self, features: Tensor, rows: int, columns: int) -> Tensor:
        """Overlapping tiles, zero outside the map, with the position within a tile first."""
        height, width = features.shape[-2:]
        margin = self.kernel // 2
        right, bottom = columns * ANSWERED - width + margin, rows * ANSWERED - height + margin
        listed = features.float().permute(0, 2, 3, 1)  # b h w c
        padded = F.pad(listed, (0, 0, margin, right, margin, bottom))
        windows = padded.unfold(1, self.size, ANSWERED).unfold(2, self.size, ANSWERED)
        return windows.permute(5, 4, 0, 1, 2, 3).contiguous()


def spectrum_bytes(weight: Float[Tensor, "out into k k"], dtype: torch.dtype) -> int:
    """What the weights of a convolution take over frequencies; of a 7x7 one four times as much as plain."""
    return (ANSWERED + weight.shape[-1] - 1) ** 2 * weight[..., 0, 0].numel() * dtype.itemsize


@lru_cache
def _matrices(size: int) -> dict[str, Tensor]:
    """The transforms of a tile, float32.

    ``across`` and ``down`` lead to the spectrum, ``up`` and ``back`` from it to the positions that a tile
    answers; ``up_crossed`` takes the products with the imaginary parts of the weights.
    """
    across, down = _lines(size), _columns(size)
    back = torch.linalg.inv(across)[:ANSWERED]
    up = torch.linalg.inv(down).view(size // 2, 2, size, 2 * size)[:, :, :ANSWERED]
    up = up.reshape(size // 2, 2 * ANSWERED, 2 * size)
    crossed = torch.zeros_like(up)
    # i times (a + i b) is -b + i a.
    crossed[..., 0::2], crossed[..., 1::2] = up[..., 1::2], -up[..., 0::2]
    crossed[-1, :, -SINGLE:] = 0
    named = {"across": across, "down": down, "up": up, "up_crossed": crossed, "back": back}
    return {name: matrix.float().contiguous() for name, matrix in named.items()}


@lru_cache
def _weight_transforms(size: int, kernel: int) -> list[tuple[Tensor, Tensor]]:
    """For each pair of lines, what leads there from a kernel's columns, and from there to its frequencies.

    Frequencies are real parts, negative imaginary ones (a correlation multiplies by the conjugate), and then
    those that are real alone.
    """
    lines = _lines(size).view(size // 2, 2, size)[..., :kernel].float().contiguous()
    columns = _columns(size).view(size // 2, 2 * size, 2, size)[..., :kernel].flatten(2).float()
    counts = [2 * size] * (size // 2 - 1) + [2 * size - SINGLE]
    return [
        (line, torch.cat([column[0:end:2], -column[1:end:2], column[end:]]))
        for line, column, end in zip(lines, columns, counts, strict=True)
    ]


def _lines(size: int) -> Float[Tensor, "frequencies positions"]:
    """Real and imaginary part of frequencies 1 ... size / 2 - 1 in turn, then the real 0 and size / 2."""
    position = torch.arange(size, dtype=torch.float64)
    rows = []
    for frequency in range(1, size // 2):
        angle = 2 * math.pi * frequency * position / size
        rows += [angle.cos(), -angle.sin()]
    rows += [torch.ones_like(position), (math.pi * position).cos()]
    return torch.stack(rows)


def _columns(size: int) -> Float[Tensor, "pairs frequencies positions"]:
    """For each pair of lines, what turns their columns into frequencies.

    All pairs but the last are one complex line. The last holds two real ones, of frequency 0 and size / 2;
    their complex frequencies come first, their four real ones last.
    """
    frequency = torch.arange(size, dtype=torch.float64)
    angle = 2 * math.pi * frequency[:, None] * frequency / size
    whole = torch.zeros(size, 2, 2, size, dtype=torch.float64)
    whole[:, 0, 0], whole[:, 0, 1] = angle.cos(), angle.sin()
    whole[:, 1, 0], whole[:, 1, 1] = -angle.sin(), angle.cos()
    lines, even = _lines(size), size - 2
    last = torch.zeros(2 * size, 2 * size, dtype=torch.float64)
    last[:even, :size] = last[even : 2 * even, size:] = lines[:even]
    last[2 * even : 2 * even + 2, :size] = last[2 * even + 2 :, size:] = lines[even:]
    return torch.stack([whole.view(2 * size, 2 * size)] * (size // 2 - 1) + [last])


def tile_transform(size: int) -> Float[Tensor, "frequencies y x"]:
    """The whole transform of a tile at once, float64."""
    lines = _lines(size).view(size // 2, 2, size)
    columns = _columns(size).view(size // 2, 2 * size, 2, size)
    return torch.einsum("pfry,prx->pfyx", columns, lines).reshape(size**2, size, size)
