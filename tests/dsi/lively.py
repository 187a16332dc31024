"""Structure generators whose codes vary: fresh ones say nearly the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from twofold.dsi.config import StructureConfig
from twofold.dsi.options import SamplingOptions
from twofold.dsi.quantize import Codebook
from twofold.dsi.sampling import SampledStructure, sample_structure_naive
from twofold.dsi.structure import StructureGenerator

TINY = StructureConfig(
    condition_channels=(2, 3, 4, 5),
    condition_dilations=(1, 2),
    channels=6,
    groups=2,
    layers=2,
    heads=3,
    key_channels=2,
    value_channels=5,
    out_layers=2,
)
CODES, CODE_SIZE = 7, 3


def enliven(module: nn.Module, seed: int = 0, *, gain: float = 1.5) -> None:
    """Draw lengths and biases of all weight-normalised layers at random."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            kind = name.split(".")[-1]
            if kind == "g":
                parameter.copy_(gain * (0.5 + torch.rand(parameter.shape, generator=generator)))
            else:
                spread = 0.3 if kind == "b" else 0.05
                parameter.copy_(spread * torch.randn(parameter.shape, generator=generator))


def generator(config: StructureConfig = TINY, seed: int = 0, *, codes: int = CODES) -> StructureGenerator:
    """A lively generator, ready to answer, but so tame that float32 is good for six digits."""
    made = StructureGenerator(config, CODE_SIZE, codes).eval()
    enliven(made, seed, gain=0.8)
    return made


def sample_exactly(
    made: StructureGenerator,
    book: Codebook,
    features: Tensor,
    seeds: Sequence[int],
    options: SamplingOptions,
    **more: object,
) -> SampledStructure:
    """The paper's own loop in float64, where no near tie falls by rounding."""
    made, book = deepcopy(made).double(), deepcopy(book).double()
    return sample_structure_naive(made, book, features.double(), seeds, options, **more)


def codebook(seed: int = 0, *, codes: int = CODES) -> Codebook:
    """Random code vectors."""
    book = Codebook(codes, CODE_SIZE)
    book.vectors.copy_(random(codes, CODE_SIZE, seed=seed))
    return book


def condition(height: int, width: int, seed: int = 0, *, config: StructureConfig = TINY) -> Tensor:
    """Random features of one picture."""
    return random(1, config.condition_channels[-1], height, width, seed=seed)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
