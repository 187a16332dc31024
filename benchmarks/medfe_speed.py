"""How fast and how large official MEDFE is here, beside its reference form.

    python benchmarks/medfe_speed.py reference|ours|bf16 CONFIG THREADS SEED

builds one of the three, fills once and prints the peak of its resident memory in bytes;
``form_peak`` calls it.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rates import peak_megabytes
from reference_medfe import reference_generator
from twofold.checkpoints.configs import config_from_dict
from twofold.checkpoints.from_medfe import convert_generator, official_shapes
from twofold.errors import InputError
from twofold.medfe.build import build_medfe
from twofold.medfe.config import MedfeConfig, paper
from twofold.medfe.fast.pack import Precision, prepack
from twofold.medfe.official import OfficialMedfe

Networks = dict[str, dict[str, Tensor]]
Fill = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Measurement:
    """What one form of the network costs for one picture of 256x256.

    Attributes:
        seconds: of every round, wall clock.
        peak_megabytes: largest resident memory of a process that builds it and fills once (10**6 bytes).
    """

    seconds: tuple[float, ...]
    peak_megabytes: float

    @property
    def fastest(self) -> float:
        """Seconds of the fastest round."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """Median seconds of the rounds."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class MedfeBench:
    """The reference official network and ours, measured in one run.

    Attributes:
        reference: the official computation word by word, ``reference_medfe.py``.
        ours: ``medfe.official.OfficialMedfe``, with the same weights converted and prepacked, float32.
        bf16: the same with products in bfloat16.
        max_difference: largest absolute difference of the first two answers, in [-1, 1].
        bf16_psnr: of the last to the second, in dB; white over black is the peak.
        threads: of each.
        seed: of weights and picture.
        torch: version.
    """

    reference: Measurement
    ours: Measurement
    bf16: Measurement
    max_difference: float
    bf16_psnr: float
    threads: int
    seed: int
    torch: str

    @property
    def speedup(self) -> float:
        """How many times faster ours is, by medians."""
        return self.reference.median / self.ours.median

    @property
    def bf16_speedup(self) -> float:
        """The same in bfloat16."""
        return self.reference.median / self.bf16.median

    @property
    def saved_megabytes(self) -> float:
        """How much less resident memory ours takes at its peak."""
        return self.reference.peak_megabytes - self.ours.peak_megabytes

    def as_json(self) -> dict[str, Any]:
        """Everything measured, and what follows from it, as JSON values."""
        return {
            **asdict(self),
            "reference": {**asdict(self.reference), "median": self.reference.median},
            "ours": {**asdict(self.ours), "median": self.ours.median},
            "bf16": {**asdict(self.bf16), "median": self.bf16.median},
            "speedup": self.speedup,
            "bf16_speedup": self.bf16_speedup,
            "saved_megabytes": self.saved_megabytes,
        }


def bench_medfe(
    rounds: int = 5, *, threads: int = 1, seed: int = 1, config: MedfeConfig | None = None
) -> MedfeBench:
    """Measure the reference official network and ours, one after the other in every round.

    Args:
        rounds: at least 1; one more of each warms up.
        threads: of PyTorch, for both.
        seed: of random weights and a random picture; no files are needed.
        config: sizes in official mode; None for the full-size network.

    Raises:
        InputError: if ``rounds`` or ``threads`` is below 1.
    """
    if rounds < 1 or threads < 1:
        raise InputError(f"rounds is {rounds} and threads {threads}; give at least 1 of each")
    config = config or paper("official")
    peaks = {which: form_peak(which, config, threads=threads, seed=seed) for which in FORMS}
    networks = seeded_networks(config, seed)
    image, hole = seeded_picture(config.native_size, seed)
    fills = {which: form(networks, config) for which, form in FORMS.items()}
    seconds: dict[str, list[float]] = {which: [] for which in FORMS}
    with torch.inference_mode(), thread_count(threads):
        answers = {which: fill(image, hole) for which, fill in fills.items()}
        for _ in range(rounds):
            for which, fill in fills.items():
                start = time.perf_counter()
                fill(image, hole)
                seconds[which].append(time.perf_counter() - start)
    measured = {which: Measurement(tuple(seconds[which]), peaks[which]) for which in FORMS}
    difference = float((answers["reference"] - answers["ours"]).abs().max())
    return MedfeBench(
        **measured,
        max_difference=difference,
        bf16_psnr=closeness(answers["bf16"], answers["ours"]),
        threads=threads,
        seed=seed,
        torch=torch.__version__,
    )


def closeness(answer: Tensor, reference: Tensor) -> float:
    """PSNR of one picture to another in dB, both in [-1, 1]; 200 where they are equal."""
    error = float((answer.double() - reference.double()).square().mean())
    return min(200.0, 10 * math.log10(4 / error)) if error else 200.0


def seeded_networks(config: MedfeConfig, seed: int) -> Networks:
    """Random weights in the official layout, kept well conditioned by mask weights whose sums are near 1.

    Args:
        config: sizes in official mode.
        seed: the same seed gives the same weights.
    """
    generator = torch.Generator().manual_seed(seed)
    return {
        net: {name: _seeded_value(net, name, shape, generator) for name, shape in shapes.items()}
        for net, shapes in official_shapes(config).items()
    }


def _seeded_value(net: str, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if "mask_conv" in name:
        # Sums near 1: far from 0, and the features stay far above the norms' epsilon.
        return (torch.rand(shape, generator=generator) + 0.5) / torch.Size(shape[1:]).numel()
    normal = torch.randn(shape, generator=generator)
    if name.endswith(("weight_u", "weight_v")):
        return normal / normal.norm()
    if name.endswith("bias"):
        return 0.05 * normal
    if len(shape) == 1:
        return 1 + 0.1 * normal
    fan = shape[0] * 4 if net == "DE" else normal[0].numel()
    return normal * (1.4 / fan**0.5)


def seeded_picture(side: int, seed: int) -> tuple[Tensor, Tensor]:
    """A random picture [1 3 side side] in [-1, 1] and a centred square hole of a quarter of it."""
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    hole = torch.zeros(1, 1, side, side)
    hole[..., side // 4 : -side // 4, side // 4 : -side // 4] = 1
    return image, hole


def _reference(networks: Networks, config: MedfeConfig) -> Fill:
    return lambda image, hole: reference_generator(networks, image, hole).image


def _prepacked(precision: Precision) -> Callable[[Networks, MedfeConfig], Fill]:
    def form(networks: Networks, config: MedfeConfig) -> Fill:
        network = OfficialMedfe(config)
        network.load_state_dict(convert_generator(networks, config))
        prepack(network, precision)
        return lambda image, hole: network(image, hole).image

    return form


FORMS: dict[str, Callable[[Networks, MedfeConfig], Fill]] = {
    "reference": _reference,
    "ours": _prepacked("fp32"),
    "bf16": _prepacked("bf16"),
}


def form_peak(which: str, config: MedfeConfig, *, threads: int = 1, seed: int = 1) -> float:
    """Peak resident memory of a fresh process that builds one of the forms and fills once."""
    words = [which, json.dumps(asdict(config)), str(threads), str(seed)]
    way_out = "at full size it takes 4 GB, free them and try again"
    return peak_megabytes([sys.executable, __file__, *words], f"the {which} network", way_out)


def _fill_once(which: str, config: MedfeConfig, threads: int, seed: int) -> None:
    """Build one form and fill one picture; ours never holds the official weights."""
    image, hole = seeded_picture(config.native_size, seed)
    with torch.inference_mode(), thread_count(threads):
        if which != "reference":
            torch.manual_seed(seed)
            prepack(build_medfe(config), "bf16" if which == "bf16" else "fp32")(image, hole)
        else:
            networks = seeded_networks(config, seed)
            del networks["D"], networks["F"]
            reference_generator(networks, image, hole)


def peak_bytes() -> int:
    """Peak resident memory of this process.

    Linux counts the parent's peak into ``ru_maxrss`` of a child started by vfork, so its own record
    comes first.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def thread_count(count: int) -> Iterator[None]:
    """So many threads of PyTorch inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    _, form, sizes, threads, seed = sys.argv
    _fill_once(form, config_from_dict(MedfeConfig, json.loads(sizes)), int(threads), int(seed))
    print(peak_bytes())
