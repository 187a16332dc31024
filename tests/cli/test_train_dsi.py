"""From photographs to many answers by the command line alone: three stages, joined, filling."""

import json

import numpy as np
import pytest
from PIL import Image

from twofold.checkpoints.format import load_weights
from twofold.cli.main import main


def train(stage, photos, out, *options):
    return main(
        [
            *("train", f"dsi-{stage}", "--data", str(photos), "--out", str(out), "--preset", "tiny"),
            *("--data.size", "64", "--loop.steps", "2", "--loop.batch-size", "2", "--loop.precision", "fp32"),
            *("--loop.accelerator", "cpu", *options),
        ]
    )


@pytest.fixture(scope="module")
def model(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    codes = folder / "codes"
    assert train("vqvae", photos, codes) == 0
    more = ("--data.views", "2", "--codes", str(folder / "cache"))
    assert train("structure", photos, folder / "structure", "--start", str(codes), *more) == 0
    assert train("texture", photos, folder / "texture", "--start", str(codes)) == 0
    join = ["convert", "dsi-stages", str(folder / "structure"), str(folder / "texture"), str(folder / "mine")]
    assert main([*join, "--temperature", "0.9", "--keep-margin", "2"]) == 0
    return folder / "mine"


def test_joined_weights_know_their_sampling(model):
    weights = load_weights(model / "model.safetensors")
    assert weights.name == "mine"
    given = {"temperature": 0.9, "top_k": 0, "top_p": 1.0, "keep_margin": 2}
    assert given.items() <= weights.config["sampling"].items()


def test_the_joined_model_fills_in_several_ways(model, tmp_path, capsys):
    photo, mask, out = tmp_path / "photo.png", tmp_path / "mask.png", tmp_path / "answers"
    pixels = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)
    hole = np.zeros((80, 90), np.uint8)
    hole[20:50, 30:60] = 255
    Image.fromarray(pixels).save(photo)
    Image.fromarray(hole).save(mask)
    command = ["fill", str(photo), str(mask), "-o", str(out), "--model", str(model)]
    assert main([*command, "--samples", "2", "--temperature", "1.5"]) == 0
    names = sorted(path.name for path in out.iterdir())
    assert names == [
        "photo-1-structure.png",
        "photo-1.png",
        "photo-2-structure.png",
        "photo-2.png",
        "photo-samples.json",
        "photo-sheet.png",
    ]
    record = json.loads((out / "photo-samples.json").read_text())
    assert record["options"]["temperature"] == 1.5
    assert record["options"]["keep_margin"] == 2
    assert all(sample["log_likelihood"] < 0 for sample in record["samples"])
    for number in (1, 2):
        filled = np.asarray(Image.open(out / f"photo-{number}.png"))
        assert np.array_equal(filled[hole == 0], pixels[hole == 0])


def test_a_stage_alone_says_what_it_lacks(model, tmp_path, capsys):
    codes = model.parent / "codes"
    photo, mask = tmp_path / "photo.png", tmp_path / "mask.png"
    Image.new("RGB", (64, 64)).save(photo)
    Image.new("L", (64, 64), 255).save(mask)
    assert main(["fill", str(photo), str(mask), "-o", str(tmp_path / "out.png"), "--model", str(codes)]) == 2
    assert "hold no structure generator" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_a_later_stage_without_codes_is_refused_in_one_line(photos, tmp_path, capsys):
    assert train("texture", photos, tmp_path / "run") == 2
    assert "builds on a trained VQ-VAE" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_conversion_needs_a_place_to_write(capsys):
    assert main(["convert", "dsi", "model.ckpt"]) == 2
    assert "1 path given" in capsys.readouterr().err
