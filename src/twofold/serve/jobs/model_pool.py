"""The models of a server by name: each is loaded on its first use, and lent to one job after the other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from twofold.engine.model_name import ModelName, read_name
from twofold.errors import ImageError, InputError, MaskError, TwofoldError
from twofold.inpainter import Inpainter
from twofold.serve.errors import ApiError, unavailable
from twofold.serve.jobs.model_info import read_info
from twofold.serve.schema import ModelAnswer
from twofold.serve.settings import Settings

Check = Callable[[], None]
"""Asked now and then while a job waits; raises if the job is to end."""

TRY_AGAIN = 30.0
"""Seconds in which a model that could not be loaded is not tried again."""
_TICK = 0.05
_log = logging.getLogger("twofold.serve")


class ModelPool:
    """Lends each job the model that it needs.

    Attributes:
        names: what can be asked for, the default first.
        default: the model of requests that name none.
        on_load: is told which model was loaded, and in how many seconds.
    """

    def __init__(self, settings: Settings) -> None:
        """Look at the models' files; nothing is loaded, and torch is not imported.

        Raises:
            CheckpointError: if there is no such file.
        """
        self.names = settings.names
        self.default = self.names[0]
        self.on_load: Callable[[str, float], None] = lambda model, seconds: None
        self._slots = {
            shown: _Slot(model, read_info(read_name(model), shown, default=shown == self.default), settings)
            for shown, model in zip(self.names, settings.models, strict=True)
        }

    @property
    def ready(self) -> bool:
        """Whether the default model can answer."""
        return self._slots[self.default].info.state == "ready"

    def warm_up(self) -> None:
        """Load the default model; what goes wrong is logged and shows in ``describe``."""
        try:
            with self.lease(self.default, lambda: None):
                pass
        except ApiError as error:
            _log.error("%s", error.detail)

    def describe(self) -> list[ModelAnswer]:
        """What can be asked for."""
        return [slot.info for slot in self._slots.values()]

    def check(self, name: str | None, options: Mapping[str, Any] | None = None, detail: str = "auto") -> str:
        """The name of the model that a request means; what it cannot do is refused without loading it.

        Raises:
            ApiError: 404 if there is no such model.
            InputError: if it takes no such options or detail.
        """
        name = self.default if name is None else name
        if name not in self._slots:
            names = ", ".join(self.names)
            raise ApiError(404, "unknown_model", f"there is no such model here; choose from {names}")
        slot = self._slots[name]
        if options and not (slot.is_network and slot.info.diverse):
            raise InputError(f"{name} takes no sampling options; leave them out, or use a model that samples")
        if detail != "auto" and not slot.is_network:
            raise InputError(f"{name} fills in its own way and takes no detail; leave it out")
        return name

    @contextmanager
    def lease(self, name: str, check: Check) -> Iterator[Lease]:
        """Have a model to oneself; on first use it is loaded in the calling thread.

        Args:
            name: one of ``names``. Nothing else of this machine can be reached.
            check: called now and then while the caller waits; what it raises ends the waiting.

        Raises:
            ApiError: 404 if there is no such model, 503 if it cannot be loaded, or if another program fails:
                what that said is not for clients.
        """
        slot = self._slots[self.check(name)]
        lease = Lease(slot, check)
        lease.take()
        try:
            if slot.inpainter is None:
                self.on_load(name, slot.load())
            yield lease
        except (ImageError, MaskError):
            raise
        except InputError as error:
            if slot.name.kind != "command":
                raise
            _log.error("%s", error)
            raise unavailable(f"{name} failed at this picture; choose another model", 30) from error
        finally:
            lease.give_back()


class _Slot:
    """One model, loaded or not."""

    def __init__(self, model: str, info: ModelAnswer, settings: Settings) -> None:
        self.name: ModelName = read_name(model)
        self.info = info
        self.lock = threading.Lock()
        self.inpainter: Inpainter | None = None
        self._model, self._settings = model, settings
        self._failed_at = 0.0

    @property
    def is_network(self) -> bool:
        """Whether it is a network of ours on PyTorch, which takes options and detail."""
        return self.name.kind == "network"

    def load(self) -> float:
        """Load the model, torch included, and say how many seconds that took; the lock is held.

        Raises:
            ApiError: if it cannot be loaded, or could not a moment ago.
        """
        info, start = self.info, time.monotonic()
        if info.state == "failed" and start < self._failed_at + TRY_AGAIN:
            raise self._cannot()
        info.state = "loading"
        try:
            self.inpainter = self._loaded()
        except Exception as error:
            info.state, self._failed_at = "failed", time.monotonic()
            shown = None if isinstance(error, TwofoldError) else error
            _log.error("model %s cannot be loaded: %s", info.name, error, exc_info=shown)
            raise self._cannot() from error
        if not self.is_network:
            info.diverse = self.inpainter.diverse
        info.state = "ready"
        return time.monotonic() - start

    def _loaded(self) -> Inpainter:
        import torch

        from twofold.engine.load import load

        settings = self._settings
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        # These are the process's, and fills that end would else reset them while others compute.
        cudnn = torch.backends.cudnn
        cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = False, True, False
        limit = settings.max_memory if self.is_network else None
        return load(self._model, device=settings.device, max_memory=limit)

    def _cannot(self) -> ApiError:
        return unavailable(
            f"{self.info.name} cannot be used now; choose another one, or ask who runs the server to see its "
            "log",
            round(TRY_AGAIN),
        )


class Lease:
    """A model while one job has it to itself."""

    def __init__(self, slot: _Slot, check: Check) -> None:
        self._slot, self._check, self._held = slot, check, False

    @property
    def inpainter(self) -> Inpainter:
        """The model."""
        assert self._slot.inpainter is not None, "it is loaded before it is lent"
        return self._slot.inpainter

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let others have the model inside the block, and wait for it again."""
        self.give_back()
        yield
        self.take()

    def take(self) -> None:
        """Wait for the model; what the job's check raises ends that."""
        while not self._slot.lock.acquire(timeout=_TICK):
            self._check()
        self._held = True

    def give_back(self) -> None:
        """Let others have the model."""
        if self._held:
            self._held = False
            self._slot.lock.release()
