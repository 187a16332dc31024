"""Judging the parts of a DSI model one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from twofold.checkpoints.format import save_weights
from twofold.dsi.config import tiny
from twofold.dsi.model import build_dsi
from twofold.errors import CheckpointError, InputError
from twofold.evaluate import parts
from twofold.evaluate.compare import evaluate
from twofold.evaluate.parts import validate_parts
from twofold.evaluate.protocol import Protocol
from twofold.features.alexnet import AlexNet
from twofold.features.lpips import LPIPS
from twofold.inpainter import Result, Sample
from twofold.metrics.fidelity import psnr
from twofold.tensors import hole_to_tensor, image_to_tensor, tensor_to_image

PROTOCOL = Protocol(size=64)
CODES = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 256, (64, 66, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{index}.png")
    return root


@pytest.fixture(autouse=True)
def random_lpips(monkeypatch) -> LPIPS:
    torch.manual_seed(0)
    lpips = LPIPS("alex", AlexNet())
    monkeypatch.setattr(parts, "pretrained_lpips", lambda net: lpips)
    monkeypatch.setattr("twofold.evaluate.networks.pretrained_lpips", lambda net: lpips)
    return lpips


def saved(path: Path, **absent: None):
    """Write a tiny model, without some parts; the file and the network."""
    config = replace(tiny(), **absent)
    torch.manual_seed(1)
    dsi = build_dsi(config).eval()
    file = path / "model.safetensors"
    save_weights(file, family="dsi", config=config, state=dsi.state_dict(), name="tiny", dtype="float32")
    return file, dsi


def test_whole_model_has_a_line_for_every_figure(folder, tmp_path):
    file, _ = saved(tmp_path)
    report = validate_parts(folder, str(file), protocol=PROTOCOL, device="cpu")
    lines = [line for line in report.markdown().splitlines() if line.startswith("| ")]
    assert [line.split("|")[1].strip() for line in lines] == [
        "tiny",
        "---",
        *["VQ-VAE"] * 4,
        *["structure generator"] * 2,
        *["texture generator"] * 2,
    ]
    assert 1 <= report.figures["VQ-VAE"]["structure perplexity"] <= CODES
    assert 1 <= report.figures["VQ-VAE"]["texture perplexity"] <= CODES
    assert report.photos == 3
    assert report.codes == CODES


def test_texture_is_painted_on_the_true_structure_of_the_protocols_cases(folder, tmp_path, random_lpips):
    file, dsi = saved(tmp_path, structure=None)
    qualities, distances = [], []
    with torch.inference_mode():
        for item in PROTOCOL.items(folder):
            image, hole = image_to_tensor(item.image), hole_to_tensor(item.hole)
            structure = dsi.vqvae.encode(image).structure.vectors
            painted = tensor_to_image(
                dsi.texture(image_to_tensor(item.damaged) * (1 - hole), hole, structure)
            )
            answer = np.where(item.hole[..., None], painted[0], item.image)
            qualities.append(psnr(answer, item.image))
            distances.append(float(random_lpips(image_to_tensor(answer), image)))
    found = validate_parts(folder, str(file), protocol=PROTOCOL, device="cpu").figures["texture generator"]
    assert found["psnr"] == pytest.approx(np.mean(qualities), abs=1e-3)
    assert found["lpips"] == pytest.approx(np.mean(distances), rel=0.02)  # theirs is rounded to levels


def test_structure_generator_that_knows_nothing_needs_the_bits_of_a_uniform_guess(folder, tmp_path):
    config = tiny()
    torch.manual_seed(1)
    state = dict(build_dsi(config).state_dict())
    for name in ("g", "b"):  # without length and bias, all logits are zero
        state[f"structure.pixelcnn.to_logits.{name}"] = torch.zeros(CODES)
    file = tmp_path / "model.safetensors"
    save_weights(file, family="dsi", config=config, state=state, name="tiny", dtype="float32")
    report = validate_parts(folder, str(file), protocol=PROTOCOL, device="cpu")
    found = report.figures["structure generator"]
    assert found["bits per code"] == pytest.approx(4, abs=1e-4)  # log2 of 16 codes
    assert found["bits per missing code"] == pytest.approx(4, abs=1e-4)
    assert "(4 if all codes were equally likely)" in report.markdown()


@pytest.mark.parametrize(
    ("absent", "expected"),
    [
        ({"structure": None, "texture": None}, {"VQ-VAE"}),
        ({"texture": None}, {"VQ-VAE", "structure generator"}),
        ({"structure": None}, {"VQ-VAE", "texture generator"}),
    ],
)
def test_stage_files_are_judged_by_what_they_hold(folder, tmp_path, absent, expected):
    file, _ = saved(tmp_path, **absent)
    report = validate_parts(folder, str(file), protocol=Protocol(size=64, limit=1), device="cpu")
    assert set(report.figures) == expected
    for part in ("structure generator", "texture generator"):
        assert (f"| {part} |" in report.markdown()) == (part in expected)


def test_cases_are_those_of_a_comparison(folder, tmp_path):
    class Grey:
        name = "grey"

        def fill(self, image, mask, samples=1, seed=0):
            return Result([Sample(np.full_like(image, 128))], self.name, seed)

    file, _ = saved(tmp_path, structure=None, texture=None)
    for masks in ("free-form", "centre"):
        protocol = Protocol(size=64, masks=(masks,))
        ours = validate_parts(folder, str(file), protocol=protocol, device="cpu")
        theirs = evaluate(folder, [Grey()], protocol=protocol)
        assert ours.cases_hash == theirs.cases_hash
        assert ours.protocol == theirs.tag


def test_files_hold_the_table_and_every_figure(folder, tmp_path):
    file, _ = saved(tmp_path, structure=None, texture=None)
    out = tmp_path / "deep" / "out"
    report = validate_parts(folder, str(file), out, protocol=PROTOCOL, device="cpu")
    assert (out / "parts.md").read_text(encoding="utf-8") == report.markdown()
    content = json.loads((out / "parts.json").read_text(encoding="utf-8"))
    assert content["figures"] == {"VQ-VAE": dict(report.figures["VQ-VAE"])}
    assert content["cases_hash"] == report.cases_hash


def test_progress_is_told_for_each_part(folder, tmp_path):
    file, _ = saved(tmp_path, texture=None)
    told = []
    protocol = Protocol(size=64, limit=2)
    validate_parts(folder, str(file), protocol=protocol, device="cpu", progress=lambda *a: told.append(a))
    names = ["VQ-VAE", "structure generator"]
    assert told == [(name, done, 2) for name in names for done in range(3)]


@pytest.mark.parametrize("model", ["medfe-small", "opencv-telea"])
def test_models_of_another_kind_have_no_parts(folder, model):
    with pytest.raises(InputError, match=f"{model} is a .* model and has no parts to look at") as caught:
        validate_parts(folder, model, protocol=PROTOCOL, device="cpu")
    assert "\n" not in str(caught.value)


def test_unknown_models_and_odd_sizes_are_refused(folder, tmp_path):
    with pytest.raises(CheckpointError, match="nope"):
        validate_parts(folder, "nope", protocol=PROTOCOL, device="cpu")
    file, _ = saved(tmp_path, structure=None, texture=None)
    with pytest.raises(InputError, match="size is 60"):
        validate_parts(folder, str(file), protocol=Protocol(size=60), device="cpu")
