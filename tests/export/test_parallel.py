"""DSI that decodes in parallel as a step graph: with the same seeds the same codes as PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from export.files import exported_parallel, tampered, with_output
from twofold.checkpoints.format import build_network, load_weights
from twofold.devices import exact_arithmetic
from twofold.dsi.model import Dsi
from twofold.dsi.options import SamplingOptions
from twofold.dsi.parallel.decode import decode_parallel
from twofold.engine.backends.onnx.parallel import ParallelSampler
from twofold.engine.load import load
from twofold.errors import CheckpointError
from twofold.export import dsi as exporter
from twofold.export import job
from twofold.export.parity import UNROUNDED, open_graph, trial

SIDE = 8
OPTIONS = [
    SamplingOptions(passes=1),
    SamplingOptions(passes=4),
    SamplingOptions(passes=7, temperature=0.6, top_k=5, confidence_noise=4.0),
    SamplingOptions(passes=10, temperature=1.5, top_p=0.7, confidence_noise=0.0),
    SamplingOptions(passes=3, temperature=0.0),
    SamplingOptions(passes=100),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_parallel(tmp_path_factory)


def network_of(folder: Path) -> Dsi:
    network = build_network(load_weights(folder / "model.safetensors"))
    assert isinstance(network, Dsi)
    return network


def a_condition(seed: int) -> torch.Tensor:
    return torch.randn(1, 8, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def sampler_of(folder: Path, condition: torch.Tensor) -> ParallelSampler:
    masked = open_graph(onnx.load(folder / "tiny" / "masked.onnx"))
    return ParallelSampler(masked, condition[0].permute(1, 2, 0).numpy())


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_logits_are_those_of_the_network_and_hidden_codes_have_no_influence(
    folder: Path, share: float
) -> None:
    network, condition = network_of(folder), a_condition(0)
    rng = np.random.default_rng(1)
    codes, hidden = rng.integers(0, 16, (SIDE, SIDE)), rng.random((SIDE, SIDE)) < share
    with exact_arithmetic():
        vectors = network.vqvae.structure_codebook.look_up(torch.from_numpy(codes)[None])
        wanted = network.structure.network(vectors, torch.from_numpy(hidden)[None], condition)
    sampler = sampler_of(folder, condition)
    found = sampler.logits(codes, hidden)
    np.testing.assert_allclose(
        found, wanted[0].permute(1, 2, 0), rtol=0, atol=1e-5 * float(wanted.abs().max())
    )
    others = sampler.logits(np.where(hidden, (codes + 3) % 16, codes), hidden)
    np.testing.assert_array_equal(others, found)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: f"{options.passes}")
@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
def test_same_seed_gives_the_codes_that_torch_gives(
    folder: Path, options: SamplingOptions, share: float
) -> None:
    network, condition, seeds = network_of(folder), a_condition(int(10 * share)), range(4)
    known = np.random.default_rng(5).random((SIDE, SIDE)) < share
    kept = np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 16
    with exact_arithmetic():
        wanted = decode_parallel(
            network.structure,
            network.vqvae.structure_codebook,
            condition,
            seeds,
            options,
            kept=torch.from_numpy(kept),
            known=torch.from_numpy(known),
        )
    sampler = sampler_of(folder, condition)
    drawn = [sampler.sample(seed, options, kept, known) for seed in seeds]
    codes, likelihoods = zip(*drawn, strict=True)
    np.testing.assert_array_equal(codes, wanted.codes)
    np.testing.assert_allclose(likelihoods, wanted.log_likelihood, atol=1e-3)
    assert (codes[0][known] == kept[known]).all()
    if share < 0.9:
        assert (codes[0] != codes[1]).any() == (options.temperature > 0)


def test_every_pass_is_told_of_and_nothing_to_draw_asks_the_network_nothing(folder: Path) -> None:
    def refuse(names: list[str], inputs: object) -> list[np.ndarray]:
        raise AssertionError("nothing is hidden")

    told: list[int] = []
    options, known = SamplingOptions(passes=3), np.ones((SIDE, SIDE), np.bool_)
    kept = np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 16
    sampler = ParallelSampler(refuse, np.zeros((SIDE, SIDE, 8), np.float32))
    codes, likelihood = sampler.sample(0, options, kept, known, progress=told.append)
    assert told == [1, 2, 3]
    assert sampler.steps(known, options) == 3
    assert likelihood == 0
    np.testing.assert_array_equal(codes, kept)
    assert known.all()  # what is given stays as it is
    sampler_of(folder, a_condition(0)).sample(0, options, kept, ~known)
    np.testing.assert_array_equal(kept, np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 16)


@pytest.mark.parametrize(("margin", "passes"), [(None, 5), (0, 2), (1, 12)])
def test_both_engines_fill_a_picture_alike(folder: Path, margin: int | None, passes: int) -> None:
    (image,), (hole,) = trial(1, 64, 64, seed=3)
    options = {"keep_margin": margin, "passes": passes}
    told: list[tuple[int, int]] = []
    ours = load(folder / "tiny", engine="onnx", options=options, detail="none")
    theirs = load(folder, engine="torch", options=options, detail="none", device="cpu")
    found = ours.fill(image, hole, samples=3, progress=lambda done, of: told.append((done, of)))
    wanted = theirs.fill(image, hole, samples=3)
    for mine, others in zip(found.samples, wanted.samples, strict=True):
        np.testing.assert_array_equal(mine.codes, others.codes)
        assert np.abs(mine.image.astype(int) - others.image).max() <= 1
        assert mine.log_likelihood == pytest.approx(others.log_likelihood, abs=1e-3)
        assert mine.score == pytest.approx(others.score, abs=1e-4)
    assert len({sample.codes.tobytes() for sample in found.samples}) == 3
    assert told[-1][0] == told[-1][1] >= 3 * passes


def test_it_fills_by_the_command_where_pytorch_cannot_be_imported(folder: Path, tmp_path: Path) -> None:
    (image,), (hole,) = trial(1, 64, 64, seed=3)
    Image.fromarray(image).save(tmp_path / "photo.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")
    words = ["fill", "photo.png", "mask.png", "-o", "filled.png", "--engine", "onnx", "--detail", "none"]
    script = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'torch', 'onnx', 'einops', 'jaxtyping', 'safetensors'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from twofold.cli.main import main\n"
        f"raise SystemExit(main({[*words, '--model', str(folder / 'tiny')]!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    filled = np.asarray(Image.open(tmp_path / "filled.png"))
    wanted = load(folder, detail="none", device="cpu").fill(image, hole).image
    assert np.abs(filled.astype(int) - wanted).max() <= 1


def test_the_folder_says_what_it_holds_and_a_part_that_is_missing_is_told(
    folder: Path, tmp_path: Path
) -> None:
    document = json.loads((folder / "tiny" / "manifest.json").read_text())
    assert sorted(document["files"]) == ["condition", "masked", "paint"]
    assert document["order"] == "parallel"
    assert "sampler" not in document
    assert max(document["parity"]["largest_differences"].values()) < 1e-4
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in (folder / "tiny").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    del document["files"]["masked"]
    (copy / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match="incomplete"):
        load(copy)


@pytest.mark.parametrize(
    ("graph", "output", "words"),
    [("condition", "condition", "the condition"), ("masked", "logits", "the sampler's logits")],
)
def test_a_graph_that_is_a_little_off_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, graph: str, output: str, words: str
) -> None:
    models = {path.stem: onnx.load(path) for path in (folder / "tiny").glob("*.onnx")}
    models["paint"] = with_output(models["paint"], UNROUNDED)
    models[graph] = tampered(models[graph], output, 0.02)
    monkeypatch.setattr(exporter, "dsi_graphs", lambda parts: models)
    with pytest.raises(CheckpointError, match=words):
        job.export_model(folder, tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()
