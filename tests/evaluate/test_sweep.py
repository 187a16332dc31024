"""Quality against diversity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from twofold.errors import InputError
from twofold.evaluate import networks
from twofold.evaluate import sweep as sweeping
from twofold.evaluate.protocol import Protocol
from twofold.evaluate.sweep import settings, sweep
from twofold.features.alexnet import AlexNet
from twofold.features.lpips import LPIPS
from twofold.inpainter import Result, Sample

PROTOCOL = Protocol(size=32, metrics=("psnr", "lpips"))


class Sampler:
    """Paints noise as loud as its temperature, quieter by its top-p."""

    name, diverse = "sampler", True

    def __init__(self, temperature: float, top_p: float) -> None:
        self.loud = 100 * temperature * top_p

    def fill(self, image, mask, *, samples=1, seed=0) -> Result:
        found = []
        for index in range(samples):
            noise = np.random.default_rng([seed, index]).normal(128, self.loud, image.shape)
            found.append(Sample(noise.clip(0, 255).astype(np.uint8), index=index))
        return Result(found, self.name, seed)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    torch.manual_seed(0)
    lpips = LPIPS("alex", AlexNet())
    monkeypatch.setattr(networks, "pretrained_lpips", lambda net: lpips)
    monkeypatch.setattr(sweeping, "load", lambda name, *, device, options: Sampler(**options))
    root = tmp_path / "photos"
    root.mkdir()
    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{index}.png")
    return root


def test_settings_are_all_pairs_with_one_curve_a_top_p():
    assert settings((0.5, 1.0), (0.8, 1.0)) == [
        {"temperature": 0.5, "top_p": 0.8},
        {"temperature": 1.0, "top_p": 0.8},
        {"temperature": 0.5, "top_p": 1.0},
        {"temperature": 1.0, "top_p": 1.0},
    ]
    assert settings((0.7,), (0.8, 1.0)) == [
        {"top_p": 0.8, "temperature": 0.7},
        {"top_p": 1.0, "temperature": 0.7},
    ]


def test_louder_sampling_is_more_diverse_and_less_true(folder):
    found = sweep(folder, "any", settings((0.1, 0.5, 1.0), (1.0,)), protocol=PROTOCOL)
    assert found.model == "sampler"
    assert found.report.samples == 4
    (curve,) = found.points("psnr").values()
    assert [label for *_, label in curve] == ["0.1", "0.5", "1"]
    diversity, quality = [x for x, *_ in curve], [y for _, y, _ in curve]
    assert diversity == sorted(diversity)
    assert quality == sorted(quality, reverse=True)
    assert len(set(diversity)) == 3


def test_each_top_p_is_a_curve_of_its_own(folder):
    found = sweep(folder, "any", settings((0.5, 1.0), (0.8, 1.0)), protocol=PROTOCOL)
    assert {curve: len(points) for curve, points in found.points("lpips").items()} == {
        "top-p 0.8": 2,
        "top-p 1": 2,
    }
    assert found.curves == ("best lpips", "lpips", "best psnr", "psnr")


def test_curves_and_table_are_written_and_repeat(folder, tmp_path):
    for name in ("a", "b"):
        found = sweep(folder, "any", settings((0.5, 1.0), (1.0,)), tmp_path / name, protocol=PROTOCOL)
    files = {path.name for path in (tmp_path / "a").iterdir() if path.suffix in (".md", ".svg", ".html")}
    assert {"sweep.md", "sweep-lpips.svg", "sweep-best-lpips.svg", "report.md", "report.html"} <= files
    for file in files - {"timing.md"}:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    text = (tmp_path / "a" / "sweep.md").read_text()
    assert text == found.markdown()
    assert "| top-p 1, temperature 0.5 |" in text
    assert "3 photographs, 4 answers each" in text


def test_one_way_of_sampling_is_refused(folder):
    with pytest.raises(InputError, match="has no curve"):
        sweep(folder, "any", settings((1.0,), (1.0,)), protocol=PROTOCOL)
