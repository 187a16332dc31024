"""DSI as step graphs with caches: the same logits, and with the same seeds the same codes, as PyTorch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.files import exported_dsi, tampered, with_output
from twofold.checkpoints.format import build_network, load_weights
from twofold.devices import exact_arithmetic
from twofold.dsi.fast.sample import sample_structure
from twofold.dsi.model import Dsi
from twofold.dsi.options import SamplingOptions
from twofold.engine.backends.onnx import raster
from twofold.engine.backends.onnx.manifest import read_exported
from twofold.engine.backends.onnx.raster import RasterSampler, SamplerSizes
from twofold.errors import CheckpointError, InputError
from twofold.export import dsi as exporter
from twofold.export import job
from twofold.export.parity import UNROUNDED, open_graph

SIDE = 8
OPTIONS = [
    SamplingOptions(),
    SamplingOptions(temperature=0.5, top_k=3),
    SamplingOptions(temperature=1.5, top_p=0.7),
    SamplingOptions(temperature=0.0),
]


@pytest.fixture(scope="module")
def dsi_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_dsi(tmp_path_factory)


def network_of(folder: Path) -> Dsi:
    network = build_network(load_weights(folder / "model.safetensors"))
    assert isinstance(network, Dsi)
    return network


def sampler_of(folder: Path, condition: torch.Tensor) -> RasterSampler:
    exported = read_exported(folder / "tiny")
    assert exported is not None
    row, window = (open_graph(onnx.load(exported.files[name])) for name in ("row", "window"))
    features = condition[0].permute(1, 2, 0).numpy()
    return RasterSampler(row, window, SamplerSizes(**exported.document["sampler"]), features)


def a_condition(seed: int, rows: int = SIDE, columns: int = SIDE) -> torch.Tensor:
    return torch.randn(1, 8, rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("rows", "columns"), [(SIDE, SIDE), (3, 11), (1, 2)])
def test_logits_through_the_caches_are_those_of_the_plain_network(
    dsi_export: Path, rows: int, columns: int
) -> None:
    network, condition = network_of(dsi_export), a_condition(0, rows, columns)
    codes = torch.randint(0, 16, (1, rows, columns), generator=torch.Generator().manual_seed(1))
    with exact_arithmetic():
        vectors = network.vqvae.structure_codebook.look_up(codes)
        wanted = network.structure.pixelcnn(vectors, condition)[0].permute(1, 2, 0)
    found = sampler_of(dsi_export, condition).logits(codes[0].numpy())
    np.testing.assert_allclose(found, wanted, atol=1e-5 * float(wanted.abs().max()))


def drawn_by_torch(
    network: Dsi, condition: torch.Tensor, seeds: Sequence[int], options: SamplingOptions, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    kept = torch.arange(known.size).view(*known.shape) % 16
    sampled = sample_structure(
        network.structure,
        network.vqvae.structure_codebook,
        condition,
        seeds,
        options,
        kept=kept,
        known=torch.from_numpy(known),
    )
    return sampled.codes.numpy(), sampled.log_likelihood.numpy()


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: f"{options.temperature}")
def test_same_seed_gives_the_codes_that_torch_gives(dsi_export: Path, options: SamplingOptions) -> None:
    network, seeds = network_of(dsi_export), range(4)
    for trial in range(3):
        condition = a_condition(trial)
        known = np.random.default_rng(trial).random((SIDE, SIDE)) < 0.4 * trial
        codes, likelihoods = drawn_by_torch(network, condition, seeds, options, known)
        sampler, kept = sampler_of(dsi_export, condition), np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 16
        for seed in seeds:
            found, likelihood = sampler.sample(seed, options, kept, known)
            np.testing.assert_array_equal(found, codes[seed])
            assert likelihood == pytest.approx(likelihoods[seed], abs=1e-3)
        if trial == 0:
            assert (codes[0] != codes[1]).any() == (options.temperature > 0)


@pytest.mark.parametrize("window", [1, 3, 100])
def test_how_far_is_guessed_ahead_changes_nothing(
    dsi_export: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    sampler, known = sampler_of(dsi_export, a_condition(5)), np.zeros((SIDE, SIDE), np.bool_)
    known[2, 3:6] = known[4] = True
    before, likelihood = sampler.sample(9, SamplingOptions(), np.full((SIDE, SIDE), 7), known)
    monkeypatch.setattr(raster, "WINDOW", window)
    after, other = sampler.sample(9, SamplingOptions(), np.full((SIDE, SIDE), 7), known)
    np.testing.assert_array_equal(before, after)
    assert (before[known] == 7).all()
    assert likelihood == pytest.approx(other, abs=1e-4)


def test_rows_are_told_of_up_to_the_last_that_is_drawn(dsi_export: Path) -> None:
    known = np.ones((SIDE, SIDE), np.bool_)
    known[2, 1] = False
    told: list[int] = []
    sampler = sampler_of(dsi_export, a_condition(0))
    sampler.sample(0, SamplingOptions(), np.zeros((SIDE, SIDE), np.int64), known, progress=told.append)
    assert told == [1, 2, 3]
    known[:] = True
    assert RasterSampler.steps(known, SamplingOptions()) == 0
    assert sampler.sample(0, SamplingOptions(), np.zeros((SIDE, SIDE), np.int64), known)[1] == 0


def test_the_folder_says_what_it_holds(dsi_export: Path) -> None:
    document = json.loads((dsi_export / "tiny" / "manifest.json").read_text())
    assert sorted(document["files"]) == ["condition", "paint", "row", "window"]
    assert document["sampling"] == asdict(network_of(dsi_export).config.sampling)
    assert max(document["parity"]["largest_differences"].values()) < 1e-4
    part = {entry.key for entry in onnx.load(dsi_export / "tiny" / "row.onnx").metadata_props}
    assert "twofold" in part


def models_of(folder: Path) -> dict[str, onnx.ModelProto]:
    models = {path.stem: onnx.load(path) for path in (folder / "tiny").glob("*.onnx")}
    return {**models, "paint": with_output(models["paint"], UNROUNDED)}


@pytest.mark.parametrize(
    ("graph", "output", "words"),
    [
        ("condition", "condition", "the condition"),
        ("row", "start", "the sampler's logits"),
        ("row", "up", "the sampler's logits"),
        ("window", "left", "the sampler's logits"),
        ("window", "new_values", "the sampler's logits"),
        ("paint", UNROUNDED, "the painted picture"),
        ("paint", "score", "the score"),
    ],
)
def test_a_graph_that_is_a_little_off_is_found(
    dsi_export: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, graph: str, output: str, words: str
) -> None:
    models = models_of(dsi_export)
    models[graph] = tampered(models[graph], output, 0.02)
    monkeypatch.setattr(exporter, "dsi_graphs", lambda parts: models)
    with pytest.raises(CheckpointError, match=words):
        job.export_model(dsi_export, tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


def test_a_network_without_all_stages_is_refused(dsi_export: Path, tmp_path: Path) -> None:
    network = network_of(dsi_export)
    network.structure = None
    with pytest.raises(CheckpointError, match="no structure generator"):
        exporter.Parts(network)
    with pytest.raises(InputError, match="becomes several files"):
        job.export_model(dsi_export, tmp_path / "one.onnx")
