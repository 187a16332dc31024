"""Model files in ONNX: every convention, every fault."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from engine.external.model_files import (
    COLOR,
    box_hole,
    inside,
    lama_onnx,
    migan_onnx,
    photo,
    ramp,
    stacked_onnx,
    write_onnx,
)
from twofold.engine.backends.onnx import session
from twofold.engine.load import load
from twofold.errors import CheckpointError, InputError, MaskError, MissingExtraError
from twofold.inpainter import Inpainter


def check_painted(inpainter, height=70, width=90, *, tolerance=1, rim=0):
    """The hole, but for its rim, has the file's colour, and all else is as it was."""
    image, hole = photo(height, width), box_hole(height, width)
    filled = inpainter.fill(image, hole).image
    assert np.array_equal(filled[~hole], image[~hole])
    middle = inside(hole, rim)
    assert middle.any()
    assert np.abs(filled[middle].astype(int) - COLOR).max() <= tolerance


@pytest.mark.parametrize("scale", [1, 255])
@pytest.mark.parametrize("size", [("h", "w"), (64, 64), (48, 96)])
@pytest.mark.parametrize("mask_first", [False, True])
def test_lama_paints_the_hole(tmp_path: Path, scale, size, mask_first):
    file = lama_onnx(tmp_path / "big.onnx", scale=scale, size=size, mask_first=mask_first, batch="n")
    inpainter = load(str(file), device="cpu")
    assert isinstance(inpainter, Inpainter)
    assert inpainter.name == "big"
    assert inpainter.diverse is False
    # An answer that is scaled back goes softly into what is known, over a few pixels.
    check_painted(inpainter, rim=0 if size == ("h", "w") else 4)
    if size == ("h", "w"):
        check_painted(inpainter, 5, 3)


def test_lama_of_half_precision_is_asked_in_it(tmp_path: Path):
    check_painted(load(lama_onnx(tmp_path / "half.onnx", kind=TensorProto.FLOAT16, scale=255)), tolerance=2)


@pytest.mark.parametrize("blend", [False, True])
def test_migan_pipeline_paints_where_its_mask_is_black(tmp_path: Path, blend):
    inpainter = load(migan_onnx(tmp_path / "pipe.onnx", blend=blend))
    if not blend:
        check_painted(inpainter)
        return
    # A file that blends the rim of the hole with what it was given: no black ring, nothing hidden.
    hole = box_hole(80, 80)
    image = np.full((80, 80, 3), COLOR, np.uint8)
    for hidden in (0, 255):
        image[hole] = hidden
        filled = inpainter.fill(image, hole).image
        assert np.abs(filled.astype(int) - COLOR).max() <= 1


@pytest.mark.parametrize("family", ["lama", "migan"])
@pytest.mark.parametrize("size", [("h", "w"), (64, 64)])
def test_four_channels_need_the_family_said(tmp_path: Path, family, size):
    file = stacked_onnx(tmp_path / "stacked.onnx", family, size=size)
    check_painted(load(f"{family}:{file}"), rim=0 if (family, size[0]) == ("lama", "h") else 4)
    with pytest.raises(CheckpointError, match="say which it is"):
        load(file)


def test_a_family_that_does_not_fit_is_refused(tmp_path: Path):
    file = lama_onnx(tmp_path / "m.onnx")
    with pytest.raises(CheckpointError, match="cannot be asked as migan: it takes image float32"):
        load(f"migan:{file}")


def test_what_a_file_of_fixed_size_paints_comes_back_in_its_place(tmp_path: Path):
    inpainter = load(lama_onnx(tmp_path / "m.onnx", size=(64, 96), paint=ramp(64, 96), scale=255))
    image, hole = photo(150, 180), box_hole(150, 180)
    filled = inpainter.fill(image, hole).image
    expected, middle = 255 * ramp(150, 180)[0].transpose(1, 2, 0), inside(hole, 5)
    assert np.abs(filled[middle] - expected[middle]).max() < 4
    assert np.array_equal(filled[~hole], image[~hole])


@pytest.mark.parametrize("shape", [(33, 41), (33, 41, 1), (33, 41, 3), (33, 41, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_shape_depth_and_every_known_pixel_stay(tmp_path: Path, shape, dtype):
    inpainter = load(lama_onnx(tmp_path / "m.onnx"))
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    before, hole = image.copy(), box_hole(33, 41)
    filled = inpainter.fill(image, hole).image
    assert (filled.shape, filled.dtype) == (shape, dtype)
    assert np.array_equal(filled[~hole], before[~hole])
    assert np.array_equal(image, before)
    unit = np.iinfo(dtype).max // 255
    if shape[-1] in (3, 4):
        assert np.abs(filled[hole][:, :3] / unit - COLOR).max() <= 1
    else:
        luma = 0.299 * COLOR[0] + 0.587 * COLOR[1] + 0.114 * COLOR[2]
        assert np.abs(filled[hole] / unit - luma).max() <= 1.5
    if shape[-1] == 4:
        assert np.array_equal(filled[..., 3], before[..., 3])


def test_content_of_the_hole_never_leaks(tmp_path: Path):
    def nodes(image):
        return [helper.make_node("Identity", [image], ["output"])]

    shape = [1, 3, "h", "w"]
    echo = write_onnx(
        tmp_path / "echo.onnx",
        [*nodes("image"), helper.make_node("Identity", ["mask"], ["unused"])],
        [("image", TensorProto.FLOAT, shape), ("mask", TensorProto.FLOAT, [1, 1, "h", "w"])],
        [("output", TensorProto.FLOAT, shape)],
    )
    hole = box_hole(40, 56)
    white, black = (np.where(hole[..., None], np.uint8(v), photo(40, 56)) for v in (255, 0))
    for file in (echo, migan_onnx(tmp_path / "pipe.onnx", blend=True)):
        inpainter = load(file)
        assert np.array_equal(inpainter.fill(white, hole).image, inpainter.fill(black, hole).image)
    assert not load(echo).fill(white, hole).image[hole].any()  # LaMa is shown black


def test_samples_are_one_answer_repeated_and_told_of(tmp_path: Path):
    inpainter = load(lama_onnx(tmp_path / "m.onnx"))
    told, seen = [], []
    image, hole = photo(40, 40), box_hole(40, 40)
    result = inpainter.fill(
        image, hole, 3, 7, progress=lambda *step: told.append(step), on_sample=lambda s: seen.append(s.index)
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert seen == [sample.index for sample in result.samples] == [0, 1, 2]
    assert (result.model, result.seed) == ("m", 7)
    first, *others = (sample.image for sample in result.samples)
    for other in others:
        assert np.array_equal(first, other)
        assert not np.shares_memory(first, other)
    assert np.array_equal(inpainter.fill(image, np.zeros((40, 40), np.bool_)).image, image)
    with pytest.raises(MaskError, match="whole image"):
        inpainter.fill(image, np.ones((40, 40), np.bool_))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08" + bytes(200)])
def test_a_damaged_file_is_named_in_one_sentence(tmp_path: Path, content):
    file = tmp_path / "broken.onnx"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"broken\.onnx is damaged or not a model in ONNX") as caught:
        load(file)
    assert "\n" not in str(caught.value)


def test_a_cut_off_file_is_damaged(tmp_path: Path):
    file = lama_onnx(tmp_path / "m.onnx")
    file.write_bytes(file.read_bytes()[:-60])
    with pytest.raises(CheckpointError, match="damaged"):
        load(file)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"there is no model file .*gone\.onnx"):
        load(tmp_path / "gone.onnx")


def odd_onnx(path: Path, how: str) -> Path:
    """A pair that answers badly."""
    shape = ["n", 3, "h", "w"]
    nodes = {
        "nan": [
            helper.make_node("Sub", ["image", "mask"], ["d"]),
            helper.make_node("Log", ["d"], ["output"]),
        ],
        "shape": [helper.make_node("Concat", ["image", "mask"], ["output"], axis=1)],
        "raise": [helper.make_node("Reshape", ["image", "seven"], ["output"])],
    }[how]
    return write_onnx(
        path,
        nodes,
        [("image", TensorProto.FLOAT, shape), ("mask", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [("output", TensorProto.FLOAT, ["n", "c", "y", "x"])],
        [("seven", np.array([1, 3, 7, 11], np.int64))],
    )


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ("nan", "not finite"),
        ("shape", r"answered \[1, 4, 64, 64\] to a picture of 64x64, not \[1, 3, 64, 64\]"),
        ("raise", r"odd\.onnx failed on a picture of 64x64 \(.*[Rr]eshape"),
    ],
)
def test_bad_answers_name_file_and_cause(tmp_path: Path, how, word):
    inpainter = load(odd_onnx(tmp_path / "odd.onnx", how))
    with pytest.raises(CheckpointError, match=word) as caught:
        inpainter.fill(photo(40, 40), box_hole(40, 40))
    assert "odd.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("module", ["onnxruntime", "google.protobuf.message"])
def test_without_a_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str):
    file, library = lama_onnx(tmp_path / "m.onnx"), module.split(".")[-2:][0]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"m\.onnx needs {library}.*pip install 'twofold\[onnx\]'"):
        load(file)


def test_the_fingerprint_follows_the_content_not_the_folder(tmp_path: Path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    first = load(lama_onnx(tmp_path / "a" / "m.onnx")).fingerprint
    same = load(lama_onnx(tmp_path / "b" / "m.onnx")).fingerprint
    other = load(lama_onnx(tmp_path / "c" / "m.onnx", scale=255)).fingerprint
    assert first == same != other
    assert first.startswith("lama m.onnx ")
    assert f"onnxruntime {importlib.import_module('onnxruntime').__version__}" in first
    assert first.isprintable()


def test_the_fingerprint_sees_weights_in_a_file_of_their_own(tmp_path: Path):
    def written(value: float) -> str:
        (tmp_path / "m.weights").unlink(missing_ok=True)  # onnx would add to it
        file = lama_onnx(
            tmp_path / "m.onnx",
            size=(32, 32),
            paint=np.full((1, 3, 32, 32), value, np.float32),
            save_as_external_data=True,
            location="m.weights",
            size_threshold=16,
        )
        return load(file).fingerprint

    first, other = written(0.25), written(0.75)
    assert written(0.25) == first
    assert (tmp_path / "m.weights").is_file()
    assert first != other


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[Any]]]:
    """Threads and providers that every session from now on is asked for; it gets the CPU."""
    library = importlib.import_module("onnxruntime")
    original, seen = library.InferenceSession, []

    def spy(path, options, providers):
        seen.append((options.intra_op_num_threads, providers))
        return original(path, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(library, "InferenceSession", spy)
    return seen


def test_threads_are_those_of_pytorch(tmp_path: Path, opened):
    load(lama_onnx(tmp_path / "m.onnx"), device="cpu")
    assert opened == [(torch.get_num_threads(), ["CPUExecutionProvider"])]


def test_cuda_is_used_where_both_have_it_and_refused_where_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened
):
    library, file = importlib.import_module("onnxruntime"), lama_onnx(tmp_path / "m.onnx")
    monkeypatch.setattr(session, "choose_device", lambda name: torch.device("cuda", 1))
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(library, "get_available_providers", lambda: both)
    load(file, device="cuda:1")
    monkeypatch.setattr(library, "get_available_providers", lambda: both[1:])
    load(file, device="auto")
    cuda = [("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"]
    assert [providers for _, providers in opened] == [cuda, ["CPUExecutionProvider"]]
    with pytest.raises(
        InputError, match=r"'cuda:1' cannot be used by this onnxruntime.*CPUExecutionProvider"
    ):
        load(file, device="cuda:1")


def test_models_of_one_answer_take_no_options(tmp_path: Path):
    with pytest.raises(InputError, match="takes no sampling options"):
        load(lama_onnx(tmp_path / "m.onnx"), options={"temperature": 0.5})
