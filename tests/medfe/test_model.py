"""The whole network: sizes, batches, holes, switches, one training step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from twofold.medfe.build import build_medfe
from twofold.medfe.config import MedfeConfig, tiny
from twofold.medfe.network import MedfeNetwork
from twofold.network import FillingNetwork

OFFICIAL = replace(tiny("official"), native_size=192)
ADDITIONS: dict[str, Any] = {
    "norm": "group",
    "upsampling": "resize",
    "prefill": "diffusion",
    "residual_output": True,
    "detail_channels": 4,
    "refined_stages": 3,
}
VARIANTS = {"paper": tiny(), "official": OFFICIAL, "additions": replace(tiny(), **ADDITIONS)}


def network(config: MedfeConfig, seed: int = 0) -> MedfeNetwork:
    torch.manual_seed(seed)
    built = build_medfe(config)
    with torch.no_grad():  # fresh weights of 0.02 hide what happens at these widths
        for parameter in built.parameters():
            if parameter.ndim == 4:
                parameter.mul_(5)
    return built.eval()


def picture(batch: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def holes(batch: int, height: int, width: int) -> torch.Tensor:
    hole = torch.zeros(batch, 1, height, width)
    for index in range(batch):
        hole[index, :, height // 4 + index : -height // 4, width // 8 : width // 2 + 8 * index] = 1
    return hole


@pytest.mark.parametrize("variant", ["paper", "additions"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 192), (192, 128)])
def test_any_batch_and_any_multiple_of_64_is_filled(variant, batch, height, width):
    with torch.no_grad():
        output = network(VARIANTS[variant])(picture(batch, height, width), holes(batch, height, width))
    assert output.image.shape == (batch, 3, height, width)
    assert output.structure.shape == output.texture.shape == (batch, 3, height // 8, width // 8)
    for part in (output.image, output.structure, output.texture):
        assert torch.isfinite(part).all()
    assert output.structure.abs().max() < 1
    assert output.texture.abs().max() < 1


def test_official_mode_takes_a_batch_at_its_native_size():
    with torch.no_grad():
        output = network(OFFICIAL)(picture(2, 192, 192), holes(2, 192, 192))
    assert output.image.shape == (2, 3, 192, 192)
    assert output.image.abs().max() <= 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_answer_to_a_picture_does_not_depend_on_its_batch(variant):
    image, hole = picture(3, 192, 192), holes(3, 192, 192)
    filling = network(VARIANTS[variant])
    with torch.no_grad():
        together = filling(image, hole)
        for index in range(3):
            alone = filling(image[index : index + 1], hole[index : index + 1])
            torch.testing.assert_close(together.image[index : index + 1], alone.image, atol=1e-4, rtol=0)
            torch.testing.assert_close(
                together.structure[index : index + 1], alone.structure, atol=1e-4, rtol=0
            )


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_the_hole_holds_has_no_influence(variant):
    image, hole = picture(2, 192, 192), holes(2, 192, 192)
    other = torch.where(hole > 0, picture(2, 192, 192, seed=5), image)
    filling = network(VARIANTS[variant])
    with torch.no_grad():
        before, after = filling(image, hole), filling(other, hole)
    assert torch.equal(before.image, after.image)
    assert torch.equal(before.texture, after.texture)


@pytest.mark.parametrize("variant", VARIANTS)
def test_known_pixels_and_the_hole_itself_do_have_an_influence(variant):
    image, hole = picture(1, 192, 192), holes(1, 192, 192)
    filling = network(VARIANTS[variant])
    with torch.no_grad():
        before = filling(image, hole).image
        assert (filling(picture(1, 192, 192, seed=5), hole).image - before).abs().max() > 1e-3
        assert (filling(image, torch.zeros_like(hole)).image - before).abs().max() > 1e-3


def trained_one_step(filling: MedfeNetwork) -> dict[str, torch.Tensor | None]:
    """Gradients of every parameter in a step that touches all outputs."""
    filling.train()
    output = filling(picture(2, 128, 128), holes(2, 128, 128))
    optimizer = torch.optim.Adam(filling.parameters(), lr=1e-3)
    target = picture(2, 128, 128, seed=9)
    loss = (output.image - target).abs().mean()
    for branch in (output.structure, output.texture):
        if branch is not None:
            loss = loss + (branch - target[..., ::8, ::8]).abs().mean()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        again = filling(picture(2, 128, 128), holes(2, 128, 128))
    assert torch.isfinite(loss)
    assert torch.isfinite(again.image).all()
    assert not torch.equal(again.image, output.image)
    return {name: parameter.grad for name, parameter in filling.named_parameters()}


ABLATIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "whole": ({}, ()),
    "structure branch": ({"structure_branch": False}, ("filling.structure.", "structure_to_rgb.")),
    "texture branch": ({"texture_branch": False}, ("filling.texture.", "texture_to_rgb.")),
    "channel reweighing": ({"channel_reweighing": False}, ("equalization.reweigh.",)),
    "spatial": ({"spatial_propagation": False}, ()),
    "range": ({"range_propagation": False}, ()),
    "both": ({"spatial_propagation": False, "range_propagation": False}, ("equalization.propagate.",)),
    "non-local": ({"non_local": True}, ("equalization.propagate.combine.",)),
}


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_every_switch_trains_and_removes_its_parameters(ablation):
    switches, removed = ABLATIONS[ablation]
    whole = {name for name, _ in build_medfe(tiny()).named_parameters()}
    gradients = trained_one_step(network(replace(tiny(), **switches)))
    for name, gradient in gradients.items():
        assert gradient is not None, f"{name} is never used"
        assert torch.isfinite(gradient).all(), name
    expected = {name for name in whole if not name.startswith(removed)} if removed else whole
    added = {name for name in gradients if ".propagate." in name} - whole
    assert set(gradients) - added == expected
    assert bool(added) == (ablation == "non-local")


@pytest.mark.parametrize(
    ("ablation", "saved"), [("spatial", 16 * 16), ("range", 16 * 16), ("structure branch", None)]
)
def test_a_switch_makes_the_network_smaller(ablation, saved):
    def count(config: MedfeConfig) -> int:
        return sum(p.numel() for p in build_medfe(config).parameters())

    difference = count(tiny()) - count(replace(tiny(), **ABLATIONS[ablation][0]))
    assert difference == saved if saved else difference > 0


@pytest.mark.parametrize("addition", [*ADDITIONS, "all"])
def test_every_addition_trains(addition):
    chosen = ADDITIONS if addition == "all" else {addition: ADDITIONS[addition]}
    if addition == "residual_output":
        chosen = {**chosen, "prefill": "diffusion"}
    for name, gradient in trained_one_step(network(replace(tiny(), **chosen))).items():
        assert gradient is not None, name
        assert torch.isfinite(gradient).all(), name


def test_official_mode_trains_all_but_its_mask_sums():
    filling = network(OFFICIAL).train()
    output = filling(picture(1, 192, 192), holes(1, 192, 192))
    (output.image.mean() + output.structure.mean() + output.texture.mean()).backward()
    assert all(parameter.grad is not None for parameter in filling.parameters())
    assert {name.rpartition(".")[2] for name, _ in filling.named_buffers()} == {"mask_sums"}


def test_an_untrained_residual_network_answers_with_the_prefill():
    config = replace(tiny(), prefill="diffusion", residual_output=True)
    filling = build_medfe(config).eval()
    with torch.no_grad():
        filling.decoder.stages[-1].conv.weight.zero_()
        image = picture(1, 64, 64)
        torch.testing.assert_close(filling(image, torch.zeros(1, 1, 64, 64)).image, image)


def test_fill_answers_within_the_range_of_pictures():
    filling = network(VARIANTS["additions"])
    with torch.no_grad():
        filling.decoder.detail.weight.mul_(100)
        image, hole = picture(2, 64, 64), holes(2, 64, 64)
        assert filling(image, hole).image.abs().max() > 1
        answer = filling.fill(image, hole, seeds=[1, 2])
        other = filling.fill(image, hole, seeds=[3, 4])
    assert answer.image.abs().max() <= 1
    assert answer.log_likelihood is None
    assert torch.equal(answer.image, other.image)


def test_it_is_a_filling_network_of_its_size():
    assert isinstance(network(tiny()), FillingNetwork)
    assert (network(tiny()).size_multiple, network(tiny()).native_size) == (64, 256)
    assert (network(tiny()).largest_size, network(OFFICIAL).largest_size) == (512, 192)
    assert (network(OFFICIAL).size_multiple, network(OFFICIAL).native_size) == (192, 192)


@pytest.mark.parametrize(
    ("config", "image", "hole", "message"),
    [
        (tiny(), (1, 3, 64, 65), (1, 1, 64, 65), "multiples of 64, got 65x64; pad"),
        (tiny(), (1, 3, 64, 64), (1, 1, 64, 128), "hole is .* but image is"),
        (tiny(), (2, 3, 64, 64), (1, 1, 64, 64), "hole is .* but image is"),
        (tiny(), (1, 3, 64, 64), (1, 3, 64, 64), "hole is .* but image is"),
        (OFFICIAL, (1, 3, 256, 256), (1, 1, 256, 256), "192x192 only .* got 256x256"),
    ],
)
def test_wrong_sizes_are_refused_in_words(config, image, hole, message):
    filling = network(config)
    with pytest.raises(ValueError, match=message):
        # Past the shape checks of the tests, as users call it.
        filling.check_size(torch.zeros(image), torch.zeros(hole))


def test_fresh_weights_are_the_official_ones():
    torch.manual_seed(0)
    filling = build_medfe(replace(tiny(), encoder_channels=(32, 64, 64, 64, 64, 64)))
    for module in filling.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            if module.weight.numel() > 5000:
                assert module.weight.detach().std().item() == pytest.approx(0.02, rel=0.1)
            assert module.bias is None or module.bias.abs().max() == 0
    assert filling.encoder.stages[1].norm.weight.unique().tolist() == [1.0]


def test_same_seed_gives_same_weights():
    torch.manual_seed(3)
    first = build_medfe(tiny()).state_dict()
    torch.manual_seed(3)
    second = build_medfe(tiny()).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
