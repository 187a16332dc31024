"""An inpainter around a network, whatever runs it: read, choose windows, cut, fill, finish, paste."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import partial
from os import PathLike
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from twofold.engine.backends.tile_network import TileNetwork
from twofold.engine.crops.tiles import paste
from twofold.engine.crops.windows import choose_windows
from twofold.engine.detail.policy import DETAIL_VERSION, finished_values
from twofold.engine.fingerprints import file_digest, twofold_version
from twofold.engine.memory import choose_plan
from twofold.engine.samples import Sampler, Selection, least_size
from twofold.errors import InputError
from twofold.inpainter import DETAILS, Channels, Detail, Inpainter, Progress, Result, Sample, SamplingChanges
from twofold.pixels import in_order, read_hole, read_photo, replacing

if TYPE_CHECKING:
    from twofold.pixels import ImageLike, MaskLike

AT_ONCE = 8
"""So many samples are drawn as one batch; more need more memory and gain little speed."""


class Settings(TypedDict, total=False):
    """What a network of any runtime is loaded with, beside what it runs on.

    Attributes:
        options: how it samples where ``fill`` is not told; None: by its own options.
        detail: what answers get of their surroundings: ``auto`` detail where a window was scaled down
            and pieces merged elsewhere, ``none`` nothing, ``always`` detail everywhere.
        max_memory: bytes that a call of ``fill`` may take beside the program, the weights and the
            picture; None: no limit. Kept by fewer answers at once, smaller tiles, and no detail.
    """

    options: SamplingChanges
    detail: Detail
    max_memory: int | None


class NetworkInpainter(Inpainter):
    """Fills holes of any size in pictures of any size with one network.

    The same seed gives the same pictures on the same machine.
    """

    def __init__(
        self,
        network: TileNetwork,
        name: str,
        *,
        runtime: str,
        files: Sequence[Path] = (),
        **settings: Unpack[Settings],
    ) -> None:
        """Take a network.

        Args:
            network: fills tiles.
            name: for reports.
            runtime: what computes the answers, such as ``torch 2.13.0, cpu``.
            files: that hold the network; none: its origin is not known, and there is no fingerprint.
            settings: see ``Settings``.

        Raises:
            InputError: if there is no such detail, or the network does not take the options.
        """
        self._network, self.name, self._runtime, self._files = network, name, runtime, files
        self._digest = file_digest(*files) if files else None
        self._options = choose_options(network, network.default_options, settings.get("options"), name)
        self._detail, self._max_memory = _checked(settings.get("detail", "auto")), settings.get("max_memory")

    @property
    def diverse(self) -> bool:  # type: ignore[override]  # of networks, their options decide
        """Whether another seed gives another answer."""
        return self._options is not None and bool(self._options.diverse)

    @property
    def options(self) -> dict[str, Any]:
        """How the network samples, by name; empty if it takes no options."""
        return {} if self._options is None else asdict(self._options)

    @property
    def fingerprint(self) -> str | None:
        """Name, digest of the weights, options other than the network's own, versions, kind of device.

        None where the weights' origin is not known: then answers may not be kept.
        """
        if self._digest is None:
            return None
        changed = []
        if self._options != self._network.default_options:
            changed += [f"{name}={value}" for name, value in self.options.items()]
        changed.append(f"detail={self._detail}-{DETAIL_VERSION}")
        if self._max_memory is not None:
            changed.append(f"max_memory={self._max_memory}")
        return ", ".join([" ".join([self.name, self._digest, *changed]), twofold_version(), self._runtime])

    def fill(
        self,
        image: ImageLike,
        mask: MaskLike,
        samples: int = 1,
        seed: int = 0,
        *,
        options: SamplingChanges = None,
        detail: Detail | None = None,
        channels: Channels = "RGB",
        progress: Progress | None = None,
        on_sample: Callable[[Sample], None] | None = None,
    ) -> Result:
        """Fill the white part of ``mask`` in ``image``, see ``twofold.Inpainter.fill``.

        Windows larger than the network's largest size are scaled down, and their answers get detail from
        the surroundings when they are scaled up. A 16-bit picture keeps its depth; the
        network itself sees and answers 8 bits. Alpha is kept as it is.

        Of a network that samples, a sample that hardly differs from an earlier one is drawn again by
        seeds of its own, up to four times; so sample i depends on those before it only. A network
        with one best answer computes it once.

        Raises:
            InputError: if image, mask, samples, seed, options or detail cannot be used, or the memory does
                not suffice.
        """
        if samples < 1 or seed < 0:
            raise InputError(f"samples is {samples} and seed {seed}; give samples from 1 and seed from 0 on")
        network, chosen = self._network, choose_options(self._network, self._options, options, self.name)
        diverse = chosen is not None and bool(chosen.diverse)
        photo = read_photo(image)
        pixels, hole = in_order(photo.pixels, channels), read_hole(mask, photo.height, photo.width)
        plan = choose_plan(
            network,
            pixels,
            samples,
            diverse=diverse,
            limit=self._max_memory,
            at_once=AT_ONCE,
            detail=self._detail if detail is None else _checked(detail),
        )
        least, largest = least_size(network), plan.largest_size
        windows = choose_windows(hole, network.native_size, least_size=least, largest_size=largest)
        sampler = Sampler(
            network,
            pixels,
            hole,
            windows,
            largest_size=largest,
            finish=partial(finished_values, pixels, hole, detail=plan.detail, calm=not diverse),
            seed=seed,
            options=chosen,
            progress=progress,
        )
        answers: list[Sample] = []

        def give(sample: Sample) -> None:
            answers.append(sample)
            if on_sample is not None:
                on_sample(sample)

        if diverse and windows:
            sampler.expect(samples)
            selection = Selection(samples, plan.at_once)
            while selection.wanted:
                for one in selection.add(sampler.draw(selection.wanted)):
                    give(replace(one, image=in_order(paste(pixels, one.image, windows), channels)))
        else:
            sampler.expect(1)
            only = sampler.draw([(0, 0)])[0] if windows else Sample(pixels[:0, :0])
            for index in range(samples):
                give(replace(only, image=in_order(paste(pixels, only.image, windows), channels), index=index))
        return Result(answers, self.name, seed, {} if chosen is None else asdict(chosen))

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Copy the network's files, with card and licence, to a folder that ``from_pretrained`` reads.

        Raises:
            InputError: if the network was not loaded from files, or the folder cannot be written.
        """
        if not self._files:
            raise InputError(
                f"{self.name} was not loaded from files; write its weights by "
                "twofold.checkpoints.format.save_weights"
            )
        target = Path(folder)
        beside = [self._files[0].with_name(name) for name in ("README.md", "LICENSE")]
        try:
            target.mkdir(parents=True, exist_ok=True)
            for file in [*self._files, *(file for file in beside if file.is_file())]:
                with replacing(target / (file.name if file in beside else self._saved_name(file))) as part:
                    copyfile(file, part)
        except OSError as error:
            raise InputError(
                f"cannot save {self.name} in {target}: {error.strerror or error}; choose another folder"
            ) from error

    def _saved_name(self, file: Path) -> str:
        return "model.safetensors" if file.suffix == ".safetensors" else file.name


def choose_options(network: TileNetwork, own: Any, changes: SamplingChanges, name: str) -> Any:
    """The options of a call: ``own``, with what is to be changed.

    Args:
        network: that is to follow them.
        own: what to change; None for networks with one best answer.
        changes: see ``SamplingChanges``.
        name: of the network, for messages.

    Raises:
        InputError: if the network does not take them.
    """
    if changes is None:
        return own
    if own is None:
        raise InputError(
            f"{name} gives one best answer and takes no sampling options; "
            "use a model that samples, such as dsi-small"
        )
    options = changes
    if isinstance(changes, Mapping):
        known = [field.name for field in fields(own)]
        unknown = [key for key in changes if key not in known]
        if unknown:
            raise InputError(f"{name} takes no option {unknown[0]!r}; it takes {', '.join(known)}")
        try:
            options = replace(own, **changes)
        except TypeError as error:  # a value of another kind, such as text for a number
            raise InputError(f"options {dict(changes)} of {name} cannot be used ({error})") from error
    if type(options) is not type(own):
        raise InputError(
            f"{name} takes no options of type {type(options).__name__}; "
            f"give {type(own).__name__} or a dict of what to change"
        )
    network.check_options(options)
    return options


def _checked(detail: Detail) -> Detail:
    if detail not in DETAILS:
        raise InputError(f"detail is {detail!r}; choose from {', '.join(DETAILS)}")
    return detail
