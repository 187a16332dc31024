"""MEDFE as one file: it answers as PyTorch does, at every size, and says what it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.files import exported_medfe, exported_official, tampered, with_floats, with_output
from twofold.checkpoints.format import build_network, load_weights
from twofold.devices import exact_arithmetic
from twofold.errors import CheckpointError
from twofold.export import job
from twofold.export import medfe as exporter
from twofold.export.parity import UNROUNDED, open_graph, trial
from twofold.export.tracing import halve_weights
from twofold.tensors import hole_to_tensor, image_to_tensor, tensor_to_image

VIEWS = ["answer", "structure", "texture"]


@pytest.fixture(scope="module")
def medfe_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_medfe(tmp_path_factory)


@pytest.fixture(scope="module")
def official_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_official(tmp_path_factory)


def by_torch(folder: Path, image: np.ndarray, hole: np.ndarray) -> dict[str, np.ndarray]:
    network = build_network(load_weights(folder / "model.safetensors"))
    with exact_arithmetic():
        batch = network.fill(image_to_tensor(image), hole_to_tensor(hole), [0] * len(image))
    views = (batch.image, batch.structure, batch.texture)
    return {name: tensor_to_image(view) for name, view in zip(VIEWS, views, strict=True)}


def by_onnx(file: Path, image: np.ndarray, hole: np.ndarray) -> dict[str, np.ndarray]:
    names = ["filled", *VIEWS]
    arrays = open_graph(onnx.load(file))(names, {"image": image, "hole": hole.astype(np.uint8)})
    return dict(zip(names, arrays, strict=True))


@settings(deadline=None, max_examples=8)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_any_batch_of_any_multiple_of_64_is_answered_as_by_torch(
    medfe_export: Path, batch: int, rows: int, columns: int, seed: int
) -> None:
    image, hole = trial(batch, 64 * rows, 64 * columns, seed=seed)
    found, wanted = by_onnx(medfe_export / "tiny.onnx", image, hole), by_torch(medfe_export, image, hole)
    for name in VIEWS:
        assert found[name].shape == wanted[name].shape
        assert np.abs(found[name].astype(int) - wanted[name]).max() <= 1
    np.testing.assert_array_equal(found["filled"], np.where(hole[..., None], found["answer"], image))
    hidden = np.where(hole[..., None], np.uint8(seed), image)
    np.testing.assert_array_equal(
        by_onnx(medfe_export / "tiny.onnx", hidden, hole)["answer"], found["answer"]
    )


def test_official_mode_is_answered_as_by_torch_at_its_one_size(official_export: Path) -> None:
    image, hole = trial(1, 192, 192, seed=0)
    found, wanted = (
        by_onnx(official_export / "tiny.onnx", image, hole),
        by_torch(official_export, image, hole),
    )
    assert all(np.abs(found[name].astype(int) - wanted[name]).max() <= 1 for name in VIEWS)
    sizes = [
        axis.dim_value
        for axis in onnx.load(official_export / "tiny.onnx").graph.input[0].type.tensor_type.shape.dim
    ]
    assert sizes == [1, 192, 192, 3]


def test_a_file_says_what_it_is_whose_it_is_and_how_it_was_checked(
    medfe_export: Path, official_export: Path
) -> None:
    model = onnx.load(medfe_export / "tiny.onnx")
    entries = {entry.key: entry.value for entry in model.metadata_props}
    document = json.loads(entries["twofold"])
    assert document["family"] == "medfe"
    assert document["name"] == "tiny-medfe"
    assert (document["size_multiple"], document["native_size"], document["largest_size"]) == (64, 128, 256)
    assert document["views"] == ["structure", "texture"]
    assert entries["licence"] == document["licence"] == "apache-2.0"
    assert entries["licence_text"] == "Do as you like.\n"
    assert 0 < max(document["parity"]["largest_differences"].values()) <= document["parity"]["tolerance"]
    assert len(document["parity"]["largest_differences"]) > 2
    assert [output.name for output in model.graph.output] == ["filled", *VIEWS]
    assert UNROUNDED not in [output.name for output in model.graph.output]
    other = json.loads(onnx.load(official_export / "tiny.onnx").metadata_props[0].value)
    assert (other["name"], other["mode"], other["size_multiple"]) == ("quirks", "official", 192)
    paths = [
        text
        for node in model.graph.node
        for text in (node.doc_string, *(p.value for p in node.metadata_props))
    ]
    assert not any("/" in text for text in paths)


def test_weights_are_stored_in_half_the_space_and_no_bit_of_an_answer_changes(medfe_export: Path) -> None:
    model = onnx.load(medfe_export / "tiny.onnx")
    halves = [weight for weight in model.graph.initializer if weight.data_type == onnx.TensorProto.FLOAT16]
    large = [weight for weight in model.graph.initializer if np.prod(weight.dims) >= 64]
    assert len(halves) > 0.8 * len(large)
    whole = with_floats(model)
    image, hole = trial(1, 128, 64, seed=3)
    given_arrays = {"image": image, "hole": hole.astype(np.uint8)}
    np.testing.assert_array_equal(
        open_graph(whole)(["answer"], given_arrays)[0], open_graph(model)(["answer"], given_arrays)[0]
    )
    assert halve_weights(whole) > 0
    assert halve_weights(whole) == 0


@pytest.mark.parametrize("offset", [2e-4, np.nan])
def test_what_does_not_answer_as_torch_does_is_not_written(
    medfe_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: float
) -> None:
    right = with_output(onnx.load(medfe_export / "tiny.onnx"), UNROUNDED)
    wrong = tampered(right, UNROUNDED, offset)
    monkeypatch.setattr(exporter, "medfe_graph", lambda network: right)
    job.export_model(medfe_export, tmp_path / "right.onnx")
    monkeypatch.setattr(exporter, "medfe_graph", lambda network: wrong)
    with pytest.raises(
        CheckpointError, match=r"does not answer as PyTorch does.*nothing is written"
    ) as caught:
        job.export_model(medfe_export, tmp_path / "wrong.onnx")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["right.onnx"]


def test_an_export_that_fails_leaves_the_earlier_one(
    medfe_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.onnx").write_bytes(b"earlier")
    wrong = tampered(with_output(onnx.load(medfe_export / "tiny.onnx"), UNROUNDED), UNROUNDED, 1.0)
    monkeypatch.setattr(exporter, "medfe_graph", lambda network: wrong)
    with pytest.raises(CheckpointError):
        job.export_model(medfe_export, tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx").read_bytes() == b"earlier"
