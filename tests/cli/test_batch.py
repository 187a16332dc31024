"""``twofold batch`` as a command: exit statuses, what is listed, and how progress is told."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batch.pictures import contents, folders, mask, tool
from twofold.batch.job import Progress
from twofold.cli import batch
from twofold.cli.batch import main
from twofold.errors import InputError

CLI = "import sys; from twofold.cli.batch import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folders(tmp_path, ["a.png", "x/b.jpg"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, masks: str = "masks") -> int:
    return main(["images", masks, "out", "--model", "opencv-telea", "--workers", "1", *arguments])


def test_all_done_is_status_0_and_the_summary_is_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    shown = capsys.readouterr()
    assert shown.out == "out/summary.csv\n"
    assert shown.err.splitlines()[0] == "0 of 2 pictures"
    assert shown.err.splitlines()[-2:] == ["2 of 2 pictures", "2 pictures done, 0 failed"]
    assert sorted(contents(root / "out")) == ["a.png", "summary.csv", "summary.json", "x/b.png"]


def test_a_failure_is_status_1_and_told_in_one_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "images" / "a.png").write_text("poison")
    assert run() == 1
    shown = capsys.readouterr()
    assert "twofold: a.png failed: a.png is not an image that twofold can read" in shown.err
    assert shown.err.splitlines()[-1] == "1 pictures done, 1 failed"
    assert (root / "out" / "x" / "b.png").exists()


def test_names_without_partner_are_all_listed_and_status_2(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "masks" / "a.png").unlink()
    for number in range(30):
        mask(root / "masks" / f"z{number:02}.png")
    assert run() == 2
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "picture without mask: a.png",
        *(f"mask without picture: z{number:02}.png" for number in range(30)),
    ]
    assert shown.err.startswith("twofold: 1 pictures have no mask and 30 masks no picture")
    assert not (root / "out").exists()
    assert run("--skip-unpaired") == 0
    assert capsys.readouterr().err.splitlines()[-1] == "1 pictures done, 0 failed, 31 names left out"


def test_options_reach_the_job() -> None:
    import tyro

    given = (
        "i m o --model dsi-small --seed 3 --samples 2 --temperature 0.5 --top-k 9 --top-p 0.8 --device cpu"
    )
    more = "--format keep --workers 3 --threads 2 --timeout 9 --shard 2/5 --skip-unpaired --ray"
    job = batch.job_of(tyro.cli(batch.BatchOptions, args=[*given.split(), *more.split()]))
    settings = job.settings
    assert (job.images, job.masks, job.out) == ("i", "m", "o")
    assert (settings.model, settings.seed, settings.samples, settings.device) == ("dsi-small", 3, 2, "cpu")
    assert settings.options == {"temperature": 0.5, "top_k": 9, "top_p": 0.8}
    assert (job.format, job.workers, settings.threads, job.timeout) == ("keep", 3, 2, 9)
    assert (job.shard, job.skip_unpaired, job.ray) == ((2, 5), True, True)


@pytest.mark.parametrize("shard", ["2", "a/b", "1/", "-1/2"])
def test_a_shard_that_is_none_is_refused(root: Path, shard: str) -> None:
    with pytest.raises(InputError, match="give it as i/n"):
        run(f"--shard={shard}")


def test_progress_tells_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(batch.time, "monotonic", lambda: clock[0])
    with batch._progress() as show:
        for number in range(0, 5001):
            show(Progress(20_000, 10_000, number))
            clock[0] += 0.25
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "10000 of 20000 pictures"
    assert lines[1] == "10020 of 20000 pictures, 4.00 a second, 41:35 left"
    assert 240 < len(lines) < 260


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (90_061, "25:01:01")]
)
def test_durations_are_read_easily(seconds: float, shown: str) -> None:
    assert batch._duration(seconds) == shown


def test_ctrl_c_leaves_a_job_that_can_go_on(root: Path) -> None:
    folders(root, [f"{number}.png" for number in range(5)])
    model = tool(root / "tool.py", "time.sleep(0.6)")
    arguments = ["images", "masks", "out", "--model", model, "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", CLI, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background, a shell may have told them to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while len(list((root / "out").glob("*.png"))) < 1:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate()
    assert process.returncode != 0
    assert "twofold: run the same command again to go on" in shown
    assert 1 <= len(list((root / "out").glob("*.png"))) < 6
    assert not list((root / "out").rglob("staging*"))
    assert main(arguments) == 0
    assert len(list((root / "out").glob("*.png"))) == 6
