"""Run inpainters over a protocol, measure every answer, and report."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from twofold.engine.load import load
from twofold.errors import InputError
from twofold.evaluate.costs import measured
from twofold.evaluate.items import Item, Items
from twofold.evaluate.metrics import BEST, metric, of_kind
from twofold.evaluate.networks import FeatureNetworks, Network
from twofold.evaluate.precomputed import PREFIX, PrecomputedAnswers
from twofold.evaluate.protocol import Protocol
from twofold.evaluate.report import ItemPictures, check_page_extra, choose_items, write_report
from twofold.evaluate.results import Report, Row, Timing, library_versions
from twofold.evaluate.scores import Scorer
from twofold.evaluate.sets import Matrix, check_enough, embed, few_pictures, networks_of, set_figures
from twofold.evaluate.store import Answers, Store
from twofold.inpainter import Inpainter
from twofold.pixels import composite

Progress = Callable[[str, int, int], None]
"""Called after each item with the model's name, items so far, and items to come in all."""

DEFAULT_PROTOCOL = Protocol()
"""That of the bundled weights."""
PHOTOGRAPHS = "photographs"
"""Owner, in the store, of the features of the true pictures."""


@dataclass(frozen=True)
class Output:
    """What an evaluation leaves behind.

    Attributes:
        folder: for the report's files; None writes nothing.
        cache: folder that keeps answers, scores and features, so that a run that was killed goes on and
            the next one is quick; None: ``cache`` in ``folder``, or nothing is kept.
        page: whether to write ``report.html``; needs the extra ``evaluate``.
        pictures: items that the page shows, the worst and the best by the first model.
    """

    folder: Path | None = None
    cache: Path | None = None
    page: bool = True
    pictures: int = 40


def evaluate(
    images: Path,
    models: Sequence[str | Inpainter] | Mapping[str, Inpainter],
    out: Path | Output | None = None,
    *,
    protocol: Protocol = DEFAULT_PROTOCOL,
    device: str = "auto",
    progress: Progress | None = None,
) -> Report:
    """Measure models on a folder of photographs, by hole ratio and kind of hole.

    Answers of inpainters that tell a ``fingerprint`` are kept and not computed again; see ``Output``.

    Args:
        images: folder of photographs, at any depth.
        models: anything that ``twofold.engine.load.load`` understands (bundled models, weights files,
            classical methods, foreign model files, command lines), ``results:FOLDER`` (see
            ``twofold.evaluate.precomputed``), or inpainters. Where two have one name, the later is reported
            as it was given here. A mapping gives each inpainter the name it is reported under.
        out: folder for the report, or all that is to be left behind; None writes nothing.
        protocol: which crops, holes and metrics.
        device: for the networks; see ``load``.
        progress: called after each item.

    Returns:
        The report, models in the order given.

    Raises:
        InputError: if no model is given, or two of one name.
        CheckpointError: if weights of a model or of a metric cannot be found.
        MissingExtraError: if a package of a model, a metric or the page is not installed.
        TrainingError: if ``images`` holds no photograph that can be read.
    """
    output = out if isinstance(out, Output) else Output(folder=out)
    if output.folder is not None and output.page:
        check_page_extra()
    items = protocol.items(images)
    inpainters = named(models, items, device)
    with _stores(output, protocol.seed) as stores:
        run = Evaluation(items, protocol, stores)
        report = run.report(inpainters, progress)
        if output.folder is not None:
            pictures = (
                run.pictures(inpainters, choose_items(report, output.pictures)) if output.page else None
            )
            write_report(report, output.folder, pictures, page=output.page)
    return report


def named(
    models: Sequence[str | Inpainter] | Mapping[str, Inpainter], items: Items, device: str
) -> dict[str, Inpainter]:
    """Build the inpainters and give each a name of its own for the report.

    Raises:
        InputError: if no model is given, or two of one name.
    """
    found: dict[str, Inpainter] = dict(models) if isinstance(models, Mapping) else {}
    for model in () if isinstance(models, Mapping) else models:
        inpainter: Inpainter
        if not isinstance(model, str):
            inpainter = model
        elif model.partition("=")[2].startswith(PREFIX):
            label, _, folder = model.partition(f"={PREFIX}")
            inpainter = PrecomputedAnswers(Path(folder), items, name=label)
        elif model.startswith(PREFIX):
            inpainter = PrecomputedAnswers(Path(model.removeprefix(PREFIX)), items)
        else:
            inpainter = load(model, device=device)
        name = inpainter.name if inpainter.name not in found else str(model)
        if name in found:
            raise InputError(f"{name} is given twice; name each model once")
        found[name] = inpainter
    if not found:
        raise InputError("no model is given to evaluate; name at least one, for example opencv-telea")
    return found


@dataclass(frozen=True)
class Stores:
    """Where things are kept: for good, and until the end of this run."""

    lasting: Store
    passing: Store


@dataclass(frozen=True)
class Entrant:
    """A model in an evaluation.

    Attributes:
        name: in the report.
        inpainter: the model.
        samples: answers to each hole that it is asked for.
        store: where its answers are kept: for good only if it tells all that they depend on.
        owner: its name in the store.
    """

    name: str
    inpainter: Inpainter
    samples: int
    store: Store
    owner: str


class Evaluation:
    """Models, items and metrics of one protocol, on one store.

    Args:
        items: what is to be answered.
        protocol: which metrics, how many samples, which seed.
        stores: what is known already, and where it is kept.

    Raises:
        InputError: if a metric needs more photographs than there are.
        CheckpointError: if weights of a metric cannot be found or fetched.
    """

    def __init__(self, items: Items, protocol: Protocol, stores: Stores) -> None:
        self._cases = items
        self._protocol = protocol
        self._stores = stores
        self._names, self._warnings = _names(protocol)
        self._of_sets = of_kind(self._names, "set")
        self._of_cases = of_kind(self._names, "picture", "answers")
        check_enough(self._of_sets, len(items))
        self._networks = FeatureNetworks(protocol.resize)
        self._networks.prepare(self._names)
        self._embedding = networks_of(self._of_sets)
        self._scorer = Scorer(self._networks)

    def report(self, inpainters: Mapping[str, Inpainter], progress: Progress | None = None) -> Report:
        """Let every model answer every item, and measure."""
        entrants = self._entrants(inpainters)
        rows: dict[str, list[Row]] = {one.name: [] for one in entrants}
        timings: dict[str, list[Timing]] = {one.name: [] for one in entrants}
        features: dict[str, list[dict[Network, tuple[Matrix, ...]]]] = {one.name: [] for one in entrants}
        photographs = []
        # Item by item, not model by model: what networks see of the photograph serves all models.
        for done, item in enumerate(self._cases, start=1):
            for entrant in entrants:
                row, timing = self._measure(entrant, item)
                rows[entrant.name].append(row)
                timings[entrant.name].append(timing)
                features[entrant.name].append(self._embedded(entrant, item))
                if progress is not None:
                    progress(entrant.name, done, len(self._cases))
            photographs.append(self._embedded(None, item))
        truth = _joined(photographs)
        sets = [
            figure
            for one in entrants
            for figure in set_figures(one.name, self._of_sets, _joined(features[one.name]), truth)
        ]
        told = {one.name: getattr(one.inpainter, "fingerprint", None) or "not told" for one in entrants}
        return Report(
            tag=self._protocol.tag,
            description=self._protocol.description,
            metrics=self._names,
            rows=tuple(row for found in rows.values() for row in found),
            sets=tuple(sets),
            versions=library_versions() | told,
            samples=self._protocol.samples,
            warnings=(*self._warnings, *few_pictures(self._of_sets, len(self._cases))),
            timings=timings,
        )

    def pictures(self, inpainters: Mapping[str, Inpainter], keys: Sequence[str]) -> dict[str, ItemPictures]:
        """The pictures of some items, by key, for a page."""
        entrants = self._entrants(inpainters)
        found = {}
        for item in self._cases if keys else ():
            if item.key in keys:
                answers = {one.name: self._answers(one, item).images for one in entrants}
                found[item.key] = ItemPictures(item.image, item.hole, answers)
        return {key: found[key] for key in keys}

    def _entrants(self, inpainters: Mapping[str, Inpainter]) -> list[Entrant]:
        """The models with what they are asked for, and where their answers are kept."""
        found = []
        for name, inpainter in inpainters.items():
            samples = self._protocol.samples if getattr(inpainter, "diverse", False) else 1
            fingerprint = getattr(inpainter, "fingerprint", None)
            known = fingerprint is not None
            store = self._stores.lasting if known else self._stores.passing
            found.append(Entrant(name, inpainter, samples, store, str(fingerprint) if known else name))
        return found

    def _measure(self, entrant: Entrant, item: Item) -> tuple[Row, Timing]:
        """Answer one item, or take what is known, and compute the scores that are not."""
        answers = self._answers(entrant, item)
        known = entrant.store.scores(entrant.owner, item, entrant.samples)
        missing = [name for name in self._of_cases if name not in known]
        if missing:
            scores = self._scorer(answers.images, item, missing)
            entrant.store.keep_scores(entrant.owner, item, entrant.samples, scores)
            known |= scores
        chosen = {name: known[name] for name in self._of_cases}
        return Row(entrant.name, item.photo, item.key, item.kind, item.ratio, chosen), answers.timing

    def _embedded(self, entrant: Entrant | None, item: Item) -> dict[Network, tuple[Matrix, ...]]:
        """Network -> features of a model's answers to a item, or for None of the photograph."""
        samples = 1 if entrant is None else entrant.samples
        store = self._stores.lasting if entrant is None else entrant.store
        owner = PHOTOGRAPHS if entrant is None else entrant.owner
        found = {}
        for network in self._embedding:
            name = f"{network}-{self._networks.resize}" if network == "inception" else network
            known = store.features(name, owner, item, samples)
            if known is None:
                pictures = [item.image] if entrant is None else self._answers(entrant, item).images
                known = embed(self._networks, network, pictures)
                store.keep_features(name, owner, item, known)
            found[network] = known
        return found

    def _answers(self, entrant: Entrant, item: Item) -> Answers:
        """The answers to a item, composited: kept ones, or new ones, which are kept."""
        known = entrant.store.answers(entrant.owner, item, entrant.samples)
        if known is not None:
            return known
        seed = self._protocol.seed
        result, seconds, memory = measured(
            lambda: entrant.inpainter.fill(item.damaged, item.hole, samples=entrant.samples, seed=seed)
        )
        fills = [np.asarray(composite(item.image, one.image, item.hole), np.uint8) for one in result.samples]
        memory = getattr(entrant.inpainter, "last_memory", memory)
        answers = Answers(tuple(fills), Timing(seconds / entrant.samples, memory))
        entrant.store.keep_answers(entrant.owner, item, answers)
        return answers


def _names(protocol: Protocol) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The metrics to be measured, and a warning for those that cannot be."""
    names = list(protocol.metrics)
    if protocol.samples > 1:
        ranked = [name for name in of_kind(names, "picture") if metric(name).better != "neither"]
        best = [BEST + name for name in ranked]
        return tuple(dict.fromkeys([*names, *best, "diversity", "diversity-hole"])), ()
    alone = of_kind(names, "answers")
    if not alone:
        return tuple(names), ()
    shown = ", ".join(metric(name).label for name in alone)
    kept = tuple(name for name in names if name not in alone)
    return kept, (
        f"{shown}: not measured, as one answer to a hole was asked for; ask for samples 2 or more.",
    )


def _joined(features: Sequence[Mapping[Network, tuple[Matrix, ...]]]) -> dict[Network, tuple[Matrix, ...]]:
    """Features of single items, one after the other."""
    return {
        network: tuple(
            np.concatenate(parts) for parts in zip(*(one[network] for one in features), strict=True)
        )
        for network in features[0]
    }


@contextmanager
def _stores(output: Output, seed: int) -> Iterator[Stores]:
    """The store that lasts, if one is wanted, and one for this run alone."""
    folder = output.cache
    if folder is None and output.folder is not None:
        folder = output.folder / "cache"
    with TemporaryDirectory(prefix="twofold-") as temporary:
        passing = Store(Path(temporary), seed)
        yield Stores(passing if folder is None else Store(folder, seed), passing)
