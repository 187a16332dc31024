"""The models of a server by name: each is loaded once, on its first use, and then shared by all requests."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from twofold.errors import ImageError, InputError, MaskError, TwofoldError
from twofold.inpainter import Inpainter, Progress, Result, Sample
from twofold.serve.jobs import Stopped
from twofold.serve.labels import LIMITS, Label, chosen, note_of, read_label
from twofold.serve.refusals import Refusal, unavailable

if TYPE_CHECKING:
    from twofold.inpainter import Detail
    from twofold.pixels import ImageLike, MaskLike
    from twofold.serve.settings import Settings

State = Literal["ready", "loading", "idle", "failed"]
Cancelled = Callable[[], bool]

TRY_AGAIN = 30.0
"""Seconds in which a model that could not be loaded is not tried again."""
_TICK = 0.05
_log = logging.getLogger("twofold.serve")


class Cupboard:
    """Gives each job an inpainter of its own around a model that all jobs share.

    Attributes:
        names: what can be asked for, the default first.
        default: the model of requests that name none.
        on_batch: is told how many crops a network was given at once.
        on_load: is told which model was loaded, and in how many seconds.
    """

    def __init__(self, settings: Settings) -> None:
        """Look at the models' files; nothing is loaded, and torch is not imported.

        Raises:
            CheckpointError: if there is no such file.
        """
        self.names = settings.names
        self.default = self.names[0]
        self.on_batch: Callable[[int], None] = lambda size: None
        self.on_load: Callable[[str, float], None] = lambda model, seconds: None
        self._shelves = {
            name: _Shelf(name, model, settings, self)
            for name, model in zip(self.names, settings.models, strict=True)
        }

    @property
    def ready(self) -> bool:
        """Whether the default model can answer."""
        return self._shelves[self.default].is_ready()

    def warm_up(self) -> None:
        """Load the default model; what goes wrong is logged and shows in ``describe``."""
        try:
            self._shelves[self.default].load(None)
        except Refusal as refusal:
            _log.error("%s", refusal.detail)

    def describe(self) -> list[dict[str, Any]]:
        """What can be asked for: the fields of ``schema.ModelAnswer``."""
        return [
            {**shelf.describe(), "default": name == self.default} for name, shelf in self._shelves.items()
        ]

    def check(self, name: str | None, options: Mapping[str, Any] | None, detail: str = "auto") -> str:
        """The name of the model that a request means; what it cannot do is refused without loading it.

        Raises:
            Refusal: if there is no such model (404), or it takes no such options (400).
        """
        return self._shelf(name).check(options, detail)

    def get(
        self,
        name: str | None = None,
        options: Mapping[str, Any] | None = None,
        cancelled: Cancelled | None = None,
        detail: Detail = "auto",
    ) -> _Turn:
        """An inpainter for one job; on first use the model is loaded in the calling thread.

        Args:
            name: one of ``names``; None: the default. Nothing else of this machine can be reached.
            options: what to change of how the model samples.
            cancelled: asked now and then while the job waits for the model.
            detail: see ``twofold.load``.

        Raises:
            Refusal: as ``check``, and if the model cannot be loaded (503).
            InputError: if the model does not take these values of options.
            Stopped: if the job is cancelled while it waits; ``fill`` raises this or ``CallCancelled``.
        """
        shelf = self._shelf(name)
        shelf.check(options, detail)
        return shelf.painter(options, cancelled, detail)

    def close(self) -> None:
        """End the threads of all networks; nothing can be filled any more."""
        for shelf in self._shelves.values():
            shelf.close()

    def _shelf(self, name: str | None) -> _Shelf:
        shelf = self._shelves.get(self.default if name is None else name)
        if shelf is None:
            raise Refusal(
                404, "unknown_model", f"there is no such model here; choose from {', '.join(self.names)}"
            )
        return shelf


class _Shelf:
    """One model, loaded or not."""

    def __init__(self, name: str, model: str, settings: Settings, cupboard: Cupboard) -> None:
        self.name, self._model = name, model
        self._settings, self._cupboard = settings, cupboard
        self.state: State = "idle"
        self.last_used: float | None = None
        self._label: Label = read_label(model)
        self._lock = threading.Lock()
        self._failed_at = 0.0
        self._painter: Inpainter | None = None
        self._closed = False

    def is_ready(self) -> bool:
        """Whether it is loaded."""
        return self.state == "ready"

    def describe(self) -> dict[str, Any]:
        """All of ``schema.ModelAnswer`` but whether this is the default."""
        label = self._label
        options = {
            name: {"default": value, "minimum": LIMITS[name][0], "maximum": LIMITS[name][1]}
            for name, value in label.options.items()
        }
        return {
            "name": self.name,
            "diverse": label.diverse,
            "state": self.state,
            "options": options,
            "native_size": label.native_size,
            "note": label.note,
        }

    def check(self, options: Mapping[str, Any] | None, detail: str) -> str:
        """Refuse what this model cannot do."""
        if options and not (self._label.kind == "network" and self._label.diverse):
            raise InputError(
                f"{self.name} takes no sampling options; leave them out, or use a model that samples"
            )
        if detail != "auto" and self._label.kind != "network":
            raise InputError(f"{self.name} fills in its own way and takes no detail; leave it out")
        return self.name

    def painter(
        self, options: Mapping[str, Any] | None, cancelled: Cancelled | None, detail: Detail
    ) -> _Turn:
        """See ``Cupboard.get``."""
        self.load(cancelled)
        self.last_used = time.monotonic()
        if self._painter is None:
            raise unavailable(f"{self.name} is closed: the server is stopping")
        asked = {key: value for key, value in (("options", options), ("detail", detail)) if value}
        if detail == "auto":
            del asked["detail"]
        return _Turn(self._painter, self._lock, cancelled, self._label.kind == "command", asked)

    def load(self, cancelled: Cancelled | None) -> None:
        """Load the model unless it is there; others wait meanwhile.

        Raises:
            Refusal: if it cannot be loaded, or could not a moment ago.
            Stopped: if the caller is cancelled while it waits.
        """
        if self.is_ready():
            return
        with _taking(self._lock, cancelled):
            if self.is_ready():
                return
            if self._closed or (self.state == "failed" and time.monotonic() < self._failed_at + TRY_AGAIN):
                raise self._cannot()
            self.state, start = "loading", time.monotonic()
            try:
                self._open()
            except Exception as error:
                self.state, self._failed_at = "failed", time.monotonic()
                shown = None if isinstance(error, TwofoldError) else error
                _log.error("model %s cannot be loaded: %s", self.name, error, exc_info=shown)
                raise self._cannot() from error
            self.state = "ready"
        self._cupboard.on_load(self.name, time.monotonic() - start)

    def close(self) -> None:
        """End the network's thread."""
        self._closed, self.state, self._painter = True, "idle", None

    def _cannot(self) -> Refusal:
        return unavailable(
            f"{self.name} cannot be used now; choose another one, or ask who runs the server to see its log",
            round(TRY_AGAIN),
        )

    def _open(self) -> None:
        """Load what the model needs, torch included."""
        import torch

        settings = self._settings
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        from twofold.engine.load import load

        network = self._label.kind == "network"
        limit = settings.max_memory if network else None
        painter = load(self._model, device=settings.device, max_memory=limit)
        self._painter = painter
        if network:
            options = chosen(dict(painter.options))
            diverse = bool(painter.options)
            self._label = replace(self._label, diverse=diverse, options=options, note=note_of(diverse))
        else:
            self._label = replace(self._label, diverse=painter.diverse)


class _Turn:
    """An inpainter that many jobs share one after the other, as one job sees it."""

    def __init__(
        self,
        painter: Inpainter,
        lock: threading.Lock,
        cancelled: Cancelled | None,
        foreign: bool,
        asked: Mapping[str, Any],
    ) -> None:
        self._painter, self._lock, self._cancelled, self._foreign = painter, lock, cancelled, foreign
        self._asked = asked

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._painter.name

    def fill(
        self,
        image: ImageLike,
        mask: MaskLike,
        samples: int = 1,
        seed: int = 0,
        *,
        progress: Progress | None = None,
        on_sample: Callable[[Sample], None] | None = None,
    ) -> Result:
        """Wait for the turn, and fill; see ``Inpainter.fill``.

        Raises:
            Stopped: if the job is cancelled while it waits.
            Refusal: if another program fails; what it said is not for clients.
        """
        with _taking(self._lock, self._cancelled):
            try:
                return self._painter.fill(
                    image, mask, samples, seed, progress=progress, on_sample=on_sample, **self._asked
                )
            except (ImageError, MaskError):
                raise
            except InputError as error:
                if not self._foreign:
                    raise
                _log.error("%s", error)
                raise unavailable(f"{self.name} failed at this picture; choose another model", 30) from error


@contextmanager
def _taking(lock: threading.Lock, cancelled: Cancelled | None) -> Iterator[None]:
    """Hold a lock; a job that is cancelled while it waits for it leaves."""
    while not lock.acquire(timeout=_TICK):
        if cancelled is not None and cancelled():
            raise Stopped("cancelled")
    try:
        yield
    finally:
        lock.release()
