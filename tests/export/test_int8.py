"""8-bit integers: half the file, nearly the same answers, and a refusal where they are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from export.files import exported_medfe, with_floats, with_output
from twofold.engine.load import load
from twofold.errors import CheckpointError, InputError, TrainingError
from twofold.export import int8, job
from twofold.export import medfe as exporter
from twofold.export.int8 import FLOAT, PHOTOS, VALIDATION, quantize_medfe
from twofold.export.parity import UNROUNDED, open_graph, trial


@pytest.fixture(scope="module")
def medfe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_medfe(tmp_path_factory)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number, picture in enumerate(trial(PHOTOS + VALIDATION, 128, 140, seed=1)[0]):
        Image.fromarray(picture).save(folder / f"{number}.png")
    Image.fromarray(picture[:20]).save(folder / "small.png")
    return folder


def test_a_network_of_integers_is_smaller_and_answers_nearly_the_same(
    medfe: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = with_floats(onnx.load(medfe / "tiny.onnx"))
    before = whole.SerializeToString()
    monkeypatch.setattr(exporter, "medfe_graph", lambda network: with_output(whole, UNROUNDED))
    done = job.export_model(medfe, tmp_path / "small.onnx", int8=photos)
    assert whole.SerializeToString() == before
    small = onnx.load(tmp_path / "small.onnx")
    document = json.loads({entry.key: entry.value for entry in small.metadata_props}["twofold"])
    assert document["name"] == "tiny-medfe-int8"
    assert document["int8"]["psnr_to_float"] == pytest.approx(done.int8_psnr)
    assert done.int8_psnr >= int8.LEAST_PSNR
    image, hole = trial(1, 192, 64, seed=9)
    answers = [
        open_graph(model)(["answer"], {"image": image, "hole": hole.astype(np.uint8)})[0].astype(float)
        for model in (whole, small)
    ]
    assert 0 < np.abs(answers[0] - answers[1])[hole].mean() < 6
    filled = load(tmp_path / "small.onnx").fill(image[0], hole[0]).image
    np.testing.assert_array_equal(filled[~hole[0]], image[0][~hole[0]])


def test_layers_next_to_pixels_stay_in_float(medfe: Path, photos: Path) -> None:
    small, _ = quantize_medfe(with_floats(onnx.load(medfe / "tiny.onnx")), photos, 128, "tiny")
    stored = {weight.name for weight in small.graph.initializer if weight.data_type == onnx.TensorProto.INT8}
    nodes = [node for node in small.graph.node if node.op_type == "DequantizeLinear"]
    integers = {node.output[0] for node in nodes if node.input[0] in stored}
    convolutions = [node for node in small.graph.node if node.op_type == "Conv"]
    quantized = {node.input[1]: node.input[1] in integers for node in convolutions}
    assert sum(quantized.values()) > len(quantized) / 2
    assert not any(on for name, on in quantized.items() if any(part in name for part in FLOAT))


def test_what_integers_spoil_is_not_written(
    medfe: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = with_floats(onnx.load(medfe / "tiny.onnx"))
    monkeypatch.setattr(exporter, "medfe_graph", lambda network: with_output(whole, UNROUNDED))
    monkeypatch.setattr(int8, "LEAST_PSNR", 200.0)
    with pytest.raises(CheckpointError, match=r"does not stand 8-bit integers.*nothing is written"):
        job.export_model(medfe, tmp_path / "small.onnx", int8=photos)
    assert not list(tmp_path.iterdir())


def test_photographs_and_families_that_do_not_serve_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no photograph"):
        quantize_medfe(onnx.ModelProto(), tmp_path, 128, "tiny")
    Image.new("RGB", (128, 128)).save(tmp_path / "one.png")
    with pytest.raises(InputError, match="holds 1 photographs of at least 128x128 pixels, and 40 are needed"):
        quantize_medfe(onnx.ModelProto(), tmp_path, 128, "tiny")
    with pytest.raises(InputError, match="only MEDFE has"):
        job.export_model("dsi-small", tmp_path / "out", int8=tmp_path)
