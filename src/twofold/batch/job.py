"""A batch job from its plan to its summary; run again after any kill, it ends in the same files."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from twofold.batch.journal import Journal, key_of
from twofold.batch.naming import Task, files_of
from twofold.batch.plan import Job, Plan
from twofold.batch.storage import STATE, RemoteStorage, Storage, open_storage
from twofold.batch.summary import Outcome, Summary
from twofold.batch.work import Answer, Work
from twofold.batch.worker import Hello
from twofold.batch.worker_pool import WorkerPool
from twofold.errors import InputError

LISTED_FROM = 2000
"""To know what so many pictures look like today, a store is listed; of fewer, each file is asked for."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: pictures of all, done in earlier runs, done and failed in this one."""

    total: int
    before: int = 0
    done: int = 0
    failed: int = 0

    @property
    def finished(self) -> int:
        """All that needs no work any more in this run."""
        return self.before + self.done + self.failed


class Workers(Protocol):
    """Who fills: a ``WorkerPool`` of this machine, or the actors of a cluster."""

    hello: Hello

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """Fill pictures; their files are at their place when their answers come."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


def run_job(job: Job, plan: Plan, show: Callable[[Progress], None] = lambda progress: None) -> Summary:
    """Fill what is not filled yet, and write the summary.

    Args:
        job: what is asked for.
        plan: what ``plan_job`` found.
        show: called when it is known what is to do, and after each picture.

    Raises:
        InputError: if names have no partner and that was not allowed, another run works on the same OUT,
            or OUT cannot be written to.
        TwofoldError: if the model cannot be used.
    """
    unpaired = len(plan.images_without_mask) + len(plan.masks_without_image)
    if unpaired and not job.skip_unpaired:
        raise InputError(f"{unpaired} names have no partner; mend them, or leave them out by --skip-unpaired")
    out = open_storage(job.out)
    with ExitStack() as stack:
        staging = _staging(job, out, stack)
        work = Work(open_storage(job.images).text, plan.masks, staging, job.settings)
        journal = stack.enter_context(Journal(out, job.shard))
        workers = _workers(job, work, out)
        stack.callback(workers.close)
        header = _header(job, workers.hello)
        keys = _Keys(job, workers.hello)
        outcomes, left = _split(plan, journal, job, out, keys)
        names = summary_names(job.shard)
        if left:
            for name in names:
                out.remove(name)
            journal.void(left)
        _fill(workers, left, journal, keys, outcomes, show)
        summary = Summary(header, plan.tasks, outcomes, plan.images_without_mask, plan.masks_without_image)
        for name, write in zip(names, (summary.write_rows, summary.write_overview), strict=True):
            write(staging / name)
            out.put(staging / name, name)
    return summary


class _Keys:
    """Keys of tasks under one model and its settings; None: its answers may not be kept."""

    def __init__(self, job: Job, hello: Hello) -> None:
        self._fingerprint = hello.fingerprint
        self._settings = job.settings.answer_settings()

    def __call__(self, task: Task, stamps: tuple[str | None, str | None]) -> str | None:
        if self._fingerprint is None:
            return None
        return key_of(task, stamps, fingerprint=self._fingerprint, settings=self._settings)


def _staging(job: Job, out: Storage, stack: ExitStack) -> Path:
    """An empty folder where files wait, on the file system of OUT, and nobody else at work on this part.

    What killed runs have left there is thrown away.
    """
    if isinstance(out, RemoteStorage):
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="twofold-")))
    part = f"{job.shard[0]}-of-{job.shard[1]}"
    try:
        (out.root / STATE).mkdir(parents=True, exist_ok=True)
        # The system lets it go when this process ends, however it ends.
        stack.enter_context(FileLock(out.root / STATE / f"lock-{part}", blocking=False))
        staging = out.root / STATE / f"staging-{part}"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
    except Timeout as error:
        raise InputError(
            f"another run works on {out.text}, part {part}; wait for its end, or give another OUT or --shard"
        ) from error
    except OSError as error:
        raise InputError(
            f"cannot write to {out.text}: {error.strerror or error}; choose another place"
        ) from error
    stack.callback(shutil.rmtree, staging, ignore_errors=True)
    return staging


def _workers(job: Job, work: Work, out: Storage) -> Workers:
    """Who does the work."""
    if job.ray:
        from twofold.batch.ray_job import Cluster

        return Cluster(work, out, workers=job.workers, timeout=job.timeout)
    return WorkerPool(work, out, workers=job.workers, timeout=job.timeout)


def _header(job: Job, hello: Hello) -> dict[str, Any]:
    """What the summary says first."""
    settings = job.settings
    return {
        "model": hello.name,
        "fingerprint": hello.fingerprint,
        **settings.answer_settings(),
        "format": job.format,
        "shard": "{}/{}".format(*job.shard),
    }


def summary_names(shard: tuple[int, int]) -> tuple[str, str]:
    """Names in OUT of the table of outcomes and of the overview."""
    part = "" if shard[1] == 1 else f"-{shard[0]}-of-{shard[1]}"
    return f"summary{part}.csv", f"summary{part}.json"


def _split(
    plan: Plan, journal: Journal, job: Job, out: Storage, keys: _Keys
) -> tuple[dict[str, Outcome], list[Task]]:
    """What earlier runs have done, and what is left to do."""
    images, masks = open_storage(job.images), open_storage(plan.masks)
    if len(journal.records) > LISTED_FROM:
        for place in (images, masks, out):
            place.learn()
    outcomes: dict[str, Outcome] = {}
    left = []
    for task in plan.tasks:
        record = journal.records.get(task.out)
        key = None
        if record is not None and record.key:
            key = keys(task, (images.stamp(task.image), masks.stamp(task.mask)))
        if key is not None and journal.done(task, key, files_of(task.out, job.settings.samples), out):
            outcomes[task.out] = Outcome(note=journal.records[task.out].note)
        else:
            left.append(task)
    return outcomes, left


def _fill(
    workers: Workers,
    left: list[Task],
    journal: Journal,
    keys: _Keys,
    outcomes: dict[str, Outcome],
    show: Callable[[Progress], None],
) -> None:
    """Have the rest filled, and write down each answer."""
    progress = Progress(len(left) + len(outcomes), len(outcomes))
    show(progress)
    for answer in workers.run(left):
        task = answer.task
        outcomes[task.out] = Outcome(answer.reason, answer.note)
        if answer.reason is None:
            journal.add(task, keys(task, answer.stamps) or "", answer.sizes, answer.note, answer.seconds)
            progress = replace(progress, done=progress.done + 1)
        else:
            journal.fail(task, answer.reason)
            progress = replace(progress, failed=progress.failed + 1)
        show(progress)
