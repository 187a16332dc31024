"""Workers die, hang and refuse; the others' pictures are filled all the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batch.pictures import DEADLY, KILL_WORKER, folders, picture, tool
from twofold.batch import worker, worker_pool
from twofold.batch.naming import Task
from twofold.batch.storage import LocalStorage
from twofold.batch.work import Answer, Settings, Work
from twofold.batch.worker_pool import WorkerPool
from twofold.errors import CheckpointError, InputError

NAMES = [f"{letter}.png" for letter in "abcdef"]
TASKS = [Task(name, name, name) for name in NAMES]
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads who its parent is from /proc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folders(tmp_path, NAMES)
    return tmp_path


def a_pool(root: Path, model: str = "opencv-telea", **options: object) -> WorkerPool:
    work = Work(str(root / "images"), str(root / "masks"), root / "staging", Settings(model))
    return WorkerPool(work, LocalStorage(root / "out"), **options)  # type: ignore[arg-type]


def by_name(answers: Iterator[Answer]) -> dict[str, str | None]:
    return {answer.task.out: answer.reason for answer in answers}


def processes_of(root: Path) -> set[int]:
    """Worker processes that have something open below a folder."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            links = [str(link.readlink()) for link in (folder / "fd").iterdir()]
        except OSError:
            continue
        if any(link.startswith(str(root / "staging")) for link in links):
            found.add(int(folder.name))
    return found


def eventually(check, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.02)
    return False


def test_files_are_at_their_place_when_answers_come_and_a_pool_works_again(root: Path) -> None:
    with closing(a_pool(root, workers=2)) as workers:
        for half in (TASKS[:3], TASKS[3:]):
            seen = set()
            for answer in workers.run(half):
                assert answer.reason is None
                assert (root / "out" / answer.task.out).stat().st_size == answer.sizes[0]
                seen.add(answer.task)
            assert seen == set(half)
        assert workers.hello.fingerprint.startswith("opencv-telea ")
        assert workers.hello.devices == 0
    assert [path.name for path in (root / "staging").iterdir()] == ["workers.log"]


@linux
def test_a_picture_that_ends_workers_fails_after_the_second_and_no_other_does(root: Path) -> None:
    picture(root / "images" / "c.png", DEADLY)
    model = tool(root / "tool.py", KILL_WORKER)
    with closing(a_pool(root, model, workers=1)) as workers:
        found = by_name(workers.run(TASKS))
    assert "it ended 2 workers (SIGKILL)" in str(found.pop("c.png"))
    assert set(found.values()) == {None}
    assert len(found) == 5


@linux
def test_a_worker_that_dies_once_is_replaced_and_its_picture_filled(root: Path) -> None:
    picture(root / "images" / "c.png", DEADLY)
    once = "if os.path.exists(sys.argv[0] + '.done'): image[0, 0] = 0\nopen(sys.argv[0] + '.done', 'w')\n"
    model = tool(root / "tool.py", once + KILL_WORKER)
    with closing(a_pool(root, model, workers=1)) as workers:
        assert by_name(workers.run([TASKS[2]])) == {"c.png": None}


@linux
def test_a_picture_that_takes_too_long_fails_and_what_it_started_is_ended(root: Path) -> None:
    picture(root / "images" / "c.png", DEADLY)
    hang = (
        "if tuple(image[0, 0]) == (1, 2, 3):\n    open(sys.argv[0] + '.pid', 'w').write(str(os.getpid()))\n"
    )
    model = tool(root / "tool.py", hang + "    time.sleep(60)")
    with closing(a_pool(root, model, workers=1, timeout=3)) as workers:
        found = by_name(workers.run(TASKS[1:4]))
    assert str(found.pop("c.png")).startswith("it took more than 3 seconds")
    assert set(found.values()) == {None}
    tools_pid = int((root / "tool.py.pid").read_text())
    assert eventually(lambda: not Path(f"/proc/{tools_pid}").exists())


def test_a_model_that_is_refused_is_refused_in_its_own_words(root: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no model 'nonsense'"):
        a_pool(root, "nonsense")
    assert [path.name for path in (root / "staging").iterdir()] == ["workers.log"]


def test_workers_that_die_while_they_load_end_the_job(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(a_pool(root, workers=1)) as workers:
        workers._children[0].kill()
        workers._children[0] = None
        monkeypatch.setattr(worker.sys, "executable", "/bin/false")
        with pytest.raises(InputError, match=r"workers die while they load opencv-telea .*run|see"):
            list(workers.run(TASKS))


def test_a_model_that_changes_meanwhile_ends_the_job(root: Path) -> None:
    model = tool(root / "tool.py", "")
    with closing(a_pool(root, model, workers=1)) as workers:
        workers._children[0].kill()
        workers._children[0] = None
        tool(root / "tool.py", "filled += 1")
        with pytest.raises(InputError, match="changed while the job ran"):
            list(workers.run(TASKS))


def test_a_full_disk_ends_the_job_and_another_error_one_picture(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = LocalStorage.put
    faults = {"b.png": OSError(5, "Input/output error")}

    def faulty(place: LocalStorage, file: Path, name: str) -> None:
        if name in faults:
            raise faults[name]
        put(place, file, name)

    monkeypatch.setattr(LocalStorage, "put", faulty)
    with closing(a_pool(root, workers=1)) as workers:
        found = by_name(workers.run(TASKS))
        assert "cannot write b.png" in str(found.pop("b.png"))
        assert set(found.values()) == {None}
        faults["d.png"] = OSError(28, "No space left on device")
        with pytest.raises(InputError, match="No space left on device; make room"):
            list(workers.run(TASKS))


def test_leaving_in_the_middle_ends_the_workers(root: Path) -> None:
    workers = a_pool(root, workers=2)
    answers = workers.run(TASKS)
    next(answers)
    processes = [one._process for one in workers._children if one is not None]
    answers.close()
    assert all(process.poll() is not None for process in processes)
    assert eventually(lambda: threading.active_count() < 5)


@linux
@pytest.mark.parametrize("busy", [False, True])
def test_workers_end_when_their_owner_is_killed(root: Path, busy: bool) -> None:
    model = tool(root / "tool.py", "time.sleep(30)") if busy else "opencv-telea"
    code = f"""
import sys
from pathlib import Path
sys.path.append({str(Path(__file__).parents[1])!r})
from batch.test_worker_pool import a_pool, TASKS
from twofold.engine.model_name import Typed
workers = a_pool(Path({str(root)!r}), Typed({model!r}), workers=2)
answers = workers.run(TASKS)
if not {busy}:
    list(answers)
print("ready", flush=True)
next(answers, None)
input()
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout.readline() == "ready\n"
    assert eventually(lambda: len(processes_of(root) - {owner.pid}) >= 2)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert eventually(lambda: not processes_of(root))
    for stream in (owner.stdin, owner.stdout):
        stream.close()


def test_devices_are_shared_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []
    hello = worker.Hello("name", "print", devices=2)

    class Fake:
        def __init__(self, work: Work, log: Path) -> None:
            chosen.append(work.settings.device)

        def hello(self) -> worker.Hello:
            return hello

        def ask(self, task: Task, limit: float | None) -> Answer:
            time.sleep(0.01)
            return Answer(task)

        def terminate(self) -> None: ...

        def kill(self, grace: float = 0) -> None: ...

    monkeypatch.setattr(worker_pool, "Worker", Fake)
    with closing(a_pool(root)) as workers:
        assert workers.workers == 2
        workers._children[0] = None
        assert len(list(workers.run(TASKS * 5))) == 30
    assert chosen[0] == "auto"
    assert set(chosen[1:]) == {"cuda:0", "cuda:1"}
