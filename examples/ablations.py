"""Redo the ablations of MEDFE with equal budgets: train variants of one network, compare each with the whole.

python examples/ablations.py PHOTOS VALIDATION OUT [--steps 200] [--variants whole no-range ...] [--page PAGE]
    [--start WEIGHTS]

Every variant sees the same photographs, crops and holes in the same order, for the same number of steps, with
the same losses. With --start all begin with trained weights, each with those of the parts that it has. A run
that was broken off goes on when the command is given again. OUT receives a folder for each variant,
ablations.json and ablations.md; with --page the table also replaces the one of that page. Needs the extra
train, and the weights of VGG-16 and AlexNet.
"""

import argparse
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twofold.checkpoints.format import save_weights
from twofold.checkpoints.released import load_family
from twofold.data.pairs import DataConfig, TrainingPairs
from twofold.engine.load import load
from twofold.evaluate.compare import Output, evaluate
from twofold.evaluate.metrics import METRICS
from twofold.evaluate.protocol import Protocol
from twofold.evaluate.results import Report
from twofold.medfe.build import build_medfe
from twofold.medfe.config import MedfeConfig
from twofold.metrics.statistics import bootstrap_interval, paired_test
from twofold.pixels import replacing
from twofold.train.checkpoint import list_checkpoints
from twofold.train.loop import LoopConfig
from twofold.train.medfe import RECIPES, MedfeRecipeConfig
from twofold.train.run import MedfeRun, train_medfe

WHOLE, UNTRAINED, START = "whole", "untrained", "start"
BASELINES = {UNTRAINED: "the diffused surroundings alone", START: "the weights that all began with"}
MEASURED = ("psnr", "lpips", "l1-hole")
SAVE_EVERY = 50
STARTING = "start.safetensors"


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        label: in the table.
        switches: fields of ``MedfeConfig`` that differ from the preset's.
        mode: of the network.
        seed: of weights, photographs, crops and holes.
    """

    label: str
    switches: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "paper"
    seed: int = 0


VARIANTS = {
    WHOLE: Variant("whole network"),
    "another-seed": Variant("whole network, another seed", seed=1),
    "no-texture": Variant("without the texture branch", {"texture_branch": False}),
    "no-structure": Variant("without the structure branch", {"structure_branch": False}),
    "no-bilateral": Variant(
        "without bilateral propagation", {"spatial_propagation": False, "range_propagation": False}
    ),
    "non-local": Variant("non-local block instead of it", {"non_local": True}),
    "no-range": Variant("without range propagation", {"range_propagation": False}),
    "no-spatial": Variant("without spatial propagation", {"spatial_propagation": False}),
    "no-reweighing": Variant("without channel reweighing", {"channel_reweighing": False}),
    "official": Variant("official mode", mode="official"),
}
"""In the order in which they are trained; ``official`` needs crops of 192 pixels or more."""

JOINED = {
    "fuse.conv.weight": ("structure_branch", "texture_branch"),
    "equalization.propagate.combine.conv.weight": ("spatial_propagation", "range_propagation"),
}
"""Layers that read two parts side by side, with the switches of these, in the order of their channels."""


@dataclass(frozen=True)
class Budget:
    """What every variant gets, and what it is judged on; equal for all."""

    preset: str = "small"
    size: int = 128
    steps: int = 200
    batch_size: int = 4
    photographs: int = 120
    start: str = ""
    """Weights of the whole network that all variants begin with; none: fresh ones."""

    @property
    def mark(self) -> str:
        """Of the table on its page."""
        return f"ablations {self.size}{' trained' if self.start else ''}"

    @property
    def protocol(self) -> Protocol:
        """Middle crops of the training's size, seeded free-form holes of 10 to 50 %."""
        return Protocol(size=self.size, limit=self.photographs, metrics=MEASURED)


def main() -> None:
    """Train, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of photographs to train on")
    parser.add_argument("validation", type=Path, help="folder of other photographs")
    parser.add_argument("out", type=Path)
    for name, default in asdict(Budget()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=[*VARIANTS][:-1])
    parser.add_argument(
        "--minutes-per-variant", type=float, default=float("inf"), help="then stop, unfinished"
    )
    parser.add_argument("--structures", type=Path, help="cache of structure targets; OUT/structures")
    parser.add_argument("--page", type=Path, help="a page with a block <!-- ablations SIZE [trained] -->")
    given = parser.parse_args()
    budget = Budget(**{name: getattr(given, name) for name in asdict(Budget())})
    structures = given.structures or given.out / "structures"
    for name in given.variants:
        if budget.start:
            write_start(name, budget, given.out)
        run = run_of(name, budget, given.photos, given.out, structures)
        run = replace(run, loop=replace(run.loop, minutes=given.minutes_per_variant))
        train_variant(run, VARIANTS[name].seed)
    done = [name for name in given.variants if steps_done(given.out / name) == budget.steps]
    if WHOLE not in done:
        raise SystemExit("the whole network is not finished; give the command again")
    document = judge(done, budget, given.validation, given.out)
    for suffix, text in (("json", json.dumps(document, indent=1)), ("md", table(document))):
        with replacing(given.out / f"ablations.{suffix}") as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    if given.page is not None:
        publish(document, given.page)
    print(table(document))


def network_of(variant: Variant, budget: Budget) -> MedfeRecipeConfig:
    """The preset's own recipe, with the variant's network and a warm-up that fits a short run."""
    recipe = RECIPES[budget.preset](variant.mode)  # type: ignore[arg-type]  # of the table above
    network = replace(recipe.network, native_size=budget.size, **variant.switches)
    return replace(recipe, network=network, warmup=budget.steps // 10)


def run_of(name: str, budget: Budget, photos: Path, out: Path, structures: Path) -> MedfeRun:
    """The training of one variant; all that differs between variants is the network, or the seed."""
    folder = out / name
    return MedfeRun(
        data=DataConfig(photos, size=budget.size, structures=structures),
        loop=LoopConfig(
            folder,
            steps=budget.steps,
            batch_size=budget.batch_size,
            seed=VARIANTS[name].seed,
            average=0.98,
            resume=bool(list_checkpoints(folder)),
            save_every=SAVE_EVERY,
            log_every=10,
        ),
        recipe=network_of(VARIANTS[name], budget),
        start=str(folder / STARTING) if budget.start else None,
    )


def write_start(name: str, budget: Budget, out: Path) -> None:
    """Write what the variant begins with: of the trained weights all that its network has a place for."""
    config = network_of(VARIANTS[name], budget).network
    (out / name).mkdir(parents=True, exist_ok=True)
    state = inherited(load_family(budget.start, "medfe").state, config)
    save_weights(out / name / STARTING, family="medfe", config=config, state=state, name=name)


def inherited(state: Mapping[str, Tensor], config: MedfeConfig) -> dict[str, Tensor]:
    """Tensors that a network with parts switched off has; of layers that read two parts, the half left."""
    places = build_medfe(config).state_dict()
    kept = {name: tensor for name, tensor in state.items() if name in places}
    for name in kept.keys() & JOINED.keys():
        halves = zip(kept[name].chunk(2, dim=1), JOINED[name], strict=True)
        kept[name] = torch.cat([half for half, switch in halves if getattr(config, switch)], dim=1)
    return kept


def train_variant(run: MedfeRun, seed: int) -> None:
    """Go on from the newest checkpoint, or begin; note what the steps of this sitting cost."""
    folder, before = run.loop.out, steps_done(run.loop.out)
    if before == run.loop.steps:
        return
    pairs = TrainingPairs(run.data, seed=seed)
    # Structure targets are kept: if the first variant computed them, it alone would pay.
    for index in range(before * run.loop.batch_size, run.loop.steps * run.loop.batch_size):
        pairs[index]
    print(f"{folder.name}: from step {before}", flush=True)
    wall, processor = time.monotonic(), time.process_time()
    train_medfe(run)
    cost = {
        "steps": steps_done(folder) - before,
        "wall_seconds": time.monotonic() - wall,
        "processor_seconds": time.process_time() - processor,
    }
    with (folder / "costs.jsonl").open("a") as file:
        file.write(json.dumps(cost) + "\n")


def steps_done(folder: Path) -> int:
    """Steps of the newest checkpoint; 0 without one."""
    found = list_checkpoints(folder)
    return int(found[-1].stem.split("-")[1]) if found else 0


def seconds_per_step(folder: Path, name: str) -> float | None:
    """Mean over the sittings that came to an end; None if all were killed."""
    path = folder / "costs.jsonl"
    costs = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    steps = sum(cost["steps"] for cost in costs)
    return sum(cost[name] for cost in costs) / steps if steps else None


def write_untrained(config: MedfeConfig, folder: Path) -> Path:
    """A network that adds nothing to its prefill: the surroundings diffused into the hole."""
    network = build_medfe(config)
    assert network.decoder.detail is not None  # the small preset has that layer
    with torch.no_grad():
        network.decoder.detail.weight.zero_()
        network.decoder.detail.bias.zero_()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.safetensors"
    save_weights(path, family="medfe", config=config, state=network.state_dict(), name=UNTRAINED)
    return path


def judge(names: Sequence[str], budget: Budget, validation: Path, out: Path) -> dict[str, Any]:
    """Answer the same holes with each variant's network alone, and compare each with the whole one."""
    files = {name: str(out / name / "model.safetensors") for name in names}
    config = network_of(VARIANTS[WHOLE], budget).network
    if budget.start:
        files[START] = budget.start
    elif config.residual_output:
        files[UNTRAINED] = str(write_untrained(config, out / UNTRAINED))
    inpainters = {name: load(path, device="cpu", detail="none") for name, path in files.items()}
    output = Output(out / "report", out / "cache", page=False)
    report = evaluate(validation, inpainters, output, protocol=budget.protocol)
    rows = []
    for name in inpainters:
        state = load_family(files[name], "medfe").state
        rows.append(
            {
                "name": name,
                "label": VARIANTS[name].label if name in VARIANTS else BASELINES[name],
                "parameters": sum(tensor.numel() for tensor in state.values()),
                "processor_seconds_per_step": seconds_per_step(out / name, "processor_seconds"),
                "wall_seconds_per_step": seconds_per_step(out / name, "wall_seconds"),
                "figures": figures(report, name),
            }
        )
    return {
        "budget": asdict(budget),
        "protocol": report.tag,
        "cases": report.cases_hash,
        "versions": dict(report.versions),
        "variants": rows,
    }


def figures(report: Report, name: str) -> dict[str, dict[str, float]]:
    """Metric -> mean with its interval, and the paired difference to the whole network with its own."""
    found = {}
    for metric_name in MEASURED:
        ours, whole = (
            [row.scores[metric_name] for row in report.rows if row.model == model] for model in (name, WHOLE)
        )
        low, high = bootstrap_interval(ours)
        test = paired_test(ours, whole)
        found[metric_name] = {
            "mean": sum(ours) / len(ours),
            "low": low,
            "high": high,
            "difference": test.difference,
            "difference_low": test.low,
            "difference_high": test.high,
            "p": test.p,
        }
    return found


def table(document: Mapping[str, Any]) -> str:
    """The Markdown table: means, and below each the difference to the whole network."""
    heads = [f"{METRICS[name].label}{_unit(name)}" for name in MEASURED]
    lines = [
        f"| network | parameters | s per step | {' | '.join(heads)} |",
        f"|---|--:|--:|{'---|' * len(heads)}",
    ]
    for row in document["variants"]:
        seconds = row["processor_seconds_per_step"]
        cells = [cell(name, row["figures"][name], row["name"] == WHOLE) for name in MEASURED]
        trained = row["name"] != UNTRAINED
        lines.append(
            f"| {row['label']} | {format(row['parameters'], ',') if trained else '-'} | "
            f"{'-' if seconds is None else format(seconds, '.2f')} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)


def cell(name: str, figure: Mapping[str, float], whole: bool) -> str:
    """A mean; for all but the whole network its difference and interval, bold if zero lies outside it."""
    digits = METRICS[name].digits
    mean = f"{figure['mean']:.{digits}f}"
    if whole:
        return mean
    # One digit more than the means: the differences are that small.
    difference, low, high = (
        f"{figure[key]:+.{digits + 1}f}".replace("-", "−")
        for key in ("difference", "difference_low", "difference_high")
    )
    beyond = figure["difference_low"] > 0 or figure["difference_high"] < 0
    return f"{mean}; {f'**{difference}**' if beyond else difference} [{low}, {high}]"


def _unit(name: str) -> str:
    """The unit of a metric, after a comma."""
    return f", {METRICS[name].unit}" if METRICS[name].unit else ""


def publish(document: Mapping[str, Any], page: Path) -> None:
    """Replace the page's table of this kind of budget."""
    mark = Budget(**document["budget"]).mark
    block = f"<!-- {mark} -->\n{table(document)}\n<!-- end of {mark} -->"
    text, count = re.subn(
        f"<!-- {mark} -->.*?<!-- end of {mark} -->", lambda _: block, page.read_text(), flags=re.S
    )
    if not count:
        raise SystemExit(f"{page} has no block <!-- {mark} -->; put one where the table belongs")
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
