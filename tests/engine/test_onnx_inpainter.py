"""The engine without PyTorch: it answers as the engine with it, for pictures of any kind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import twofold
from export.files import exported_dsi, exported_medfe, exported_official
from twofold.engine.backends.onnx.manifest import read_exported
from twofold.engine.load import load
from twofold.engine.onnx_inpainter import OnnxInpainter
from twofold.errors import CheckpointError, InputError
from twofold.export.parity import trial

WITHOUT_TORCH = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnx", "onnxscript", "einops", "jaxtyping", "safetensors"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
from twofold.cli.main import main
status = main(sys.argv[1:])
assert "torch" not in sys.modules
raise SystemExit(status)
"""


@pytest.fixture(scope="module")
def medfe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_medfe(tmp_path_factory)


@pytest.fixture(scope="module")
def dsi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_dsi(tmp_path_factory)


def scene(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    image, hole = trial(1, max(2, height), width, seed=seed)
    return image[0, :height], hole[0, :height]


def without_torch(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("shape", [(128, 128), (75, 203), (300, 260), (1, 40)])
@pytest.mark.parametrize("kind", ["rgb", "grey16", "rgba"])
def test_medfe_answers_as_by_torch(medfe: Path, shape: tuple[int, int], kind: str) -> None:
    image, hole = scene(*shape)
    if kind == "grey16":
        image = image[..., 0].astype(np.uint16) * 250
    if kind == "rgba":
        image = np.dstack([image, image[..., 0]])
    one, other = (load(model, device="cpu", detail="none") for model in (medfe, medfe / "tiny.onnx"))
    wanted, found = one.fill(image, hole), other.fill(image, hole)
    level = 257 if kind == "grey16" else 1
    assert found.image.dtype == image.dtype
    assert np.abs(found.image.astype(int) - wanted.image).max() <= level
    np.testing.assert_array_equal(found.image[~hole], image[~hole])
    for view in ("structure", "texture"):
        mine, theirs = getattr(found.samples[0], view), getattr(wanted.samples[0], view)
        assert np.abs(mine.astype(int) - theirs).max() <= 1


def test_official_mode_answers_as_by_torch(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = exported_official(tmp_path_factory)
    image, hole = scene(230, 250)
    one, other = (load(model, device="cpu", detail="none") for model in (folder, folder / "tiny.onnx"))
    assert other.name == "quirks"
    difference = one.fill(image, hole).image.astype(int) - other.fill(image, hole).image
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize(
    "options", [None, {"temperature": 0.5, "top_k": 4}, {"keep_margin": None}, {"keep_margin": 1}]
)
def test_dsi_answers_as_by_torch_seed_for_seed(dsi: Path, options: dict[str, float] | None) -> None:
    image, hole = scene(90, 70, seed=4)
    hole[:40] = False
    one, other = (load(model, device="cpu", detail="none", options=options) for model in (dsi, dsi / "tiny"))
    wanted, found = one.fill(image, hole, samples=3, seed=7), other.fill(image, hole, samples=3, seed=7)
    assert found.options == wanted.options
    for mine, theirs in zip(found.samples, wanted.samples, strict=True):
        np.testing.assert_array_equal(mine.codes, theirs.codes)
        assert np.abs(mine.image.astype(int) - theirs.image).max() <= 1
        assert np.abs(mine.structure.astype(int) - theirs.structure).max() <= 1
        assert mine.log_likelihood == pytest.approx(theirs.log_likelihood, abs=1e-2)
        assert mine.score == pytest.approx(theirs.score, abs=1e-5)
        assert (mine.attempt, mine.duplicate_of) == (theirs.attempt, theirs.duplicate_of)


def test_a_sample_is_the_same_picture_however_many_are_asked_for(dsi: Path) -> None:
    image, hole = scene(64, 64, seed=2)
    inpainter = load(dsi / "tiny", device="cpu")
    told: list[tuple[int, int]] = []
    three = inpainter.fill(
        image, hole, samples=3, seed=5, progress=lambda done, total: told.append((done, total))
    )
    assert told[-1][0] == told[-1][1]
    one = inpainter.fill(image, hole, seed=5)
    np.testing.assert_array_equal(one.image, three.image)
    assert inpainter.diverse
    assert not load(dsi / "tiny", options={"temperature": 0.0}).diverse


def test_names_options_and_limits_are_those_of_any_network(medfe: Path, dsi: Path) -> None:
    file = medfe / "tiny.onnx"
    inpainter = load(f"mine={file}", device="cpu", max_memory="2GB")
    assert isinstance(inpainter, OnnxInpainter)
    assert inpainter.name == "mine"
    with pytest.raises(InputError, match="takes no sampling options"):
        load(file, options={"temperature": 1.0})
    with pytest.raises(InputError, match="takes no option 'heat'"):
        load(dsi / "tiny", options={"heat": 1.0})
    with pytest.raises(InputError, match="allow more memory"):
        load(file, max_memory=1000).fill(*scene(64, 64))
    with pytest.raises(InputError, match="own precision"):
        load(file, precision="bf16")
    assert load(file, engine="onnx").name == "tiny-medfe"
    image, hole = scene(64, 64)
    np.testing.assert_array_equal(
        twofold.inpaint(image, hole, model=dsi / "tiny"), load(dsi / "tiny").fill(image, hole).image
    )


def test_an_engine_that_does_not_run_a_model_says_so(medfe: Path) -> None:
    with pytest.raises(InputError, match=r"twofold export medfe-small medfe-small\.onnx"):
        load("medfe-small", engine="onnx")
    with pytest.raises(InputError, match="does not run on PyTorch"):
        load(medfe / "tiny.onnx", engine="torch")
    assert load(medfe, engine="torch").name == "tiny-medfe"


def test_the_fingerprint_follows_files_and_options(medfe: Path, dsi: Path) -> None:
    assert load(medfe / "tiny.onnx").fingerprint != load(medfe).fingerprint
    plain = load(dsi / "tiny").fingerprint
    assert plain == load(dsi / "tiny").fingerprint
    assert "onnxruntime" in plain
    assert "cpu" in plain
    assert "temperature=0.5" in load(dsi / "tiny", options={"temperature": 0.5}).fingerprint.replace("[", "")


def copied(dsi: Path, folder: Path) -> Path:
    return Path(shutil.copytree(dsi / "tiny", folder / "copy"))


def test_a_folder_that_is_not_whole_is_refused_in_one_sentence(
    dsi: Path, medfe: Path, tmp_path: Path
) -> None:
    folder = copied(dsi, tmp_path)
    (folder / "row.onnx").write_bytes((folder / "window.onnx").read_bytes())
    with pytest.raises(CheckpointError, match=r"is not the file that manifest\.json was written for"):
        load(folder)
    (folder / "row.onnx").unlink()
    with pytest.raises(CheckpointError, match=r"lacks row\.onnx"):
        load(folder)
    with pytest.raises(CheckpointError, match="is one of the files of an exported network; give its folder"):
        load(folder / "window.onnx")
    manifest = folder / "manifest.json"
    document = json.loads((dsi / "tiny" / "manifest.json").read_text())
    for change, words in [
        ({"format": "twofold-onnx/9"}, "format 'twofold-onnx/9'"),
        ({"native_size": 0}, "no usable native_size"),
        ({"name": None}, "without a usable name"),
        ({"files": {}}, "names no files"),
        ({"files": {"../../row": "0" * 16}}, r"lacks row\.onnx"),
        ({"family": "maybe", "files": {"paint": read_digest(folder / "paint.onnx")}}, "family 'maybe'"),
        ({"sampler": {}, "files": {"paint": read_digest(folder / "paint.onnx")}}, "incomplete"),
    ]:
        manifest.write_text(json.dumps({**document, **change}))
        with pytest.raises(CheckpointError, match=words):
            load(folder)
    manifest.write_text("{")
    with pytest.raises(CheckpointError, match="damaged document"):
        load(folder)
    whole = (medfe / "tiny.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="damaged or not a model in ONNX"):
        load(tmp_path / "cut.onnx")


def read_digest(file: Path) -> str:
    from twofold.engine.fingerprints import file_digest

    return file_digest(file)


@given(st.binary(max_size=200))
def test_any_bytes_are_no_export(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("bytes") / "any.onnx"
    file.write_bytes(content)
    assert read_exported(file) is None


def test_fill_runs_where_no_torch_is(medfe: Path, dsi: Path, tmp_path: Path) -> None:
    image, hole = scene(100, 150)
    photo, mask = tmp_path / "photo.png", tmp_path / "mask.png"
    Image.fromarray(image).save(photo)
    Image.fromarray(hole).save(mask)
    done = without_torch(
        "fill", photo, mask, "-o", tmp_path / "out.png", "--engine", "onnx", "--model", medfe / "tiny.onnx",
        "--detail", "none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    filled = np.asarray(Image.open(tmp_path / "out.png"))
    wanted = load(medfe, detail="none").fill(image, hole).image
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    assert np.abs(filled.astype(int) - wanted).max() <= 1
    box = np.zeros((140, 170), np.bool_)
    box[40:120, 50:130] = True
    Image.fromarray(scene(*box.shape)[0]).save(photo)
    Image.fromarray(box).save(mask)
    done = without_torch(
        "fill", photo, mask, "-o", tmp_path / "many", "--samples", 2, "--model", dsi / "tiny",
        "--detail", "always", "--temperature", 0.9, "--max-memory", "2GB",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "many").glob("photo-?.png"))) == 2
    done = without_torch("fill", photo, mask, "-o", tmp_path / "none.png")
    assert done.returncode == 2
    assert "runs on PyTorch, which cannot be imported" in done.stderr
    assert done.stderr.count("\n") == 1
    done = without_torch("export", "medfe-small", tmp_path / "x.onnx")
    assert done.returncode == 2
    assert "pip install 'twofold[export]'" in done.stderr
