"""``twofold masks`` from files to files."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from masks.damaged_photos import damage_photo
from twofold.cli.main import COMMANDS, main
from twofold.masks.buckets import MASK_KINDS
from twofold.masks.editing import grow, shrink

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "masks.md").read_text()

HOLE = np.zeros((40, 50), bool)
HOLE[10:20, 15:40] = True


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    """Work in an empty folder, with a mask in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(COMMANDS, "masks", ("", "twofold.cli.masks"))
    save(HOLE, "mask.png")


def save(mask, path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255 if mask.dtype == bool else mask).save(path)


def load(path):
    """The levels of a mask, which must be black and white to be read as a hole."""
    with Image.open(path) as file:
        assert file.mode == "L"
        return np.array(file)


def masks(line):
    return main(["masks", *shlex.split(line)])


def refused(line, capsys):
    """The one line that a command which cannot be done says; it leaves nothing behind."""
    before = sorted(Path().rglob("*"))
    assert masks(line) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert sorted(Path().rglob("*")) == before
    assert shown.err.count("\n") == 1
    return shown.err


def test_made_masks_have_their_size_kind_and_ratio_and_are_listed(capsys):
    assert masks("make out --kind free-form boxes --size 60 40 --count 5 --ratio 20-30") == 0
    names = [f"{number:05d}.png" for number in range(5)]
    assert capsys.readouterr().out.split() == [f"out/{name}" for name in [*names, "masks.csv"]]
    with Path("out/masks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == names
    assert [row["kind"] for row in rows] == ["free-form", "boxes", "free-form", "boxes", "free-form"]
    for row in rows:
        levels = load(f"out/{row['name']}")
        assert levels.shape == (40, 60)
        assert set(np.unique(levels)) == {0, 255}
        assert 0.2 <= (levels == 255).mean() < 0.3
        assert float(row["ratio"]) == pytest.approx((levels == 255).mean(), abs=1e-6)


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_the_same_seed_makes_the_same_masks_and_more_masks_change_none(kind):
    assert masks(f"make few --kind {kind} --size 64 64 --count 2 --seed 7") == 0
    assert masks(f"make more --kind {kind} --size 64 64 --count 3 --seed 7") == 0
    for name in ("00000.png", "00001.png"):
        assert Path("few", name).read_bytes() == Path("more", name).read_bytes()


def test_photos_get_masks_of_their_names_and_sizes_and_keep_them_when_others_come():
    save(np.zeros((30, 44, 3), np.uint8), "photos/one.jpg")
    turned = Image.new("RGB", (50, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    Path("photos/deep").mkdir()
    turned.save("photos/deep/two.png", exif=exif.tobytes())
    Path("photos/notes.txt").write_text("no photo")
    assert masks("make out --like photos --kind free-form") == 0
    assert load("out/one.png").shape == (30, 44)
    assert load("out/deep/two.png").shape == (50, 20)
    before = Path("out/one.png").read_bytes()
    save(np.zeros((30, 44, 3), np.uint8), "photos/aaa.png")
    assert masks("make out --like photos --kind free-form") == 0
    assert Path("out/one.png").read_bytes() == before
    assert len(Path("out/masks.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(("by", "expected"), [("3", grow(HOLE, 3)), ("-2.5", shrink(HOLE, 2.5)), ("0", HOLE)])
def test_grow_grows_and_shrinks(by, expected):
    assert masks(f"grow mask.png -o out.png --by {by}") == 0
    np.testing.assert_array_equal(load("out.png"), expected * np.uint8(255))


def test_a_feathered_mask_is_the_same_to_fill():
    assert masks("feather mask.png -o soft.png --width 6") == 0
    soft = load("soft.png")
    assert len(np.unique(soft)) > 4
    assert masks("binarise soft.png -o hard.png") == 0
    np.testing.assert_array_equal(load("hard.png"), load("mask.png"))
    assert masks("feather mask.png -o outside.png --width 6 --side outside") == 0
    assert (load("outside.png")[HOLE] == 255).all()


def test_inverting_twice_is_the_same_mask_with_its_greys():
    save(np.random.default_rng(0).integers(0, 256, (9, 9), dtype=np.uint8), "grey.png")
    assert masks("invert grey.png -o once.png") == 0
    assert masks("invert once.png -o twice.png") == 0
    np.testing.assert_array_equal(load("twice.png"), load("grey.png"))
    np.testing.assert_array_equal((load("once.png") >= 128), (load("grey.png") < 128))


def test_a_mask_is_cut_where_it_is_asked_to_be_without_warnings(capsys):
    save(np.arange(256, dtype=np.uint8).reshape(16, 16), "grey.png")
    assert masks("binarise grey.png -o out.png --at 200") == 0
    np.testing.assert_array_equal(load("out.png").ravel(), 255 * (np.arange(256) >= 200))
    assert capsys.readouterr().err == ""


def test_an_edit_of_a_grey_mask_warns_in_one_line(capsys):
    save(np.arange(256, dtype=np.uint8).reshape(16, 16), "grey.png")
    assert masks("grow grey.png -o out.png --by 1") == 0
    assert capsys.readouterr().err.startswith("twofold: warning: mask has 254 grey levels")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparency_is_the_hole(dtype):
    pixels = np.full((40, 50, 4), np.iinfo(dtype).max, dtype)
    pixels[HOLE, 3] = 0
    assert cv2.imwrite("cutout.png", pixels)
    assert masks("from-alpha cutout.png -o out.png") == 0
    np.testing.assert_array_equal(load("out.png"), HOLE * np.uint8(255))


def test_paint_is_the_hole():
    pixels = np.full((40, 50, 3), 120, np.uint8)
    pixels[HOLE] = (250, 4, 247)
    save(pixels, "marked.png")
    assert masks("from-colour marked.png -o out.png --colour magenta") == 0
    np.testing.assert_array_equal(load("out.png"), HOLE * np.uint8(255))


def test_a_key_that_is_nowhere_is_said(capsys):
    save(np.zeros((4, 4, 3), np.uint8), "plain.png")
    assert masks("from-colour plain.png -o out.png") == 0
    assert capsys.readouterr().err == "plain.png: nothing is hole\n"
    assert not load("out.png").any()


def test_folders_are_mirrored_and_masks_of_an_earlier_run_are_no_input():
    save(HOLE, "all/a.png")
    save(HOLE, "all/deep/b.tif")
    for _ in range(2):
        assert masks("invert all -o all/inverted") == 0
    found = sorted(path.relative_to("all/inverted").as_posix() for path in Path("all/inverted").rglob("*.*"))
    assert found == ["a.png", "deep/b.png"]


def test_one_broken_picture_of_a_folder_is_named_and_the_others_are_done(capsys):
    save(HOLE, "all/a.png")
    Path("all/b.png").write_bytes(b"no picture")
    save(HOLE, "all/c.png")
    assert masks("invert all -o out") == 2
    shown = capsys.readouterr()
    assert shown.out.split() == ["out/a.png", "out/c.png"]
    told = shown.err.splitlines()
    assert "all/b.png" in told[0]
    assert told[1].startswith("twofold: 1 of 3 pictures cannot be used")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("grow mask.png -o mask.png --by 2", "mask.png is read and would be overwritten"),
        ("grow ./mask.png -o ../{here}/mask.png --by 2", "is read and would be overwritten"),
        ("grow . -o . --by 2", "is read and would be overwritten"),
        ("grow mask.png -o out.jpg --by 2", "a mask ends in one of .png"),
        ("grow mask.png -o out --by 2", "a mask ends in one of .png"),
        ("grow mask.png -o nowhere/out.png --by 2", "there is no folder"),
        ("grow none.png -o out.png --by 2", "there is no file none.png"),
        ("grow mask.png -o out.png --by nan", "give a number from 0 on"),
        ("grow . -o mask.png --by 2", "give a folder to write to"),
        ("feather mask.png -o out.png --width 0", "give a number above 0"),
        ("binarise mask.png -o out.png --at 0", "from 1 to 255"),
        ("from-alpha mask.png -o out.png", "mask.png: the picture has no alpha channel"),
        ("from-alpha mask.png -o out.png --below 300", "from 1 to 255"),
        ("from-colour mask.png -o out.png --colour pinkish", "'pinkish' is no colour"),
        ("find mask.png -o out.png --sensitivity 0", "sensitivity is 0.0"),
        ("find mask.png -o out.png --largest 0", "largest is 0"),
        ("find mask.png -o out.png --margin -1", "margin is -1.0"),
        ("make out --kind squares", "there is no kind of mask 'squares'"),
        ("make out --ratio 30-20", "such as 20-30"),
        ("make out --seed -1", "seed is -1"),
        ("make out --count 0", "from 1 on"),
        ("make out --like . --count 3", "leave out --size and --count"),
        ("make . --like mask.png", "is read and would be overwritten"),
        ("make mask.png", "cannot make the folder mask.png"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_and_nothing_is_written(line, said, tmp_path, capsys):
    assert said in refused(line.format(here=tmp_path.name), capsys)


def test_two_pictures_never_share_a_mask(capsys):
    save(HOLE, "all/a.png")
    save(HOLE, "all/a.tif")
    assert "would both have the mask out/a.png" in refused("invert all -o out", capsys)


def test_a_folder_without_pictures_is_refused(capsys):
    Path("empty").mkdir()
    assert "holds no picture" in refused("invert empty -o out", capsys)


def psnr(picture, clean):
    return 10 * np.log10(255**2 / np.square(picture.astype(float) - clean).mean())


def scanned_cat():
    return damage_photo(data.chelsea(), 1, scratches=4, dust=20)


def test_damage_is_found_and_filling_it_brings_the_photo_back(capsys):
    scan = scanned_cat()
    save(scan.picture, "scan.png")
    assert masks("find scan.png -o damage.png --tones bright") == 0
    assert re.fullmatch(r"scan.png: \d+ scratches, \d+ spots, \d+.\d\d% of it\n", capsys.readouterr().err)
    assert main(shlex.split("fill scan.png damage.png -o restored.png --model opencv-telea")) == 0
    restored = np.array(Image.open("restored.png"))
    before, after = (psnr(picture, scan.clean) for picture in (scan.picture, restored))
    assert after > before + 5


def test_a_turned_photo_is_searched_upright():
    scan = scanned_cat().picture
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(scan).save("upright.png")
    Image.fromarray(np.rot90(scan)).save("turned.png", exif=exif.tobytes())
    for name in ("upright", "turned"):
        assert masks(f"find {name}.png -o {name}-mask.png") == 0
    np.testing.assert_array_equal(load("turned-mask.png"), load("upright-mask.png"))


def test_every_command_of_the_page_works(capsys):
    save(scanned_cat().picture[:200, :200], "scan.png")
    save(np.zeros((64, 64, 3), np.uint8), "photos/one.png")
    save(np.zeros((64, 64, 4), np.uint8), "cutout.png")
    for name in ("marked.png", "painted.png", "black-is-hole.png"):
        shutil.copy("mask.png", name)
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) > 8
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "twofold"
        assert main(words[1:]) == 0, capsys.readouterr().err


def test_the_page_names_every_kind_of_mask():
    for kind in MASK_KINDS:
        assert f"`{kind}`" in PAGE
