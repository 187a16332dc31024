"""``twofold fill`` from files to files: what is kept, and what is refused with nothing written."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torch import nn

from engine.fakes import PaletteOptions
from twofold.cli.main import main
from twofold.engine import load as load_module
from twofold.engine.torch_inpainter import TorchInpainter
from twofold.network import FilledBatch
from twofold.pixels import read_photo

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


class Seeded(nn.Module):
    """Answers with a colour that its seed draws."""

    size_multiple = 32
    native_size = 32
    largest_size = 32
    default_options = PaletteOptions()

    def fill(
        self,
        image: torch.Tensor,
        hole: torch.Tensor,
        seeds: Sequence[int],
        options: object = None,
        *,
        progress: object = None,
    ) -> FilledBatch:
        colors = [torch.rand(3, 1, 1, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return FilledBatch((2 * torch.stack(colors) - 1).expand(-1, -1, *image.shape[2:]))


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, *, device: str, **usual: object) -> TorchInpainter:
        assert name == "medfe-small"
        settings = {
            "options": None,
            "detail": "auto",
            "max_memory": None,
            "precision": "fp32",
            "engine": "auto",
        }
        assert usual == settings
        return TorchInpainter(Seeded(), name, device=device)

    monkeypatch.setattr(load_module, "load", load)


def noise(height: int, width: int, channels: int, dtype: str, seed: int = 0) -> np.ndarray:
    shape = (height, width) if channels == 0 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


HOLE = np.zeros((40, 50), np.bool_)
HOLE[10:20, 15:40] = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(noise(40, 50, 3, "uint8")).save(tmp_path / "photo.png")
    Image.fromarray(HOLE.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    return tmp_path


def fill(
    folder: Path, *arguments: str, photo: str = "photo.png", mask: str = "mask.png", out: str = "out.png"
) -> int:
    return main(["fill", str(folder / photo), str(folder / mask), "-o", str(folder / out), *arguments])


def test_hole_is_filled_and_the_rest_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fill(folder) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{folder / 'out.png'}\n"
    assert shown.err == ""
    before, after = (np.array(Image.open(folder / name)) for name in ("photo.png", "out.png"))
    np.testing.assert_array_equal(after[~HOLE], before[~HOLE])
    assert (after[HOLE] == after[10, 15]).all()
    assert (after[HOLE] != before[HOLE]).any()


@pytest.mark.parametrize("channels", [0, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_outside_is_identical_for_every_depth_and_channel(
    folder: Path, channels: int, dtype: str, ending: str
) -> None:
    pixels = noise(40, 50, channels, dtype, seed=1)
    order = [2, 1, 0, 3][:channels]
    assert cv2.imwrite(str(folder / f"in.{ending}"), pixels if channels == 0 else pixels[..., order])
    assert fill(folder, photo=f"in.{ending}", out="out.png") == 0
    after = cv2.imread(str(folder / "out.png"), cv2.IMREAD_UNCHANGED)
    after = after if channels == 0 else after[..., order]
    assert (after.shape, after.dtype) == (pixels.shape, pixels.dtype)
    np.testing.assert_array_equal(after[~HOLE], pixels[~HOLE])


@pytest.mark.parametrize("source", ["jpg", "png", "tif", "webp"])
def test_exif_and_profile_are_kept_and_a_turned_photo_is_filled_upright(folder: Path, source: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker"
    exif[0x8769] = {0x9003: "2024:05:01 10:00:00"}
    turned = Image.fromarray(noise(50, 40, 3, "uint8"))  # upright it is 50 wide and 40 high
    turned.save(folder / f"in.{source}", exif=exif.tobytes(), icc_profile=PROFILE)
    assert fill(folder, photo=f"in.{source}") == 0
    with Image.open(folder / "out.png") as image:
        assert image.size == (50, 40)
        assert image.info["icc_profile"] == PROFILE
        kept = image.getexif()
        assert kept.get(0x0112, 1) == 1
        assert kept[0x010F] == "Maker"
        assert kept.get_ifd(0x8769)[0x9003] == "2024:05:01 10:00:00"
        np.testing.assert_array_equal(
            np.array(image)[~HOLE], read_photo(folder / f"in.{source}").pixels[~HOLE]
        )


def test_seed_and_samples_say_what_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fill(folder, "--samples", "3", "--seed", "4", out="many.png") == 0
    names = [f"many-{number}.png" for number in (1, 2, 3)]
    assert capsys.readouterr().out.split() == [str(folder / name) for name in names]
    assert not (folder / "many.png").exists()
    pictures = [read_photo(folder / name).pixels for name in names]
    assert (pictures[0] != pictures[1]).any()
    assert (pictures[1] != pictures[2]).any()
    assert fill(folder, "--seed", "4", out="one.png") == 0
    np.testing.assert_array_equal(read_photo(folder / "one.png").pixels, pictures[0])


def test_photo_itself_can_be_the_output(folder: Path) -> None:
    before = np.array(Image.open(folder / "photo.png"))
    assert fill(folder, out="photo.png") == 0
    after = np.array(Image.open(folder / "photo.png"))
    assert (after != before)[HOLE].any()
    np.testing.assert_array_equal(after[~HOLE], before[~HOLE])


def test_mask_with_grey_levels_is_warned_about_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(noise(40, 50, 0, "uint8")).save(folder / "grey.png")
    assert fill(folder, mask="grey.png") == 0
    shown = capsys.readouterr().err
    assert shown.startswith("twofold: warning: mask has")
    assert shown.count("\n") == 1


def bomb() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(99)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"photo": "absent.png"}, "No such file"),
        ({"photo": "text.png"}, "not an image"),
        ({"photo": "cut.png"}, "damaged"),
        ({"photo": "bomb.png"}, "million pixels"),
        ({"photo": "print.jpg"}, "CMYK"),
        ({"photo": "film.gif"}, "frames"),
        ({"photo": "."}, "directory"),
        ({"mask": "absent.png"}, "mask cannot be used"),
        ({"mask": "bomb.png"}, "mask cannot be used"),
        ({"mask": "small.png"}, "mask is 20x30 but image is 50x40"),
        ({"mask": "black.png"}, "no hole"),
        ({"out": "out.xyz"}, "ending .xyz"),
        ({"out": "nowhere/out.png"}, "no folder"),
        ({"out": "text"}, "is a file without an ending"),
        ({"out": "nowhere/folder"}, "no folder"),
        ({"out": "taken.d/"}, "is a folder"),
        ({"photo": "alpha.png", "out": "out.jpg"}, "alpha"),
        ({"arguments": ("--samples", "0")}, "samples is 0"),
        ({"arguments": ("--seed", "-1")}, "seed -1"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2_and_nothing_written(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, object],
    word: str,
) -> None:
    # Whatever is wrong with the input is said before a network is loaded.
    monkeypatch.setattr(load_module, "load", None)
    (folder / "text.png").write_text("hello")
    (folder / "cut.png").write_bytes((folder / "photo.png").read_bytes()[:3000])
    (folder / "bomb.png").write_bytes(bomb())
    (folder / "text").write_text("hello")
    (folder / "taken.d" / "photo-1.png").mkdir(parents=True)
    picture = Image.fromarray(noise(40, 50, 3, "uint8"))
    picture.convert("CMYK").save(folder / "print.jpg")
    picture.convert("RGBA").save(folder / "alpha.png")
    picture.save(folder / "film.gif", save_all=True, append_images=[Image.new("RGB", (50, 40))])
    Image.new("L", (20, 30), 255).save(folder / "small.png")
    Image.new("L", (50, 40)).save(folder / "black.png")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    arguments = changes.pop("arguments", ()) if "arguments" in changes else ()
    assert fill(folder, *arguments, **changes) == 2  # type: ignore[misc, arg-type]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("twofold: ")
    assert shown.err.count("\n") == 1
    assert word in shown.err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_unknown_device_is_one_sentence_and_status_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fill(folder, "--device", "abacus") == 2
    assert capsys.readouterr().err.startswith("twofold: device 'abacus' cannot be used here")
    assert not (folder / "out.png").exists()


def test_unknown_option_is_status_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fill(folder, "--sample-count", "3") == 2
    assert "--sample-count" in capsys.readouterr().err
    assert not (folder / "out.png").exists()


def test_help_tells_how_masks_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fill", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "PHOTO" in shown
    assert "white" in shown


def test_a_number_of_threads_is_used_and_none_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    try:
        assert fill(folder, "--threads", str(before + 1)) == 0
        assert torch.get_num_threads() == before + 1
        assert os.environ["OMP_NUM_THREADS"] == str(before + 1)
        (folder / "out.png").unlink()
        assert fill(folder, "--threads", "0") == 2
        assert "threads is 0; give 1 or more" in capsys.readouterr().err
        assert not (folder / "out.png").exists()
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("given", "waits"),
    [({}, "500"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_threads_wait_briefly_unless_somebody_says_otherwise(
    given: dict[str, str], waits: str | None
) -> None:
    words = [sys.executable, "-c", "import os, twofold; print(os.environ.get('GOMP_SPINCOUNT'))"]
    clean = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(words, env=clean | given, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(waits)


def test_a_mask_painted_in_black_on_transparent_names_its_alpha(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = np.zeros((40, 50, 4), np.uint8)
    layer[10:20, 15:40, 3] = 255
    Image.fromarray(layer).save(folder / "layer.png")
    assert fill(folder, mask="layer.png") == 2
    assert (
        "make a mask of its alpha by `twofold masks from-alpha`" in capsys.readouterr().err.splitlines()[-1]
    )
    assert main(["masks", "from-alpha", str(folder / "layer.png"), "-o", str(folder / "made.png")]) == 0
    assert main(["masks", "invert", str(folder / "made.png"), "-o", str(folder / "turned.png")]) == 0
    assert fill(folder, mask="turned.png") == 0
