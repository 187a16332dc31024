import dataclasses

import pytest
import torch
from torch.nn import functional as F

from train.states import assert_same, state
from train.tiny_dsi import run
from twofold.dsi.config import tiny
from twofold.dsi.model import build_dsi
from twofold.dsi.options import SamplingOptions
from twofold.errors import CheckpointError, InputError
from twofold.train import dsi_texture
from twofold.train.dsi_drawing import StructureDrawer


def networks(order="raster", temperature=1.0):
    config = tiny()
    config = dataclasses.replace(
        config,
        structure=dataclasses.replace(config.structure, order=order),
        sampling=SamplingOptions(temperature),
    )
    torch.manual_seed(3)
    dsi = build_dsi(config).eval()
    with torch.no_grad():
        for parameter in dsi.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return config, dsi


def pictures(count=4):
    image = torch.rand(count, 3, 64, 64) * 2 - 1
    hole = torch.zeros(count, 1, 64, 64)
    hole[:, :, 20:50, 11:40] = 1
    return image, hole


@pytest.mark.parametrize("order", ["raster", "parallel"])
def test_only_missing_codes_are_drawn(order):
    config, dsi = networks(order)
    image, hole = pictures()
    codes = torch.randint(0, 16, (4, 8, 8))
    drawn = StructureDrawer(config, dsi.state_dict(), torch.device("cpu")).draw(codes, image, hole)
    missing = F.max_pool2d(hole, 8)[:, 0] > 0
    assert torch.equal(drawn[~missing], codes[~missing])
    assert (drawn != codes)[missing].any()
    assert drawn.min() >= 0
    assert drawn.max() < 16


def test_in_the_paper_s_order_a_code_follows_from_the_true_ones_before_it():
    config, dsi = networks(temperature=0.0)
    image, hole = pictures(1)
    codes = torch.randint(0, 16, (1, 8, 8))
    drawn = StructureDrawer(config, dsi.state_dict(), torch.device("cpu")).draw(codes, image, hole)
    for place in range(64):
        row, column = divmod(place, 8)
        before = codes.flatten().clone()
        before[place:] = torch.randint(0, 16, (64 - place,))  # what comes later has no influence
        vectors = dsi.vqvae.structure_codebook.look_up(before.view(1, 8, 8))
        with torch.no_grad():
            likeliest = dsi.structure(vectors, image * (1 - hole), hole)[0, :, row, column].argmax()
        touched = hole[0, 0, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].any()
        assert drawn[0, row, column] == (likeliest if touched else codes[0, row, column])


def test_draws_follow_the_generator_s_probabilities():
    config, dsi = networks(temperature=0.7)
    image, hole = pictures(1)
    codes = torch.randint(0, 16, (1, 8, 8))
    drawer = StructureDrawer(config, dsi.state_dict(), torch.device("cpu"))
    times = 3000
    several = drawer.draw(
        codes.expand(times, 8, 8), image.expand(times, -1, -1, -1), hole.expand(times, -1, -1, -1)
    )
    vectors = dsi.vqvae.structure_codebook.look_up(codes)
    with torch.no_grad():
        logits = dsi.structure(vectors, image * (1 - hole), hole)[0, :, 4, 3]
    found = torch.bincount(several[:, 4, 3], minlength=16) / times
    wanted = (logits / 0.7).softmax(dim=0)
    assert (found - wanted).abs().max() < 5 * (0.25 / times) ** 0.5
    assert wanted.max() < 0.95  # else there was nothing to see


@pytest.fixture(scope="module")
def start(photos, tmp_path_factory):
    """A VQ-VAE, and a structure generator that decodes in parallel on it."""
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
