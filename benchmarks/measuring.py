"""Measure networks in all their forms in turn, so that only ratios within one run are told.

    python benchmarks/measuring.py MODEL FORM BATCH SEED THREADS

fills once and prints the peak of its resident memory in bytes; ``network_peak`` calls it.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dsi_speed import bench_dsi, forward_flops
from medfe_speed import peak_bytes, thread_count
from networks import MODELS, Form, Subject, open_subject, picture
from rates import peak_megabytes
from twofold.errors import InputError

STAGES = ("encoder", "filling", "fuse", "equalization", "skips", "decoder", "texture", "discriminator")
"""Parts of the networks that are timed apart; what is left is ``other``: of DSI, sampling the structure."""
LOADS: tuple[tuple[int, int], ...] = ((1, 1), (4, 1), (16, 1), (1, 8))
"""Samples of one picture and pictures at once, as measured."""
QUICK_LOADS: tuple[tuple[int, int], ...] = ((1, 1), (4, 1))


@dataclass(frozen=True)
class Row:
    """What one network in one form takes for one load.

    Attributes:
        model: a key of ``MODELS``.
        form: how it computes.
        samples: answers to each picture.
        batch: pictures at once.
        seconds: wall clock of each round, pixels in, pixels out. Of DSI's reference form, extrapolated.
        cpu_seconds: of the round that took least, all threads together.
        stages: seconds of the network's parts in one round.
        gigaflop: 10**9 additions and multiplications of the plain network, or of DSI's sampler.
        peak_megabytes: of a process of its own, 10**6 bytes; None where it was not measured.
        times_faster: than the first form, by ``least_seconds``.
        closeness: PSNR in dB within the holes to the first form; None for that form, and for DSI's.
    """

    model: str
    form: str
    samples: int
    batch: int
    seconds: tuple[float, ...]
    cpu_seconds: float
    stages: dict[str, float] = field(default_factory=dict)
    gigaflop: float = 0.0
    peak_megabytes: float | None = None
    times_faster: float = 1.0
    closeness: float | None = None

    @property
    def least_seconds(self) -> float:
        """Seconds of the fastest round, or of the processor if those are fewer.

        With one thread they are where other programs run beside it, and tell more.
        """
        return min(*self.seconds, self.cpu_seconds)

    def as_json(self, rates: dict[str, float]) -> dict[str, Any]:
        """Everything measured, and what follows from it.

        Args:
            rates: of the machine, see ``rates.matrix_rates``.
        """
        done = self.gigaflop / self.least_seconds
        return {
            **asdict(self),
            "median": statistics.median(self.seconds),
            "least_seconds": self.least_seconds,
            "pictures_per_second": self.samples * self.batch / self.least_seconds,
            "share_of_rate": {name: done / rate for name, rate in rates.items()},
        }


def measure(
    models: Sequence[str],
    *,
    loads: Sequence[tuple[int, int]] = LOADS,
    rounds: int = 3,
    threads: int = 1,
    seed: int = 1,
    memory: bool = True,
) -> Iterator[Row]:
    """Measure models one after the other; the forms of a model take turns in every round.

    Args:
        models: keys of ``MODELS``.
        loads: samples and pictures at once.
        rounds: at least 1, after one to warm up.
        threads: of PyTorch.
        seed: of random weights and pictures.
        memory: measure peaks as well, in processes of their own.

    Raises:
        InputError: if a model is not known, or a number is below 1.
    """
    if rounds < 1 or threads < 1:
        raise InputError(f"rounds is {rounds} and threads {threads}; give at least 1 of each")
    unknown = [model for model in models if model not in MODELS]
    if unknown:
        raise InputError(f"there is no model {unknown[0]!r} to measure; choose from {', '.join(MODELS)}")
    with thread_count(threads):
        for model in models:
            forms = [form for form in MODELS[model] if not (model.startswith("dsi") and form == "reference")]
            peaks = {
                (form, batch): network_peak(model, form, batch, threads=threads, seed=seed)
                for form in forms
                for batch in {batch for _, batch in loads}
                if memory
            }
            subjects = {form: open_subject(model, form, seed) for form in forms}
            gigaflop = gigaflop_of(model, seed)
            naive = _naive_seconds(subjects["fp32"], threads, seed) if model.startswith("dsi") else None
            for samples, batch in loads:
                rows = _measure_load(
                    model, subjects, samples, batch, rounds=rounds, seed=seed, gigaflop=gigaflop
                )
                if naive is not None:
                    rows = [_reference_dsi(rows[0], naive), *rows]
                for row in rows:
                    memory_used = peaks.get((cast(Form, row.form), batch)) if samples == 1 else None
                    faster = rows[0].least_seconds / row.least_seconds
                    yield Row(**{**asdict(row), "peak_megabytes": memory_used, "times_faster": faster})


def _measure_load(
    model: str,
    subjects: dict[Form, Subject],
    samples: int,
    batch: int,
    *,
    rounds: int,
    seed: int,
    gigaflop: float,
) -> list[Row]:
    """All forms in turn; ``gigaflop`` are those of one answer."""
    first = next(iter(subjects.values()))
    pixels, hole = picture(first.side, batch, seed)
    seeds = list(range(seed, seed + (samples if batch == 1 else batch)))
    repeats = 1 if batch == 1 else samples
    answers = {form: subject.fill(pixels, hole, seeds) for form, subject in subjects.items()}
    seconds: dict[Form, list[float]] = {form: [] for form in subjects}
    cpu: dict[Form, list[float]] = {form: [] for form in subjects}
    for _ in range(rounds):
        for form, subject in subjects.items():
            wall, processor = time.perf_counter(), time.process_time()
            for _ in range(repeats):
                subject.fill(pixels, hole, seeds)
            seconds[form].append(time.perf_counter() - wall)
            cpu[form].append(time.process_time() - processor)
    # MEDFE answers a picture once, however many samples are wanted.
    gigaflop *= batch * (1 if model.startswith("medfe") else samples)
    reference = answers[next(iter(subjects))]
    rows = []
    for form, subject in subjects.items():
        stages = _stages(subject, lambda subject=subject: subject.fill(pixels, hole, seeds))
        alike = None if answers[form] is reference else _closeness(answers[form], reference, hole)
        row = Row(model, form, samples, batch, tuple(seconds[form]), min(cpu[form]), stages, gigaflop)
        rows.append(Row(**{**asdict(row), "closeness": alike}))
    return rows


def gigaflop_of(model: str, seed: int) -> float:
    """Operations of the plain network for one answer, of DSI with a sampler that computes everything once."""
    subject = open_subject(model, "plain", seed)
    pixels, hole = picture(subject.side, 1, seed)
    counter = FlopCounterMode(display=False)
    with counter:
        subject.fill(pixels, hole, [seed])
    if model.startswith("medfe"):
        return counter.get_total_flops() / 1e9
    # Kernels of the sampler are not known to the counter: count the modules around it, and a forward pass.
    counts = {name: sum(found.values()) for name, found in counter.get_flop_counts().items()}
    around = sum(count for name, count in counts.items() if name != "Global" and "." not in name)
    network = cast(Any, subject.network)
    pixelcnn = getattr(network.structure, "pixelcnn", None)
    positions = (network.native_size // 8) ** 2
    passed = 0 if pixelcnn is None else forward_flops(pixelcnn, network.config.structure, positions)
    return (around + passed) / 1e9


def _stages(subject: Subject, work: Any) -> dict[str, float]:
    """Seconds of a network's parts in one more round."""
    if subject.network is None:
        return {}
    spent: dict[str, float] = {}
    with _timed_parts(subject.network, spent):
        start = _now()
        work()
        whole = _since(start)
    return {**spent, "other": max(0.0, whole - sum(spent.values()))}


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(start: tuple[float, float]) -> float:
    """Seconds by clock or processor, whichever tells fewer."""
    return min(now - then for now, then in zip(_now(), start, strict=True))


@contextmanager
def _timed_parts(network: nn.Module, spent: dict[str, float]) -> Iterator[None]:
    """Add up in ``spent`` what each of ``STAGES`` takes."""
    begun: dict[str, tuple[float, float]] = {}
    handles = []
    for name, part in network.named_children():
        if name not in STAGES:
            continue

        def begin(_: nn.Module, __: Any, name: str = name) -> None:
            begun[name] = _now()

        def end(_: nn.Module, __: Any, ___: Any, name: str = name) -> None:
            spent[name] = spent.get(name, 0.0) + _since(begun[name])

        handles += [part.register_forward_pre_hook(begin), part.register_forward_hook(end)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _naive_seconds(subject: Subject, threads: int, seed: int) -> float:
    """Processor's seconds of one structure by the paper's procedure, from two passes of the network."""
    config = cast(Any, subject.network).config
    return bench_dsi(1, positions=2, samples=1, threads=threads, seed=seed, config=config).naive.cpu_seconds


def _reference_dsi(ours: Row, naive: float) -> Row:
    """Ours with its sampling replaced by the paper's procedure; stages beside it are the same work."""
    rest = sum(seconds for name, seconds in ours.stages.items() if name != "other")
    total = rest + naive * ours.samples * ours.batch
    return Row(ours.model, "reference", ours.samples, ours.batch, (total,), total, {}, 0.0)


def _closeness(answer: Any, reference: Any, hole: Any) -> float | None:
    if answer.shape != reference.shape:
        return None
    missing = np.broadcast_to(hole, answer.shape[:3])
    error = float(np.square(answer[missing].astype(float) - reference[missing]).mean())
    return 10 * float(np.log10(255**2 / error)) if error else 200.0


def network_peak(model: str, form: str, batch: int, *, threads: int, seed: int) -> float:
    """Peak resident memory of a fresh process that opens a network and fills once."""
    words = [model, form, str(batch), str(seed), str(threads)]
    way_out = "at full size it takes 6 GB, free them, or leave memory out by --no-memory"
    return peak_megabytes([sys.executable, __file__, *words], f"{model} as {form}", way_out)


def _fill_once(model: str, form: Form, batch: int, seed: int, threads: int) -> None:
    with thread_count(threads):
        subject = open_subject(model, form, seed)
        subject.fill(*picture(subject.side, batch, seed), list(range(batch)))


if __name__ == "__main__":
    _fill_once(sys.argv[1], cast(Form, sys.argv[2]), *map(int, sys.argv[3:6]))
    print(peak_bytes())
