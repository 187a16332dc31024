"""A pool of worker processes: workers out tasks, replaces who dies, moves finished files to their place."""

import os
import secrets
import shutil
import socket
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from queue import SimpleQueue

from twofold.batch.cores import default_workers
from twofold.batch.naming import Task, files_of
from twofold.batch.storage import Storage
from twofold.batch.work import Answer, Work, nothing_fits
from twofold.batch.worker import GRACE, Hello, Worker, WorkerDiedError
from twofold.errors import InputError, TwofoldError

_STARTS = 3
"""So often a worker is started before that counts as impossible."""
_DEATHS = 2
"""So many workers may die of one picture."""


class WorkerPool:
    """Workers on this machine, one model each.

    Attributes:
        workers: how many there are at most; they are started when there are tasks for them.
        hello: what the first worker said of the model.
    """

    def __init__(
        self,
        work: Work,
        out: Storage,
        *,
        workers: int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Start the first worker and wait until it has loaded the model.

        Args:
            work: what workers are told; files wait in a folder of our own inside its ``staging``.
            out: where finished files go.
            workers: None: one for each CUDA device if the model uses one, else see ``default_workers``.
            timeout: seconds that one picture may take; None: as long as it takes.

        Raises:
            TwofoldError: if the model cannot be used.
        """
        self._staging = work.staging / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._staging.mkdir(parents=True)
        self._log = work.staging / "workers.log"
        self._work = replace(work, staging=self._staging)
        self._out, self._timeout = out, timeout
        self._stopping = False
        self._lock = threading.Lock()
        self.hello = Hello()
        self._children: list[Worker | None] = [None]
        try:
            self.hello = self._start(0)
        except BaseException:
            self.close()
            raise
        self.workers = workers or self.hello.devices or default_workers(work.settings.threads)
        self._children += [None] * (self.workers - 1)

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """Fill pictures; answers come in the order in which they are ready, their files at their place.

        If the iteration is left before its end, the workers are ended.

        Raises:
            TwofoldError: if no worker can be started any more, or OUT cannot be written to.
        """
        source, again = iter(tasks), deque[Task]()
        results: SimpleQueue[Answer | TwofoldError | None] = SimpleQueue()

        def following() -> Task | None:
            with self._lock:
                return again.popleft() if again else next(source, None)

        def serve(rank: int) -> None:
            while not self._stopping and (task := following()) is not None:
                try:
                    results.put(self._answer(rank, task))
                except TwofoldError as error:
                    again.append(task)
                    results.put(error)
                    break
            results.put(None)

        for rank in range(self.workers):
            threading.Thread(target=serve, args=(rank,), daemon=True).start()
        serving, failure = self.workers, None
        try:
            while serving:
                result = results.get()
                if result is None:
                    serving -= 1
                elif isinstance(result, TwofoldError):
                    failure = result
                else:
                    yield self._delivered(result)
            left_over = following()
        except BaseException:
            self.close()
            raise
        if failure is not None:
            if left_over is not None:
                self.close()
                raise failure
            warnings.warn(f"fewer workers than wanted: {failure}", stacklevel=2)

    def close(self) -> None:
        """End all workers and throw away what is not at its place."""
        self._stopping = True
        children = [child for child in self._children if child is not None]
        for child in children:
            child.terminate()
        end = time.monotonic() + GRACE
        for child in children:
            child.kill(end - time.monotonic())
        shutil.rmtree(self._staging, ignore_errors=True)

    def _answer(self, rank: int, task: Task) -> Answer:
        """Have one task done, by a second worker if the first dies of it."""
        how = ""
        for _ in range(_DEATHS):
            child = self._children[rank]
            if child is None:
                self._start(rank)
                child = self._children[rank]
                assert child is not None
            try:
                return child.ask(task, self._timeout)
            except WorkerDiedError as died:
                child.kill()
                self._children[rank] = None
                if self._stopping:
                    raise InputError("the job was ended") from died
                if died.late:
                    return Answer(task, f"it took more than {self._timeout:g} seconds; give more --timeout")
                how = str(died)
        return Answer(task, f"it ended {_DEATHS} workers ({how}); a damaged file, or too little memory")

    def _start(self, rank: int) -> Hello:
        """Start a worker and wait for it.

        Raises:
            TwofoldError: if the model cannot be used, or is another one than at the beginning.
        """
        settings = self._work.settings
        if self.hello.devices > 1 and settings.device in ("auto", "cuda"):
            settings = replace(settings, device=f"cuda:{rank % self.hello.devices}")
        for attempt in range(1, _STARTS + 1):
            child = Worker(replace(self._work, settings=settings), self._log)
            self._children[rank] = child
            try:
                hello = child.hello()
            except WorkerDiedError as died:
                self._children[rank] = None
                if attempt == _STARTS or self._stopping:
                    raise InputError(
                        f"workers die while they load {settings.model} ({died}); give fewer --workers, or "
                        f"see {self._log}"
                    ) from died
                continue
            if self.hello.name and hello.fingerprint != self.hello.fingerprint:
                child.kill()
                raise InputError(f"{settings.model} changed while the job ran; run it again")
            return hello
        raise AssertionError

    def _delivered(self, answer: Answer) -> Answer:
        """Move the files of an answer to their place.

        Raises:
            InputError: if nothing can be written there any more.
        """
        try:
            for file, name in zip(answer.staged, files_of(answer.task.out, len(answer.staged)), strict=False):
                self._out.put(file, name)
        except Exception as error:  # object stores raise kinds of their own
            reason = f"cannot write {answer.task.out} to {self._out.text}: {error}"
            answer = Answer(answer.task, " ".join(reason.split()), full=nothing_fits(error))
        if answer.full:
            raise InputError(f"{answer.reason}; make room, and run the same command again to go on")
        return answer
