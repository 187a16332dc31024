"""The same job on a Ray cluster: Ray Data workers out names, actors fill, and nobody sends pixels around.

Each actor owns a pool of one worker process, so a picture that crashes its decoder ends that process and
not the actor; actors that die, or whose machines do, are started again by Ray, which repeats what they
had in hand. Whatever is repeated ends in the same bytes.
"""

import logging
import os
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from twofold.batch.naming import Task
from twofold.batch.storage import RemoteStorage, Storage, open_storage
from twofold.batch.work import Answer, Settings, Work
from twofold.batch.worker import Hello
from twofold.batch.worker_pool import WorkerPool
from twofold.engine.model_name import read_name
from twofold.errors import InputError, MissingExtraError, TwofoldError

TASKS_AT_ONCE = 16
"""An actor is handed so many names at a time; when it dies, at most a few such handfuls are repeated."""
_MOST_BLOCKS = 20_000


class Cluster:
    """Actors of a Ray cluster, behind the same methods as ``WorkerPool``.

    The cluster is the one that ``RAY_ADDRESS`` names, or that Ray is connected to already, else one is
    started on this machine and stopped at the end.

    Attributes:
        workers: how many actors there are.
        hello: what one of them said of the model.
    """

    def __init__(
        self,
        work: Work,
        out: Storage,
        *,
        workers: int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Connect, and have one actor load the model.

        Args:
            work: what workers are told.
            out: where files go; every machine of the cluster must see it, and the inputs, under this name.
            workers: None: one for each GPU if the model uses one, else for each CPU of the cluster.
            timeout: seconds that one picture may take.

        Raises:
            MissingExtraError: if Ray is not installed.
            TwofoldError: if the model cannot be used.
        """
        self._ray = _import_ray()
        self._ours = not self._ray.is_initialized()
        if self._ours:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            self._ray.init(logging_level=logging.WARNING, log_to_driver=False, include_dashboard=False)
        resources = self._ray.cluster_resources()
        gpu = 1 if _wants_gpu(work.settings, resources) else 0
        threads = work.settings.threads
        self._needs = {"num_cpus": threads, "num_gpus": gpu}
        self._arguments = {"work": work, "out": out.text, "timeout": timeout}
        self.workers = workers or max(1, int(resources.get("GPU", 0) if gpu else resources["CPU"] // threads))
        try:
            ask = self._ray.remote(**self._needs, max_retries=2)(_hello)
            said = pickle.loads(self._ray.get(ask.remote(self._arguments)))
            if said.refusal is not None:
                raise said.refusal
        except BaseException:
            self.close()
            raise
        self.hello: Hello = said

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """Fill pictures; answers come as they are ready, their files at their place.

        Raises:
            TwofoldError: if an actor cannot go on, for example because OUT cannot be written to.
        """
        rows = [{"task": pickle.dumps(task)} for task in tasks]
        if not rows:
            return
        data = self._ray.data
        data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)  # "bars are disabled"
        few = min(len(rows), 4 * self.workers)  # of a short job every actor gets some
        blocks = min(_MOST_BLOCKS, max(few, -(-len(rows) // TASKS_AT_ONCE)))
        answers = data.from_items(rows, override_num_blocks=blocks).map_batches(
            _FillActor,
            fn_constructor_kwargs=self._arguments,
            batch_size=TASKS_AT_ONCE,
            batch_format="numpy",
            # Ray Data starts actors again, and repeats their tasks, however often they die. That is what we
            # want: no picture can kill an actor.
            compute=data.ActorPoolStrategy(size=min(self.workers, blocks)),
            **self._needs,
        )
        try:
            for row in answers.iter_rows():
                yield pickle.loads(row["answer"])
        except self._ray.exceptions.RayError as error:
            raise _cause(error) from error

    def close(self) -> None:
        """Stop the cluster if it was started here."""
        if self._ours:
            self._ray.shutdown()


class _FillActor:
    """Lives in an actor and holds the model, in a worker process of its own."""

    def __init__(self, work: Work, out: str, timeout: float | None) -> None:
        place = open_storage(out)
        if isinstance(place, RemoteStorage):  # then files wait on the actor's own machine
            self._folder = tempfile.TemporaryDirectory(prefix="twofold-", ignore_cleanup_errors=True)
            work = replace(work, staging=Path(self._folder.name))
        self.pool = WorkerPool(work, place, workers=1, timeout=timeout)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Fill a handful of pictures."""
        tasks = [pickle.loads(task) for task in batch["task"]]
        return {"answer": [pickle.dumps(answer) for answer in self.pool.run(tasks)]}


def _hello(arguments: dict[str, Any]) -> bytes:
    """What a worker on some machine of the cluster says of the model."""
    try:
        pool = _FillActor(**arguments).pool
    except TwofoldError as error:
        return pickle.dumps(Hello(refusal=error))
    pool.close()
    return pickle.dumps(pool.hello)


def _wants_gpu(settings: Settings, resources: dict[str, float]) -> bool:
    """Whether an actor should have a GPU to itself."""
    if read_name(settings.model).kind in ("classical", "command"):
        return False
    return settings.device.startswith("cuda") or (settings.device == "auto" and resources.get("GPU", 0) > 0)


def _cause(error: BaseException) -> TwofoldError:
    """Our own error inside one of Ray's, else Ray's in a sentence."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, TwofoldError) and not hasattr(inner, "as_instanceof_cause"):
            return inner
        inner = getattr(inner, "cause", None) or inner.__cause__
    last = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
    return InputError(f"the Ray job ended ({last}); look at the cluster, and run the same command again")


def _import_ray() -> Any:
    try:
        ray: Any = import_module("ray")
        import_module("ray.data")
    except ImportError as error:
        raise MissingExtraError(
            f"--ray needs Ray Data, which cannot be imported ({error}); pip install 'twofold[ray]'"
        ) from error
    return ray
