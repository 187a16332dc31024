"""A worker process, from both sides: it loads the model once and answers one task at a time.

Whatever happens inside it, a crash of a decoder or the system's out-of-memory killer, happens to one
picture. It never touches OUT: it writes into a staging folder, and who owns it moves files to their place.
When its owner dies, by whatever signal, its input ends and it ends itself, with the command that it may be
running: workers of pebble and of concurrent.futures go on until their task is done.
"""

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from twofold.batch.naming import Task
from twofold.batch.work import Answer, Filler, Settings, Work
from twofold.errors import TwofoldError

GRACE = 2.0
"""Seconds that a worker has to end what it started before it is ended."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Hello:
    """What a worker says when it has loaded its model.

    Attributes:
        name: of the model.
        fingerprint: of the model, see ``twofold.engine.fingerprints``; None: answers may not be kept.
        devices: how many CUDA devices it could use; 0: it computes on the CPU.
        refusal: what was wrong; the rest means nothing then.
    """

    name: str = ""
    fingerprint: str | None = None
    devices: int = 0
    refusal: TwofoldError | None = None


class WorkerDiedError(Exception):
    """A worker process ended without an answer.

    Attributes:
        late: whether it was ended because its time was up.
    """

    def __init__(self, status: int, *, late: bool = False) -> None:
        """Take its exit status; negative: the signal that ended it."""
        self.late = late
        if status >= 0:
            super().__init__(f"exit status {status}")
            return
        with suppress(ValueError):
            super().__init__(signal.Signals(-status).name)


class Worker:
    """A worker process, from the outside."""

    def __init__(self, work: Work, log: Path) -> None:
        """Start the process; it loads the model meanwhile, see ``hello``.

        Args:
            work: what it is told.
            log: file that receives what its libraries print.
        """
        # The package's folder last: what the interpreter finds by itself comes first.
        root = str(Path(__file__).parents[2])
        code = f"import sys; sys.path.append({root!r}); from twofold.batch.worker import main; main()"
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | dict.fromkeys(_THREADS, str(work.settings.threads)),
                start_new_session=True,  # Ctrl-C is for us alone
            )
        self._work = work
        self._late = self._asking = False

    def hello(self) -> Hello:
        """Wait until the model is loaded.

        Raises:
            WorkerDiedError: if the process ends before.
            TwofoldError: if the model cannot be used.
        """
        hello = self._ask(self._work, None)
        assert isinstance(hello, Hello)
        if hello.refusal is not None:
            self.kill()
            raise hello.refusal
        return hello

    def ask(self, task: Task, limit: float | None) -> Answer:
        """Have one picture filled.

        Args:
            task: which.
            limit: seconds that it may take; None: as long as it takes.

        Raises:
            WorkerDiedError: if the process ends before it answers, or is ended because of the limit.
        """
        answer = self._ask(task, limit)
        assert isinstance(answer, Answer)
        return answer

    def terminate(self) -> None:
        """Ask the process to end itself and what it started."""
        with suppress(OSError):
            self._process.terminate()

    def kill(self, grace: float = GRACE) -> None:
        """End the process: after so many seconds in which it may end itself, by force."""
        self.terminate()
        try:
            self._process.wait(max(0.0, grace))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not self._asking:
                with suppress(OSError):
                    stream.close()

    def _ask(self, question: object, limit: float | None) -> Any:
        timer = None
        self._asking, self._late = True, False
        if limit is not None:
            timer = threading.Timer(limit, self._end_late)
            timer.daemon = True
            timer.start()
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        try:
            _send(question, to)
            return pickle.load(back)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            self._process.kill()
            raise WorkerDiedError(self._process.wait(), late=self._late) from error
        finally:
            self._asking = False
            if timer is not None:
                timer.cancel()
                timer.join()  # it may just have begun: then this process is at its end

    def _end_late(self) -> None:
        self._late = True
        self.kill()


def main() -> None:
    """Be a worker process: input and output are pickles, one question and one answer at a time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        _serve()
    except SystemExit:
        os._exit(1)  # the listening thread holds a lock that a usual exit would wait for


def _serve() -> None:
    """Load, say hello, answer."""
    questions: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(os.fdopen(os.dup(0), "rb"), questions), daemon=True).start()
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    work = questions.get()
    try:
        filler = Filler(work)
    except TwofoldError as error:
        _send(Hello(refusal=error), answers)
        sys.exit(1)
    devices = _use(work.settings)
    _send(Hello(filler.inpainter.name, filler.inpainter.fingerprint, devices), answers)
    while True:
        _send(filler.fill(questions.get()), answers)


def _send(message: object, stream: BinaryIO | Any) -> None:
    stream.write(pickle.dumps(message))
    stream.flush()


def _listen(stream: BinaryIO, questions: queue.SimpleQueue[Any]) -> None:
    """Pass questions on; when there will be no more, the owner is gone, and so are we."""
    while True:
        try:
            questions.put(pickle.load(stream))
        except Exception:
            with suppress(OSError):
                os.kill(os.getpid(), signal.SIGTERM)  # lets the main thread end a command that it runs
            time.sleep(GRACE)
            os._exit(1)


def _use(settings: Settings) -> int:
    """Hold the libraries that are loaded to their threads; gives the number of CUDA devices in use."""
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(settings.threads)
    torch = sys.modules.get("torch")
    if torch is None:
        return 0
    torch.set_num_threads(settings.threads)
    if settings.device.startswith("cuda") or (settings.device == "auto" and torch.cuda.is_available()):
        return int(torch.cuda.device_count())
    return 0
