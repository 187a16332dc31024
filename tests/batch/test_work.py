"""One picture: its seed, its files, and what is said when something is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batch.pictures import folders, mask, picture
from twofold.batch.naming import Task
from twofold.batch.work import NOTHING_TO_FILL, Answer, Filler, Settings, Work, nothing_fits, task_seed
from twofold.engine.external.classical import OpenCVTelea
from twofold.errors import ImageError

TASK = Task("a.png", "a.png", "a.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folders(tmp_path, ["a.png"])
    (tmp_path / "staging").mkdir()
    return tmp_path


def fill(root: Path, task: Task = TASK, **settings: object) -> Answer:
    work = Work(
        str(root / "images"),
        str(root / "masks"),
        root / "staging",
        Settings(model="opencv-telea", **settings),  # type: ignore[arg-type]
    )
    return Filler(work).fill(task)


def test_an_answer_is_the_models_with_everything_else_kept(root: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    photo = np.array(Image.open(root / "images" / "a.png"))
    Image.fromarray(photo).save(root / "images" / "a.png", exif=exif)
    answer = fill(root)
    assert answer.reason is None
    assert answer.note == ""
    (staged,) = answer.staged
    assert answer.sizes == (staged.stat().st_size,)
    expected = OpenCVTelea().fill(root / "images" / "a.png", root / "masks" / "a.png").image
    with Image.open(staged) as written:
        np.testing.assert_array_equal(np.array(written), expected)
        assert written.getexif()[0x010F] == "Maker"
    assert (expected != photo).any()


def test_seed_hangs_on_names_alone() -> None:
    assert task_seed(0, TASK) == task_seed(0, TASK._replace(out="elsewhere.png"))
    others = {
        task_seed(0, TASK),
        task_seed(1, TASK),
        task_seed(0, TASK._replace(mask="b.png")),
        task_seed(0, TASK._replace(image="b.png")),
    }
    assert len(others) == 4
    assert all(0 <= seed < 2**48 for seed in others)


def test_every_sample_is_a_file(root: Path) -> None:
    assert len(set(fill(root, samples=3).staged)) == 3


def test_a_black_mask_is_noted_and_the_picture_copied(root: Path) -> None:
    Image.new("L", (16, 16)).save(root / "masks" / "a.png")
    answer = fill(root)
    assert answer.note == NOTHING_TO_FILL
    copy, photo = (np.array(Image.open(path)) for path in (answer.staged[0], root / "images" / "a.png"))
    np.testing.assert_array_equal(copy, photo)


def test_a_grey_mask_is_noted(root: Path) -> None:
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(root / "masks" / "a.png")
    assert fill(root).note.startswith("mask has 254 grey levels")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: (root / "images" / "a.png").unlink(), "cannot read a.png: No such file"),
        (lambda root: (root / "masks" / "a.png").unlink(), "mask cannot be used: cannot read a.png: No such"),
        (lambda root: (root / "images" / "a.png").write_text("no"), "a.png is not an image that twofold can"),
        (lambda root: cut(root / "images" / "a.png"), "a.png is damaged or cut off"),
        (lambda root: mask(root / "masks" / "a.png", size=20), "mask is 20x20 but image is 16x16"),
        (lambda root: Image.new("L", (16, 16), 255).save(root / "masks" / "a.png"), "covers the whole image"),
    ],
)
def test_what_is_wrong_with_a_picture_is_one_line_without_our_paths(root: Path, spoil, words: str) -> None:
    spoil(root)
    answer = fill(root)
    assert answer.reason is not None
    assert words in answer.reason
    assert "\n" not in answer.reason
    assert str(root) not in answer.reason
    assert not answer.full
    assert not list((root / "staging").iterdir())


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def test_a_format_that_cannot_hold_a_picture_is_told_before_the_work(root: Path, monkeypatch) -> None:
    monkeypatch.setattr(OpenCVTelea, "fill", None)
    rgba = np.random.default_rng(0).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(root / "images" / "a.png")
    answer = fill(root, TASK._replace(out="a.jpg"))
    assert answer.reason is not None
    assert answer.reason.startswith("cannot write a.jpg: JPEG has no alpha channel")


def test_an_error_that_nobody_foresaw_is_one_pictures(root: Path, monkeypatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(OpenCVTelea, "fill", broken)
    assert fill(root).reason == "ZeroDivisionError: by zero"


def test_a_full_disk_is_no_pictures_fault(root: Path, monkeypatch) -> None:
    def full(*arguments: object) -> None:
        raise ImageError("cannot write") from OSError(28, "No space left on device")

    monkeypatch.setattr("twofold.batch.work.write_photo", full)
    assert fill(root).full
    assert not nothing_fits(OSError(2, "No such file"))


def test_models_without_torch_are_opened_without_it(root: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom pathlib import Path\nfrom twofold.batch.work import Filler, Settings, Work\n"
        "import twofold.batch.job\nFiller(Work('.', '.', Path('.'), Settings('opencv-telea')))\n"
        "raise SystemExit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_options_of_a_model_without_are_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="takes no sampling options"):
        fill(root, options={"top_k": 3})


def test_pictures_of_all_kinds_are_written(root: Path) -> None:
    for ending in ("png", "webp", "tif", "jpg"):
        answer = fill(root, TASK._replace(out=f"a.{ending}"))
        assert answer.reason is None
        assert Image.open(answer.staged[0]).size == (16, 16)
    assert picture(root / "images" / "b.png").exists()
