"""The command line and broken files: one line, status 2, and the folder as it was."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from checkpoints.bundle_writer import (
    block,
    bytes_field,
    entry,
    finished,
    header,
    number_field,
    table,
    write_bundle,
)
from checkpoints.bundle_writer import sealed as sealed_block
from fuzz.corpus import HEIGHT, WIDTH, bombs, truncations, valid_pictures
from fuzz.limits import within
from twofold.checkpoints import from_medfe
from twofold.checkpoints.from_medfe import official_shapes
from twofold.checkpoints.pickled import UnreadError, read_pickled
from twofold.checkpoints.tf_bundle import TensorBundle
from twofold.cli.main import main
from twofold.errors import CheckpointError
from twofold.medfe.config import tiny as tiny_medfe
from twofold.pixels import read_photo

PICTURES = valid_pictures()
HOLE = np.zeros((HEIGHT, WIDTH), np.bool_)
HOLE[2:4, 2:5] = True


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str, seconds: float = 5) -> str:
    """Run a command that must fail: one line, status 2, nothing written; the line."""
    before = contents(folder)
    with within(seconds, arguments):
        assert main(list(arguments)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("twofold: ")
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err
    assert contents(folder) == before
    return shown.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photo.png").write_bytes(PICTURES["png"])
    Image.fromarray(HOLE.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    return tmp_path


def fill(folder: Path, photo: str = "photo.png", mask: str = "mask.png", out: str = "out.png") -> list[str]:
    paths = [str(folder / photo), str(folder / mask), "-o", str(folder / out)]
    return ["fill", *paths, "--model", "opencv-telea"]


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("role", ["photo", "mask"])
def test_filling_from_broken_pictures(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, role: str
) -> None:
    for data in list(truncations(PICTURES[name], 5))[:3]:
        (folder / "broken.png").write_bytes(data)
        assert "broken.png" in refused(folder, capsys, *fill(folder, **{role: "broken.png"}))


@pytest.mark.parametrize("role", ["photo", "mask"])
def test_filling_from_bombs(folder: Path, capsys: pytest.CaptureFixture[str], role: str) -> None:
    for name, data in bombs().items():
        if "13000x13000" not in name and name.startswith(("png", "gif", "webp", "tiff with huge")):
            (folder / "bomb.png").write_bytes(data)
            assert "bomb.png" in refused(folder, capsys, *fill(folder, **{role: "bomb.png"}))


@pytest.mark.parametrize("role", ["photo", "mask"])
def test_filling_from_what_is_no_file(folder: Path, capsys: pytest.CaptureFixture[str], role: str) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "circle.png").symlink_to(folder / "circle.png")
    (folder / "folder.png").mkdir()
    for name in ("pipe.png", "circle.png", "folder.png", "absent.png", "/dev/zero", "x" * 300):
        refused(folder, capsys, *fill(folder, **{role: name}))


def test_filling_into_what_is_no_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "circle.png").symlink_to(folder / "circle.png")
    for name in ("pipe.png", "circle.png", "photo.png/out.png", "absent/out.png", "out.doc", "out"):
        if name == "out":
            (folder / "out").touch()
        refused(folder, capsys, *fill(folder, out=name))


@pytest.mark.parametrize("name", ["-o.png", "--help.png", "new\nline.png", "🖼.png", "%s.png", " .png"])
def test_filling_files_of_strange_names(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "photo.png").rename(folder / name)
    assert main(fill(folder, photo=name, out=f"out {name}")) == 0
    assert capsys.readouterr().err == ""
    read = read_photo(folder / f"out {name}").pixels
    np.testing.assert_array_equal(read[~HOLE], read_photo(folder / name).pixels[~HOLE])
    if name.startswith("-"):  # without a folder before it, it looks like an option: one line and status 2
        monkeypatch.chdir(folder)
        assert main(["fill", name, "mask.png", "-o", "x.png", "--model", "opencv-telea"]) in (0, 2)
        assert not (folder / "x.png").exists() or read_photo(folder / "x.png").pixels.shape == read.shape


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photo_and_mask_of_one_camera_are_filled_where_the_mask_is(folder: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(stored).save(folder / "photo.png", exif=exif)
    Image.fromarray(HOLE.astype(np.uint8) * 255).save(folder / "mask.png", exif=exif)
    assert main(fill(folder)) == 0
    with Image.open(folder / "out.png") as out:
        assert out.getexif().get(0x0112, 1) == 1
        filled = np.array(out)
    before = read_photo(folder / "photo.png").pixels
    changed = (filled != before).any(axis=2)
    turned = read_photo(folder / "mask.png").pixels > 127
    assert changed.any()
    assert not (changed & ~turned).any()


# --- weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"hello", bytes(100), struct.pack("<Q", 2**63) + b"{}"])
def test_filling_with_broken_weights(folder: Path, capsys: pytest.CaptureFixture[str], data: bytes) -> None:
    (folder / "w.safetensors").write_bytes(data)
    arguments = [*fill(folder)[:-1], str(folder / "w.safetensors")]
    assert "w.safetensors is damaged" in refused(folder, capsys, *arguments)


class Hostile:
    """Runs a command where it is unpickled without care."""

    def __init__(self, folder: Path) -> None:
        self.trace = folder / "trace"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.trace}",)


def saved(content: object, *, new: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=new)
    return buffer.getvalue()


def packed_tightly(data: bytes) -> bytes:
    """The same archive with its entries compressed."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out,
    ):
        for name in source.namelist():
            out.writestr(name, source.read(name))
    return buffer.getvalue()


def pickles(folder: Path) -> dict[str, bytes]:
    """Files that claim to be PyTorch's, and are none of the authors' networks."""
    whole = saved({"net": {"a": torch.zeros(3)}})
    old = saved({"a": torch.zeros(3)}, new=False)
    kinds = {
        "sparse": torch.zeros(1).to_sparse(),
        "meta": torch.zeros(1, device="meta"),
        "complex": torch.zeros(1, dtype=torch.complex64),
        "small": torch.zeros(1).to(torch.float8_e4m3fn),
        "not finite": torch.tensor([torch.nan]),
    }
    name = "pc_block.down_128.model.0.bias"
    files = {kind: saved({name: value}) for kind, value in kinds.items()}
    return files | {
        "hostile": saved({"a": Hostile(folder)}),
        "hostile and old": saved({"a": Hostile(folder)}, new=False),
        "hostile alone": pickle.dumps(Hostile(folder)),
        "hostile keys": pickle.dumps({"a": Hostile(folder)}, protocol=0),
        "bomb": packed_tightly(saved({"a": torch.zeros(10**7)})),
        "list": saved([1, 2]),
        "numbers for names": saved({1: torch.zeros(1), (2, 3): torch.zeros(1)}),
        "nothing": saved({}),
        "long names": saved({"x" * 10**6: torch.zeros(1)}),
        "deep": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "huge memo": b"\x80\x02]r\xff\xff\xff\xff.",
        "huge text": b"\x80\x02X\xff\xff\xff\x7fabc.",
        "huge number": b"\x80\x02\x8b\xff\xff\xff\x7fabc.",
        **{f"cut {index}": data for index, data in enumerate(truncations(whole, 5))},
        **{f"old and cut {index}": data for index, data in enumerate(truncations(old, 5))},
    }


def test_converting_broken_and_hostile_medfe_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("EN.pkl", "DE.pkl"):
        (folder / name).write_bytes(b"hello")
    shapes = official_shapes(tiny_medfe("official"))["MEDFE"]
    for what, data in pickles(folder).items():
        (folder / "MEDEF.pkl").write_bytes(data)
        if what in ("hostile", "bomb"):
            said = refused(folder, capsys, "convert", "medfe", str(folder), str(folder / "out"), seconds=20)
        else:  # the same without the full-size network
            complaints: list[str] = []
            with within(2, what):
                from_medfe._read(folder / "MEDEF.pkl", complaints, shapes)
            said = complaints[0]
            assert "\n" not in said
        assert len(said) < 2000, what
        assert "weights_only" not in said, what
    assert not (folder / "trace").exists()
    assert not (folder / "out").exists()


def test_program_code_in_a_pickle_is_named_and_not_run(tmp_path: Path) -> None:
    for new in (True, False):
        (tmp_path / "a.pkl").write_bytes(saved({"a": Hostile(tmp_path)}, new=new))
        with pytest.raises(UnreadError, match=r"program code, posix\.system, which is not run"):
            read_pickled(tmp_path / "a.pkl")
    assert not (tmp_path / "trace").exists()


FLOAT = 1
TABLES: dict[str, bytes] = {
    "header of many fields": table({b"": b"\x08\x01" * 1_000_000}),
    "entry of many fields": table({b"": header(), b"a": b"\x08\x01" * 1_000_000}),
    "entry of many axes": table({b"": header(), b"a": bytes_field(2, b"\x12\x00" * 1_000_000)}),
    "axis of many fields": table({b"": header(), b"a": bytes_field(2, bytes_field(2, b"\x08\x01" * 10**6))}),
    "entry of many slices": table({b"": header(), b"a": b"\x3a\x00" * 1_000_000}),
    "a name of a megabyte": table({b"": header(), b"a" * 10**6: entry(FLOAT, [1])}),
    "too large": table({b"": header(), b"a": bytes(5_000_000)}),
    "absurd offset": table({b"": header(), b"vq_encoder/a": entry(FLOAT, [1], offset=2**61, size=4)}),
    "absurd size": table({b"": header(), b"vq_encoder/a": entry(FLOAT, [2**38], size=2**40)}),
    "absurd count of files": table(
        {b"": header(99_999), b"vq_encoder/a": entry(FLOAT, [1], shard=99_998, size=4)}
    ),
    "block outside": finished(b"", block([(b"0", b"\xff\xff\x7f\xff\xff\x7f")])),
    "thousands of blocks": finished(
        sealed_block(block([])), block([(b"%05d" % i, b"\0\x08") for i in range(50_000)])
    ),
    "a field twice": table({b"": number_field(1, 1) + number_field(1, 2)}),
}


@pytest.mark.parametrize("what", TABLES)
def test_converting_absurd_tables(folder: Path, capsys: pytest.CaptureFixture[str], what: str) -> None:
    (folder / "m.ckpt.index").write_bytes(TABLES[what])
    (folder / "m.ckpt.data-00000-of-00001").write_bytes(b"12345678")
    refused(folder, capsys, "convert", "dsi", str(folder / "m.ckpt"), str(folder / "out"))
    # What a well-formed index cannot mean is found later; and protobuf takes the last of a field's values.
    later = ("entry of many slices", "absurd offset", "absurd size", "absurd count of files", "a field twice")
    if what not in later:
        with within(2, what), pytest.raises(CheckpointError, match=r"cannot be read as a checkpoint's index"):
            TensorBundle(folder / "m.ckpt")


def test_a_checkpoint_whose_data_are_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    prefix = write_bundle(tmp_path / "m.ckpt", {"a": np.ones(2, np.float32)})
    data = TensorBundle(prefix).data_file(0)
    data.unlink()
    os.mkfifo(data)
    with within(2, "a pipe"), pytest.raises(CheckpointError, match="it is a named pipe"):
        TensorBundle(prefix).read("a")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may read everything")
def test_files_without_permission_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "secret.png").write_bytes(PICTURES["png"])
    (folder / "secret.png").chmod(0)
    assert main(fill(folder, photo="secret.png")) == 2
    assert "Permission denied" in capsys.readouterr().err
