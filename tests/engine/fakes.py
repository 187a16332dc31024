"""A tiny network that samples: its answer is one colour, drawn by the seed from a small palette."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from twofold.errors import InputError
from twofold.network import FilledBatch

NATIVE = 32


@dataclass(frozen=True)
class PaletteOptions:
    temperature: float = 1.0
    top_k: int = 0

    @property
    def diverse(self) -> bool:
        return self.temperature > 0

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise InputError(f"temperature is {self.temperature}; give 0 or more")


@dataclass(frozen=True)
class PaletteConfig:
    colors: int = 1000


class Palette(nn.Module):
    """Paints the hole with grey number ``number_of(seed)`` of ``colours``, each at least a level apart."""

    size_multiple = NATIVE
    native_size = NATIVE
    largest_size = NATIVE
    default_options: PaletteOptions | None = PaletteOptions()

    def __init__(self, config: PaletteConfig | None = None) -> None:
        super().__init__()
        self.config = config or PaletteConfig()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seeds: list[list[int]] = []
        self.before: Callable[[int], None] = lambda call: None

    def check_options(self, options: object) -> None:
        """All options can be followed."""

    def fill(
        self,
        image: torch.Tensor,
        hole: torch.Tensor,
        seeds: Sequence[int],
        options: PaletteOptions | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> FilledBatch:
        assert len(image) == len(hole)
        assert len(image) in (1, len(seeds))
        self.before(len(self.seeds))
        self.seeds.append(list(seeds))
        for row in range(4):
            if progress is not None:
                progress(row + 1, 4)
        numbers = torch.tensor([number_of(seed, self.config.colors) for seed in seeds])
        levels = numbers / max(1, self.config.colors - 1) * 1.8 - 0.9
        answer = levels[:, None, None, None].expand(-1, 3, *image.shape[2:])
        return FilledBatch(
            answer,
            structure=answer[..., ::8, ::8],
            log_likelihood=-levels.abs(),
            codes=numbers[:, None, None].expand(-1, 4, 4).to(torch.int32),
            score=levels,
        )


class Plain(Palette):
    """The same, said to have one best answer."""

    default_options = None


def number_of(seed: int, colors: int) -> int:
    """Which colour a seed draws."""
    return int(np.random.default_rng(seed).integers(colors))
