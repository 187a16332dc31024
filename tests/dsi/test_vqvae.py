import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsi.official import nchw, needs_reference, picture, reference, variables
from twofold.dsi.config import PRESETS, DsiConfig, TextureConfig, VqvaeConfig
from twofold.dsi.model import visible_codes
from twofold.dsi.options import SamplingOptions
from twofold.dsi.same_conv import SameConv2d, same_padding
from twofold.dsi.vqvae import Vqvae
from twofold.errors import InputError

TINY = VqvaeConfig(channels=8, residual_channels=4, residual_blocks=1, codes=16, code_size=4)


@given(
    length=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 3), dilation=st.integers(1, 4)
)
def test_same_padding_gives_the_length_divided_by_the_stride(length, kernel, stride, dilation):
    before, after = same_padding(length, kernel, stride=stride, dilation=dilation)
    reach = (kernel - 1) * dilation + 1
    assert before <= after <= before + 1
    if before + after:
        assert (length + before + after - reach) // stride + 1 == -(-length // stride)


@pytest.mark.parametrize(("kernel", "expected"), [(3, (0, 1)), (5, (1, 2)), (4, (1, 1))])
def test_the_official_stride_two_convolutions_pad_more_behind(kernel, expected):
    assert same_padding(64, kernel, stride=2) == expected


def test_a_strided_convolution_looks_at_the_right_pixels():
    conv = SameConv2d(1, 1, 3, stride=2)
    conv.weight.data.copy_(torch.arange(9.0).view(1, 1, 3, 3))
    image = torch.rand(1, 1, 6, 6)
    padded = np.pad(image[0, 0].numpy(), ((0, 1), (0, 1)))
    for y, x in np.ndindex(3, 3):
        expected = (padded[2 * y : 2 * y + 3, 2 * x : 2 * x + 3] * np.arange(9).reshape(3, 3)).sum()
        assert float(conv(image)[0, 0, y, x].detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (16, 40)])
def test_any_multiple_of_eight_is_encoded_and_decoded(size):
    image = torch.rand(2, 3, *size) * 2 - 1
    picture, encoding = Vqvae(TINY)(image)
    assert picture.shape == image.shape
    assert encoding.structure.codes.shape == (2, size[0] // 8, size[1] // 8)
    assert encoding.texture.codes.shape == (2, size[0] // 4, size[1] // 4)


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="multiples of 8, got 20x16"):
        Vqvae(TINY).encode(torch.zeros(1, 3, 16, 20))


def test_every_weight_gets_a_gradient_through_the_quantisation():
    vqvae = Vqvae(TINY)
    vqvae(torch.rand(1, 3, 16, 16))[0].sum().backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in vqvae.parameters())


def test_the_structure_picture_depends_on_the_structure_alone():
    vqvae = Vqvae(TINY)
    encoding = vqvae.encode(torch.rand(1, 3, 16, 16))
    before = vqvae.structure_picture(encoding.structure.vectors)
    vqvae.texture_codebook.vectors.add_(1)
    assert torch.equal(vqvae.structure_picture(encoding.structure.vectors), before)
    assert float(before.detach().abs().max()) <= 1


@pytest.mark.parametrize("margin", [0, 1, 6])
def test_visible_codes_are_those_without_a_missing_pixel_around(margin):
    hole = torch.zeros(1, 1, 128, 160)
    hole[..., 41, 90] = 1
    visible = visible_codes(hole, margin)
    for y, x in np.ndindex(16, 20):
        assert bool(visible[0, y, x]) == (max(abs(y - 5), abs(x - 11)) > margin)


@torch.no_grad()
def test_from_a_margin_of_six_on_the_hole_has_no_influence_on_a_visible_code():
    torch.manual_seed(0)
    encoder = Vqvae(VqvaeConfig(channels=8, residual_channels=4, codes=16, code_size=4)).structure_encoder
    image, hole = torch.rand(1, 3, 192, 192), torch.zeros(1, 1, 192, 192)
    hole[..., 90:101, 88:104] = 1
    changed = image + hole
    moved = ((encoder(image)[1] - encoder(changed)[1]).abs().sum(dim=1) > 0)[0]
    assert not bool((moved & visible_codes(hole, 6)[0]).any())
    assert bool((moved & visible_codes(hole, 4)[0]).any())  # six is no idle caution


def test_presets_keep_their_promises():
    assert set(PRESETS) == {"paper", "small", "tiny"}
    for make in PRESETS.values():
        assert make("official").mode == "official"


@pytest.mark.parametrize(
    "options",
    [
        {"texture": TextureConfig(attend_hole=False)},
        {"sampling": SamplingOptions(keep_margin=1)},
    ],
)
def test_official_mode_refuses_our_options(options):
    DsiConfig(**options)
    with pytest.raises(ValueError, match="option of ours"):
        DsiConfig(mode="official", **options)


@pytest.mark.parametrize(
    "bad", [{"temperature": -1.0}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.5}, {"keep_margin": -1}]
)
def test_sampling_options_out_of_range_are_refused(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        SamplingOptions(**bad)


def blocks(stage):
    return [part for i in range(2) for part in (f"{stage}.{i}.widen", f"{stage}.{i}.merge")]


ENCODER = [
    *(f"structure_encoder.{name}" for name in ("to_half", "to_quarter", "mix_quarter")),
    *blocks("structure_encoder.blocks_quarter"),
    *(f"structure_encoder.{name}" for name in ("to_eighth", "mix_eighth")),
    *blocks("structure_encoder.blocks_eighth"),
    "structure_encoder.to_code",
    "texture_encoder.mix",
    *blocks("texture_encoder.blocks"),
    "texture_encoder.to_code",
]


def lay(vqvae, prefix, names):
    """Lay the official convolutions under ``prefix/`` into the VQ-VAE."""
    for name, value in variables(prefix).items():
        layer, leaf = name.split("/")
        if layer in names:
            module = vqvae.get_submodule(names[layer])
            if leaf == "W":
                module.weight.copy_(value.permute(3, 2, 0, 1))
            else:
                module.bias.copy_(value)


@pytest.fixture(scope="module")
@torch.no_grad()
def official():
    vqvae = Vqvae(VqvaeConfig()).eval()
    encoder = {f"conv2d_{i}": name for i, name in enumerate(ENCODER)}
    lay(vqvae, "vq_encoder", encoder | {"deconv2d_0": "texture_encoder.up"})
    decoder = {f"conv2d_{i}": f"decoder.{name}" for i, name in enumerate(["mix", *blocks("blocks")])}
    ups = ("up_structure", "to_half", "to_full")
    lay(vqvae, "vq_decoder", decoder | {f"deconv2d_{i}": f"decoder.{name}" for i, name in enumerate(ups)})
    for level, book in enumerate((vqvae.structure_codebook, vqvae.texture_codebook)):
        book.vectors.copy_(torch.from_numpy(reference()[f"codebook_{level}"]).T)
    return vqvae


@needs_reference
@torch.no_grad()
def test_codes_and_reconstruction_equal_the_official_ones(official):
    image, encoding = official(picture())
    assert np.array_equal(encoding.structure.codes[0].numpy(), reference()["vq_idx_t"].reshape(32, 32))
    assert np.array_equal(encoding.texture.codes[0].numpy(), reference()["vq_idx_b"].reshape(64, 64))
    theirs = nchw(reference()["vq_dec"])
    assert float((image - theirs).abs().max()) < 1e-4 * float(theirs.max() - theirs.min())


@needs_reference
@torch.no_grad()
def test_the_structure_alone_decodes_like_the_official_one(official):
    codes = torch.from_numpy(reference()["idx_fixed"].reshape(1, 32, 32).astype(np.int64))
    vectors = official.structure_codebook.look_up(codes)
    theirs = nchw(reference()["vq_dec_structure_only"])
    ours = official.decoder(vectors, torch.zeros(1, 64, 64, 64))
    assert float((ours - theirs).abs().max()) < 1e-4 * float(theirs.max() - theirs.min())
