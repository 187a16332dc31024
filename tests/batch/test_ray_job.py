"""The job on a real Ray cluster of two processes on this machine, one of which is killed in the middle."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.pictures import contents, folders, run
from twofold.batch.job import Progress, run_job
from twofold.batch.plan import Job, plan_job
from twofold.batch.ray_job import _cause
from twofold.batch.storage import STATE
from twofold.batch.work import Settings
from twofold.errors import CheckpointError, InputError

ray = pytest.importorskip("ray", reason="needs the extra ray")
pytest.importorskip("ray.data", reason="needs the extra ray")
NAMES = [f"{number % 3}/{number}.png" for number in range(90)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 1024**2,
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ray")
    folders(root, NAMES)
    (root / "images" / "2" / "5.png").write_text("poison")
    run(root, root / "plain", seed=3, workers=2)
    return root


class KillAnActor:
    """Watches progress, and kills an actor's process after so many pictures."""

    def __init__(self, out: Path, after: int) -> None:
        self._out, self._after = out, after
        self.killed: list[int] = []
        self.seen: list[Progress] = []

    def actors(self) -> list[int]:
        """Processes that own a staging folder: an actor's pool is named after its host and its process."""
        staging = self._out / STATE / "staging-1-of-1"
        return [int(path.name.split("-")[-2]) for path in staging.iterdir() if path.is_dir()]

    def __call__(self, progress: Progress) -> None:
        self.seen.append(progress)
        if progress.done >= self._after and not self.killed:
            victim = self.actors()[0]
            assert victim != os.getpid()
            os.kill(victim, signal.SIGKILL)
            self.killed.append(victim)


def is_gone(process: int, seconds: float = 30) -> bool:
    """Whether a process runs no longer, or soon; one that its parent has not asked after yet is gone too."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(process, 0)
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def job(root: Path, out: Path | str, model: str = "opencv-telea") -> Job:
    return Job(
        str(root / "images"), str(root / "masks"), str(out), Settings(model, seed=3), workers=2, ray=True
    )


def test_an_actor_killed_in_the_middle_changes_nothing(cluster: None, root: Path) -> None:
    out = root / "out"
    asked = job(root, out)
    watch = KillAnActor(out, after=20)
    run_job(asked, plan_job(asked), watch)
    (victim,) = watch.killed
    assert is_gone(victim)
    assert watch.seen[-1] == Progress(90, 0, 89, 1)
    assert contents(out) == contents(root / "plain")

    # What is done is done, whoever did it: the plain run finds nothing to do, and Ray only what is lost.
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    run(root, out, seed=3)
    lost = out / "1" / "4.png"
    lost.unlink()
    run_job(asked, plan_job(asked), watch)
    assert watch.seen[-1] == Progress(90, 88, 1, 1)
    again = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert {path for path in again if again[path] != before[path]} == {lost}
    assert contents(out) == contents(root / "plain")


def test_a_store_of_fsspec_is_read_and_written_by_actors(cluster: None, root: Path) -> None:
    asked = Job(
        f"local://{root}/images",
        f"local://{root}/masks",
        f"local://{root}/store",
        Settings("opencv-telea", seed=3),
        ray=True,
    )
    run_job(asked, plan_job(asked))
    assert contents(root / "store") == contents(root / "plain")


def test_a_model_that_is_refused_is_refused_in_its_own_words(cluster: None, root: Path) -> None:
    asked = job(root, root / "refused", "nonsense")
    with pytest.raises(CheckpointError, match="there is no model 'nonsense'"):
        run_job(asked, plan_job(asked))


def test_errors_inside_the_cluster_are_told_in_our_words_or_in_one_sentence() -> None:
    ours = InputError("cannot write; make room")
    theirs = ray.exceptions.RayTaskError("fill", "Traceback ...", ours)
    assert _cause(theirs) is ours
    assert _cause(theirs.as_instanceof_cause()) is ours
    lost = ray.exceptions.RayError("Traceback:\n  many lines\nnode 7 is gone\n")
    assert str(_cause(lost)).startswith("the Ray job ended (node 7 is gone); look at the cluster")
