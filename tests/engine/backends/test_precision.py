"""Precisions that a model can be loaded in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import twofold
from twofold.cli.main import main
from twofold.engine.backends import precision
from twofold.engine.load import load
from twofold.errors import InputError
from twofold.medfe.build import build_medfe
from twofold.medfe.config import tiny
from twofold.pixels import read_photo


def photo() -> tuple[np.ndarray, np.ndarray]:
    coarse = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
    hole = np.zeros((96, 128), bool)
    hole[30:60, 40:90] = True
    return coarse.repeat(16, 0).repeat(16, 1), hole


def test_bfloat16_hardly_changes_a_picture_and_names_itself():
    pixels, hole = photo()
    exact, fast = load(), load(precision="bf16")
    first, second = (inpainter.fill(pixels, hole).image for inpainter in (exact, fast))
    error = np.square(first[hole].astype(float) - second[hole]).mean()
    assert 10 * np.log10(255**2 / max(error, 1e-9)) > 40
    assert np.array_equal(first[~hole], second[~hole])
    assert exact.fingerprint != fast.fingerprint
    assert fast.fingerprint.endswith("bf16")


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_takes_bfloat16_where_the_processor_multiplies_it(monkeypatch, native, expected):
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: native)
    assert precision.prepare(build_medfe(tiny()), "auto", torch.device("cpu")).prepacked == expected


def test_instructions_are_looked_for_where_pytorch_can_tell(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert precision.multiplies_bfloat16()
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not precision.multiplies_bfloat16()


def test_other_devices_keep_the_network_as_it_is():
    network = build_medfe(tiny())
    assert precision.prepare(network, "auto", torch.device("meta")) is network
    assert network.prepacked is None


@pytest.mark.parametrize(
    ("model", "asked", "message"),
    [
        ("medfe-small", "fp8", "precision is 'fp8'; choose from fp32, bf16, auto"),
        ("dsi-small", "bf16", "bf16 is for MEDFE on a CPU"),
        ("opencv-telea", "bf16", "computes in its own precision"),
    ],
)
def test_what_cannot_be_is_refused(model, asked, message):
    with pytest.raises(InputError, match=message):
        load(model, precision=asked)


def test_the_command_takes_a_precision(tmp_path):
    pixels, hole = photo()
    for name, content in (("photo.png", pixels), ("mask.png", hole.astype(np.uint8) * 255)):
        Image.fromarray(content).save(tmp_path / name)
    words = ["fill", str(tmp_path / "photo.png"), str(tmp_path / "mask.png"), "--precision", "bf16"]
    assert main([*words, "-o", str(tmp_path / "out.png")]) == 0
    expected = twofold.load("medfe-small", precision="bf16").fill(pixels, hole).image
    assert np.array_equal(read_photo(tmp_path / "out.png").pixels, expected)
