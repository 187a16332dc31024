"""How fast structures are sampled here: the paper's procedure beside ours, and the floor of both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from twofold.dsi.choice import choose
from twofold.dsi.config import DsiConfig, StructureConfig, paper
from twofold.dsi.fast.linear import PrepackedLinear
from twofold.dsi.fast.sample import sample_structure
from twofold.dsi.gumbel import gumbel_row
from twofold.dsi.options import SamplingOptions
from twofold.dsi.quantize import Codebook
from twofold.dsi.sampling import SampledStructure
from twofold.dsi.structure import PixelCnn, StructureGenerator
from twofold.errors import InputError

RATE_SHAPE = (1024, 1536, 256)
"""Rows, inputs and outputs of the product whose speed is called the machine's: a large layer's."""


@dataclass(frozen=True)
class Timing:
    """Time per picture.

    Attributes:
        seconds: wall clock.
        cpu_seconds: of the process, all threads together; other programs disturb it less.
    """

    seconds: float
    cpu_seconds: float

    def times(self, factor: float) -> Timing:
        """The timing of so many at once."""
        return Timing(self.seconds * factor, self.cpu_seconds * factor)


@dataclass(frozen=True)
class DsiBench:
    """The paper's sampling procedure and ours, measured in one run, float32.

    Attributes:
        naive: one forward pass for every position, extrapolated from ``positions_timed`` passes.
        single: ours, one sample of a picture.
        batch: ours, a sample of ``samples`` at once.
        samples: in a batch.
        gigaflop: 10**9 additions and multiplications of one forward pass, the least a sample needs if
            nothing is shared between samples.
        rate: 10**9 of them in a second of a large matrix product here.
        positions: of the grid.
        positions_timed: of the naive procedure.
        positions_right: sampled codes, of all in the batch, that are what a full forward pass over the
            sample and the noise give.
        positions_near: of the other ones, those within rounding of it; all others would be wrong.
        threads: of PyTorch.
        seed: of weights, condition and samples.
        torch: version.
    """

    naive: Timing
    single: Timing
    batch: Timing
    samples: int
    gigaflop: float
    rate: float
    positions: int
    positions_timed: int
    positions_right: int
    positions_near: int
    threads: int
    seed: int
    torch: str

    @property
    def floor(self) -> float:
        """Seconds of one forward pass at the machine's speed of large products."""
        return self.gigaflop / self.rate

    def speedup(self, ours: Timing) -> Timing:
        """How many times faster a timing is than the naive one."""
        return Timing(self.naive.seconds / ours.seconds, self.naive.cpu_seconds / ours.cpu_seconds)

    def as_json(self) -> dict[str, Any]:
        """Everything measured, and what follows from it, as JSON values."""
        return {
            **asdict(self),
            "speedup_single": asdict(self.speedup(self.single)),
            "speedup_batch": asdict(self.speedup(self.batch)),
            "floor_seconds": self.floor,
        }


def bench_dsi(
    rounds: int = 3,
    *,
    positions: int = 8,
    samples: int = 8,
    threads: int = 1,
    seed: int = 1,
    config: DsiConfig | None = None,
) -> DsiBench:
    """Measure the naive procedure and ours in turn; of every figure the median round counts.

    Args:
        rounds: at least 1; one more of ours warms up.
        positions: forward passes of the naive procedure, in all rounds together.
        samples: structures of a batch.
        threads: of PyTorch.
        seed: of random weights, a random condition and the samples; no files are needed.
        config: sizes; None for the full-size network.

    Raises:
        InputError: if a number is below 1, or the network has no structure generator.
    """
    config = config or paper()
    if min(rounds, positions, samples, threads) < 1:
        raise InputError(
            f"rounds is {rounds}, positions {positions}, samples {samples} and threads {threads}; "
            "give at least 1 of each"
        )
    if config.structure is None:
        raise InputError("the network has no structure generator; give a configuration with one")
    generator, codebook = seeded_generator(config, seed)
    side = config.native_size // 8
    condition = torch.randn(
        1, config.structure.condition_channels[-1], side, side, generator=torch.Generator().manual_seed(seed)
    )
    seeds = range(seed, seed + samples)

    def ours(count: int) -> SampledStructure:
        return sample_structure(generator, codebook, condition, seeds[:count], SamplingOptions())

    with _threads(threads), torch.inference_mode():
        drawn = ours(samples)
        vectors = codebook.look_up(drawn.codes)
        logits = full_forward(generator.pixelcnn, vectors, condition)
        passes = -(-positions // rounds)
        naive, single, batch = [], [], []
        for _ in range(rounds):
            forward = _time(lambda: full_forward(generator.pixelcnn, vectors[:1], condition), passes)
            naive.append(forward.times(side * side))
            single.append(_time(lambda: ours(1)))
            batch.append(_time(lambda: ours(samples)).times(1 / samples))
        rate = matrix_rate()
    right, near = _consistent(drawn, logits, seeds)
    return DsiBench(
        naive=_median(naive),
        single=_median(single),
        batch=_median(batch),
        samples=samples,
        gigaflop=forward_flops(generator.pixelcnn, config.structure, side * side) / 1e9,
        rate=rate,
        positions=side * side,
        positions_timed=passes * rounds,
        positions_right=right,
        positions_near=near,
        threads=threads,
        seed=seed,
        torch=torch.__version__,
    )


def seeded_generator(config: DsiConfig, seed: int) -> tuple[StructureGenerator, Codebook]:
    """A structure generator with random weights whose codes vary, and a random codebook.

    Fresh weights would say nearly the same everywhere. The condition network is as it was drawn: it
    takes no part in sampling.

    Args:
        config: with a structure generator.
        seed: the same seed gives the same weights.
    """
    if config.structure is None:
        raise InputError("the network has no structure generator; give a configuration with one")
    sizes = config.vqvae
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = StructureGenerator(config.structure, sizes.code_size, sizes.codes).eval()
        codebook = Codebook(sizes.codes, sizes.code_size)
        with torch.no_grad():
            for name, parameter in generator.pixelcnn.named_parameters():
                if name.endswith(".b"):
                    parameter.normal_(std=0.1)
                elif name.endswith(".g") and not name.split(".")[-2].startswith(
                    ("first", "second", "up_", "left_")
                ):
                    parameter.fill_(0.3)  # the linear maps; convolutions keep their length of 1
    return generator, codebook


def forward_flops(network: PixelCnn, config: StructureConfig, positions: int) -> int:
    """Additions and multiplications of one forward pass; attention looks at earlier positions alone."""
    weights = sum(value.numel() for name, value in network.named_parameters() if name.endswith(".v"))
    attended = config.groups * config.heads * (config.key_channels + config.value_channels)
    return 2 * (weights * positions + attended * positions * (positions - 1) // 2)


def matrix_rate(repeats: int = 20) -> float:
    """10**9 additions and multiplications a second of a large product with fixed weights, at its fastest."""
    rows, inputs, outputs = RATE_SHAPE
    features, weight = torch.randn(rows, inputs), torch.randn(outputs, inputs)
    product = PrepackedLinear(weight)
    seconds = [min(_time(lambda: product(features)).seconds for _ in range(repeats))]
    seconds += [min(_time(lambda: features @ weight.T).seconds for _ in range(repeats))]
    return 2 * rows * inputs * outputs / min(seconds) / 1e9


def full_forward(network: nn.Module, vectors: Tensor, condition: Tensor) -> Tensor:
    """Logits of all positions of several structures [n d h w] under one condition [1 c h w]."""
    logits: Tensor = network(vectors, condition.expand(len(vectors), -1, -1, -1))
    return logits


def _consistent(drawn: SampledStructure, logits: Tensor, seeds: range) -> tuple[int, int]:
    """How many codes are what the full forward pass chooses, and how many are within rounding of it.

    If all are, the sample is the naive procedure's: a position depends on earlier ones alone.
    """
    samples, rows, width = drawn.codes.shape
    right = near = 0
    for sample in range(samples):
        for row in range(rows):
            noise = gumbel_row(seeds[sample], row, width=width, codes=logits.shape[1])
            choice = choose(logits[sample, :, row].T, torch.from_numpy(noise), SamplingOptions())
            equal = choice.codes == drawn.codes[sample, row]
            right += int(equal.sum())
            near += int((~equal & ~choice.certain).sum())
    return right, near


def _time(work: Callable[[], object], repeats: int = 1) -> Timing:
    """Mean time of a piece of work."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        work()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu).times(1 / repeats)


def _median(timings: list[Timing]) -> Timing:
    return Timing(
        statistics.median(timing.seconds for timing in timings),
        statistics.median(timing.cpu_seconds for timing in timings),
    )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
