import dataclasses

import pytest
import torch

from train.states import assert_same, state
from train.tiny_dsi import run
from twofold.dsi.config import tiny
from twofold.dsi.model import build_dsi
from twofold.dsi.options import SamplingOptions
from twofold.errors import CheckpointError, InputError
from twofold.train import dsi_texture
from twofold.train.dsi_drawing import StructureDrawer


@pytest.mark.parametrize("order", ["raster", "parallel"])
def test_what_is_drawn_is_what_filling_samples(order):
    config = tiny()
    config = dataclasses.replace(
        config,
        structure=dataclasses.replace(config.structure, order=order),
        sampling=SamplingOptions(0.7, keep_margin=0),
    )
    torch.manual_seed(3)
    dsi = build_dsi(config).eval()
    image, hole = torch.rand(3, 3, 64, 64) * 2 - 1, torch.zeros(3, 1, 64, 64)
    hole[:, :, 20:50, 11:40] = 1
    drawer = StructureDrawer(config, dsi.state_dict(), torch.device("cpu"))
    drawn = drawer.draw(image, hole, [5, 6, 7])
    for number, seed in enumerate([5, 6, 7]):
        with torch.no_grad():
            filled = dsi.fill(image[number : number + 1], hole[number : number + 1], [seed])
        assert torch.equal(drawn[number], filled.codes[0])
    assert not drawn.is_inference()


@pytest.fixture(scope="module")
def start(photos, tmp_path_factory):
    """A VQ-VAE alone, and with a structure generator."""
    folder = tmp_path_factory.mktemp("start")
    vqvae = run("vqvae", photos, folder / "vqvae", steps=2)
    return vqvae, run("structure", photos, folder / "structure", start=vqvae, steps=2)


def drawing(share):
    return dataclasses.replace(dsi_texture.TEXTURE_RECIPES["tiny"](), drawn=share)


def test_drawn_structures_are_painted_and_a_resumed_run_draws_the_same(photos, tmp_path, start):
    _, weights = start
    run("texture", photos, tmp_path / "whole", start=weights, recipe=drawing(0.5))
    run("texture", photos, tmp_path / "broken", start=weights, recipe=drawing(0.5))
    (tmp_path / "broken" / "step-00000006.ckpt").unlink()  # as if it had died after its first checkpoint
    run("texture", photos, tmp_path / "broken", start=weights, recipe=drawing(0.5), resume=True)
    assert_same(state(tmp_path / "whole"), state(tmp_path / "broken"))
    run("texture", photos, tmp_path / "true", start=weights, recipe=drawing(0.0))
    ours, theirs = (state(tmp_path / folder)["networks"]["dsi"] for folder in ("whole", "true"))
    assert ours.keys() == theirs.keys()  # the structure generator is no part of what is trained
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours)


def test_drawing_needs_a_structure_generator(photos, tmp_path, start):
    vqvae, weights = start
    with pytest.raises(CheckpointError, match="hold no structure generator"):
        run("texture", photos, tmp_path / "a", start=vqvae, recipe=drawing(0.5))
    with pytest.raises(InputError, match=r"--recipe\.drawn is 1\.5"):
        run("texture", photos, tmp_path / "b", start=weights, recipe=drawing(1.5))
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()
