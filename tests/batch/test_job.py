"""A job ends in the same files on every way: in one go, after kills, in parts, from a store."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from batch.pictures import contents, folders, mask, picture, run
from twofold.batch.job import Progress, run_job
from twofold.batch.plan import Job, plan_job
from twofold.batch.storage import STATE
from twofold.batch.work import Settings
from twofold.errors import InputError

NAMES = ["a.png", "b.png", "x/a.png", "x/y/c.jpg"]
CHANCE = "patchmatch"
"""A method whose answers hang on the seed."""
OUTS = ["a.png", "b.png", "x/a.png", "x/y/c.png"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folders(tmp_path, NAMES)
    return tmp_path


def rows(out: Path, name: str = "summary.csv") -> list[dict[str, str]]:
    with (out / name).open(newline="") as file:
        return list(csv.DictReader(file))


class Seen(list[Progress]):
    """Remembers progress."""

    def __call__(self, progress: Progress) -> None:
        self.append(progress)


def test_a_job_mirrors_folders_and_tells_every_outcome(root: Path) -> None:
    (root / "images" / "b.png").write_text("poison")
    mask(root / "masks" / "x" / "a.png", size=20)
    summary = run(root, root / "out", workers=2)
    assert sorted(contents(root / "out")) == sorted(["a.png", "x/y/c.png", "summary.csv", "summary.json"])
    assert [(row["out"], row["outcome"]) for row in rows(root / "out")] == [
        ("a.png", "done"),
        ("b.png", "failed"),
        ("x/a.png", "failed"),
        ("x/y/c.png", "done"),
    ]
    assert "not an image" in rows(root / "out")[1]["note"]
    overview = json.loads((root / "out" / "summary.json").read_text())
    assert (overview["pictures"], overview["done"], overview["failed"]) == (4, 2, 2)
    assert overview["failures"][1] == {
        "image": "x/a.png",
        "mask": "x/a.png",
        "out": "x/a.png",
        "reason": next(reason for task, reason in summary.failures() if task.out == "x/a.png"),
    }
    before, after = (np.array(Image.open(root / name / "a.png")) for name in ("images", "out"))
    hole = np.array(Image.open(root / "masks" / "a.png")) > 0
    np.testing.assert_array_equal(before[~hole], after[~hole])
    assert (before[hole] != after[hole]).any()


def states(out: Path) -> dict[str, int]:
    return {name: (out / name).stat().st_mtime_ns for name in OUTS if (out / name).exists()}


def test_what_is_done_is_not_done_again_and_what_is_out_of_date_is(root: Path) -> None:
    out = root / "out"
    run(root, out)
    whole, first = contents(out), states(out)
    run(root, out)
    assert states(out) == first
    assert contents(out) == whole

    mask(root / "masks" / "b.png", 5)  # another mask
    (out / "x" / "a.png").unlink()  # a lost output
    (out / "a.png").write_bytes(b"cut")  # a damaged one
    run(root, out)
    again = states(out)
    assert {name for name in OUTS if again[name] != first[name]} == {"b.png", "x/a.png", "a.png"}
    assert contents(out)["a.png"] == whole["a.png"]
    assert contents(out)["b.png"] != whole["b.png"]


def test_progress_counts_what_was_done_before(root: Path) -> None:
    job = Job(
        str(root / "images"), str(root / "masks"), str(root / "out"), Settings("opencv-telea"), workers=1
    )
    (root / "images" / "b.png").write_text("poison")
    seen = Seen()
    run_job(job, plan_job(job), seen)
    assert (seen[0], seen[-1]) == (Progress(4), Progress(4, 0, 3, 1))
    assert [progress.finished for progress in seen] == [0, 1, 2, 3, 4]
    picture(root / "images" / "b.png", 1)
    seen.clear()
    run_job(job, plan_job(job), seen)
    assert seen == [Progress(4, 3), Progress(4, 3, 1)]


def test_other_settings_and_back_again_end_as_in_one_go(root: Path) -> None:
    folders(root, NAMES, size=48)
    run(root, root / "clean", model=CHANCE, seed=1)
    run(root, root / "out", model=CHANCE, seed=1)
    run(root, root / "out", model=CHANCE, seed=2)
    assert all(contents(root / "out")[name] != contents(root / "clean")[name] for name in OUTS)
    run(root, root / "out", model=CHANCE, seed=1)
    assert contents(root / "out") == contents(root / "clean")


def test_an_output_replaced_by_a_run_that_was_killed_does_not_count_as_the_older_ones(root: Path) -> None:
    """Settings 1 ran to the end; 2 replaced a picture and was killed before its journal said so; 1 again."""
    out = root / "out"
    run(root, out, seed=1)
    whole = contents(out)
    journal = out / STATE / "journal-1-of-1.jsonl"
    run(root, out, seed=2)
    lines = journal.read_bytes().splitlines(keepends=True)
    voided = [line for line in lines if b'"run": 2' in line and b'"key"' not in line]
    assert len(voided) == 4
    journal.write_bytes(b"".join(line for line in lines if not (b'"run": 2' in line and b'"key"' in line)))
    (out / "a.png").write_bytes(bytes(len(whole["a.png"])))  # of the same size, by bad luck
    run(root, out, seed=1)
    assert contents(out) == whole


def test_results_depend_neither_on_workers_nor_on_parts_nor_on_order(root: Path) -> None:
    folders(root, NAMES, size=48)
    run(root, root / "one", model=CHANCE, samples=2)
    for part in (3, 1, 2):
        run(root, root / "parts", model=CHANCE, samples=2, shard=(part, 3), workers=2)
    parts = contents(root / "parts")
    assert sum(len(rows(root / "parts", f"summary-{part}-of-3.csv")) for part in (1, 2, 3)) == 8
    for part in (1, 2, 3):
        for ending in ("csv", "json"):
            parts.pop(f"summary-{part}-of-3.{ending}")
    whole = contents(root / "one")
    assert parts == {name: whole[name] for name in whole if not name.startswith("summary")}
    assert {"a-1.png", "a-2.png", "x/y/c-2.png"} < set(whole)
    assert whole["a-1.png"] != whole["a-2.png"]
    before = (root / "parts" / "a-1.png").stat().st_mtime_ns
    run(root, root / "parts", model=CHANCE, samples=2)  # the parts together: nothing left to do
    assert (root / "parts" / "a-1.png").stat().st_mtime_ns == before
    assert (root / "parts" / "summary.csv").read_bytes() == whole["summary.csv"]


def test_names_without_partner_are_refused_or_left_out(root: Path) -> None:
    (root / "masks" / "b.png").rename(root / "masks" / "z.png")
    with pytest.raises(InputError, match="2 names have no partner"):
        run(root, root / "out")
    assert not (root / "out").exists()
    run(root, root / "out", skip_unpaired=True)
    left_out = [(row["image"], row["mask"], row["outcome"]) for row in rows(root / "out")[3:]]
    assert left_out == [("b.png", "", "no mask"), ("", "z.png", "no picture")]


def test_manifests_and_a_single_mask_say_what_belongs_together(root: Path) -> None:
    (root / "masks" / "job.csv").write_text("image,mask,out\na.png,x/a.png,deep/q\nx/a.png,b.png,\n")
    run(root, root / "out", masks="masks/job.csv")
    assert sorted(contents(root / "out")) == ["deep/q.png", "summary.csv", "summary.json", "x/a.png"]
    run(root, root / "all", masks="masks/b.png")
    assert [(row["image"], row["mask"]) for row in rows(root / "all")] == [(name, "b.png") for name in NAMES]


def test_pictures_and_masks_may_share_a_folder_that_holds_the_outputs_too(root: Path) -> None:
    for name in ("a", "b"):
        mask(root / "images" / f"{name}_mask.png")
    for name in ("x/a", "x/y/c"):
        mask(root / "images" / f"{name}_mask1.png")
    for _ in range(2):
        run(root, root / "images" / "out", masks="images")
        assert sorted(contents(root / "images" / "out")) == sorted([*OUTS, "summary.csv", "summary.json"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"images": "nowhere"}, "is not a folder"),
        ({"masks": "nowhere"}, "is not a folder"),
        ({"masks": "nowhere.png"}, "there is no mask"),
        ({"masks": "nowhere.csv"}, "cannot read the manifest nowhere.csv"),
        ({"images": "empty", "masks": "empty"}, "holds no picture"),
        ({"out": "images"}, "choose an OUT beside it"),
        ({"out": "file"}, "cannot write to"),
        ({"samples": 0}, "samples is 0"),
        ({"workers": 0}, "workers is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"timeout": 0}, "timeout is 0"),
        ({"shard": (3, 2)}, "shard is 3/2"),
        ({"format": "bmp"}, "format is 'bmp'"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_written(root: Path, options, words: str) -> None:
    (root / "empty").mkdir()
    (root / "file").touch()
    with pytest.raises(InputError, match=words):
        run(root, root / options.pop("out", "out"), **options)
    assert not (root / "out").exists()


def test_two_runs_do_not_work_on_one_part(root: Path) -> None:
    (root / "out" / STATE).mkdir(parents=True)
    with (
        FileLock(root / "out" / STATE / "lock-1-of-1"),
        pytest.raises(InputError, match="another run works on"),
    ):
        run(root, root / "out")
    run(root, root / "out")


def test_a_store_of_fsspec_holds_inputs_and_outputs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    run(root, root / "out")
    start = f"local://{root}"
    for listed_from in (9, 9, 3):  # new; again, by asking for each file; again, by listing all
        monkeypatch.setattr("twofold.batch.job.LISTED_FROM", listed_from)
        job = Job(f"{start}/images", f"{start}/masks", f"{start}/store", Settings("opencv-telea"), workers=2)
        seen = Seen()
        run_job(job, plan_job(job), seen)
        assert contents(root / "store") == contents(root / "out")
    assert seen == [Progress(4, 4)]


CLI = "import sys; from twofold.cli.batch import main; sys.exit(main(sys.argv[1:]))"
KILLS, PICTURES = 20, 300


def test_twenty_kills_and_a_run_end_as_one_clean_run(tmp_path: Path) -> None:
    """SIGKILL of the command itself at moments that a seed draws; every byte and the summary are compared."""
    folders(tmp_path, [f"{number % 7}/{number}.png" for number in range(PICTURES)])
    (tmp_path / "images" / "3" / "3.png").write_text("poison")
    out, chance = tmp_path / "killed", random.Random(6)
    journal = out / STATE / "journal-1-of-1.jsonl"

    def start(target: Path) -> subprocess.Popen[bytes]:
        arguments = ["images", "masks", str(target), "--model", "opencv-telea", "--workers", "2"]
        command = [sys.executable, "-c", CLI, *arguments]
        return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)

    def done() -> int:
        return journal.read_bytes().count(b'"key"') if journal.exists() else 0

    partial = 0
    for kill in range(KILLS):
        process = start(out)
        before, wanted = done(), chance.randrange(10)
        # Every fourth anywhere, also before the first picture; the others in the midst of the work.
        end = time.monotonic() + (chance.uniform(0, 0.8) if kill % 4 == 0 else 60)
        while time.monotonic() < end and done() <= before + wanted and process.poll() is None:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.01))
        process.kill()
        assert process.wait() == -9, "the job came to its end before it was killed"
        partial += before < done() < PICTURES - 1
        assert not (out / "summary.csv").exists()
    assert partial >= KILLS // 2
    assert start(out).wait() == 1  # the poison file
    assert start(tmp_path / "clean").wait() == 1
    assert len(contents(out)) == PICTURES - 1 + 2
    assert contents(out) == contents(tmp_path / "clean")
    assert not [path for path in out.rglob("*") if path.name.startswith(".twofold-") and path.name != STATE]
    assert {path.name for path in (out / STATE).iterdir()} == {"journal-1-of-1.jsonl", "lock-1-of-1"}
