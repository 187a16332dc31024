import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.dsi.config import PRESETS, tiny
from twofold.dsi.model import build_dsi
from twofold.dsi.options import SamplingOptions
from twofold.dsi.validation import validate_structure, validate_texture, validate_vqvae
from twofold.errors import CheckpointError, InputError
from twofold.network import FillingNetwork


@pytest.fixture(scope="module")
def dsi():
    torch.manual_seed(0)
    return build_dsi(tiny()).eval().requires_grad_(False)


def picture(height=64, width=64, seed=0, side=24):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 3, height, width, generator=generator) * 2 - 1
    hole = torch.zeros(1, 1, height, width)
    hole[..., 10 : 10 + side, 12 : 12 + side] = 1
    return image, hole


def same(one, other):
    names = ("image", "structure", "codes", "score")
    torch.testing.assert_close(one.log_likelihood, other.log_likelihood, rtol=1e-6, atol=1e-4)
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def part(batch, index):
    return dataclasses.replace(
        batch,
        **{
            field.name: getattr(batch, field.name)[index : index + 1]
            for field in dataclasses.fields(batch)
            if getattr(batch, field.name) is not None
        },
    )


def test_it_is_a_diverse_filling_network(dsi):
    assert isinstance(dsi, FillingNetwork)
    assert dsi.default_options.diverse


@torch.inference_mode()
def test_each_seed_has_an_answer_of_its_own_whatever_the_others_are(dsi):
    image, hole = picture()
    three = dsi.fill(image, hole, [5, 6, 7])
    assert same(part(three, 1), dsi.fill(image, hole, [6]))
    assert same(part(three, 2), part(dsi.fill(image, hole, [9, 7]), 1))
    assert not torch.equal(three.codes[0], three.codes[1])


@torch.inference_mode()
def test_several_pictures_are_filled_as_each_alone(dsi):
    (a, hole_a), (b, hole_b) = picture(seed=1), picture(seed=2, side=30)
    both = dsi.fill(torch.cat([a, b]), torch.cat([hole_a, hole_b]), [3, 4])
    assert same(part(both, 1), dsi.fill(b, hole_b, [4]))


@torch.inference_mode()
def test_what_the_image_holds_in_the_hole_has_no_influence(dsi):
    image, hole = picture()
    assert same(dsi.fill(image, hole, [1]), dsi.fill(torch.where(hole > 0, 0.7, image), hole, [1]))


@given(height=st.sampled_from([8, 24, 64]), width=st.sampled_from([16, 40]))
@settings(max_examples=6)
def test_any_multiple_of_eight_is_filled(dsi, height, width):
    image, hole = torch.zeros(1, 3, height, width), torch.zeros(1, 1, height, width)
    hole[..., 3:7, 5:9] = 1
    with torch.inference_mode():
        batch = dsi.fill(image, hole, [0])
    assert batch.image.shape == image.shape
    assert batch.codes.shape == (1, height // 8, width // 8)
    assert float(batch.log_likelihood) < 0


def test_zero_temperature_is_one_answer(dsi):
    likeliest = SamplingOptions(temperature=0.0)
    assert not likeliest.diverse
    image, hole = picture()
    with torch.inference_mode():
        two = dsi.fill(image, hole, [0, 1], likeliest)
    assert torch.equal(two.codes[0], two.codes[1])


@torch.inference_mode()
def test_kept_codes_are_those_of_the_picture(dsi):
    image, hole = picture(128, 128)
    codes = dsi.fill(image, hole, [0], SamplingOptions(keep_margin=6)).codes[0]
    truth = dsi.vqvae.encode(image).structure.codes[0]
    assert torch.equal(codes[12:], truth[12:])  # more than six codes from the hole
    assert not torch.equal(codes, truth)


def test_official_mode_takes_no_option_of_ours():
    network = build_dsi(tiny("official"))
    image, hole = picture()
    network.check_options(SamplingOptions(temperature=0.5, top_p=0.9))
    for refused in (network.check_options, lambda options: network.fill(image, hole, [0], options)):
        with pytest.raises(InputError, match="official mode samples every code"):
            refused(SamplingOptions(keep_margin=3))


def test_sizes_that_are_no_multiple_of_eight_are_refused(dsi):
    with pytest.raises(ValueError, match="multiple"):
        dsi.fill(torch.zeros(1, 3, 60, 64), torch.ones(1, 1, 60, 64), [0])


def test_seeds_and_pictures_must_agree(dsi):
    image, hole = picture()
    with pytest.raises(ValueError, match="2 pictures need as many seeds, got 3"):
        dsi.fill(image.repeat(2, 1, 1, 1), hole.repeat(2, 1, 1, 1), [0, 1, 2])


def test_the_small_preset_keeps_its_promise():
    with torch.device("meta"):
        network = build_dsi(PRESETS["small"]())
        full = build_dsi(PRESETS["paper"]())
    parts = (network.vqvae, network.structure, network.texture)
    assert sum(p.numel() for part in parts for p in part.parameters()) < 25e6
    count = {
        name: sum(value.numel() for value in getattr(full, name).state_dict().values())
        for name in ("structure", "texture", "discriminator")
    }
    assert count == {"structure": 36_959_392 + 26_769_536, "texture": 4_602_467, "discriminator": 5_948_032}


def test_parts_are_judged(dsi):
    device = torch.device("cpu")
    examples = [dict(zip(("image", "hole"), (t[0] for t in picture(seed=i)), strict=True)) for i in range(3)]
    distance = lambda a, b: (a - b).abs().mean(dim=(1, 2, 3))  # noqa: E731
    codes = validate_vqvae(dsi, examples, device=device, distance=distance, shown=2)
    assert codes.figures.keys() == {"psnr", "lpips", "structure perplexity", "texture perplexity"}
    assert len(codes.pictures) == 2
    assert codes.pictures[0].shape == (64, 192, 3)
    bits = validate_structure(dsi, examples, device=device).figures
    assert 0 < bits["bits per missing code"] < 20
    assert validate_texture(dsi, examples, device=device).figures["psnr"] > 5
    alone = build_dsi(dataclasses.replace(tiny(), structure=None, texture=None))
    with pytest.raises(CheckpointError, match="no structure generator"):
        validate_structure(alone, examples, device=device)
    with pytest.raises(CheckpointError, match="no texture generator"):
        validate_texture(alone, examples, device=device)
