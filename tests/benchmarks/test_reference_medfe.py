"""The reference official network: what can be known of it without the official code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import reference_medfe as reference
from medfe_speed import seeded_networks, seeded_picture
from twofold.medfe.config import MedfeConfig

CONFIG = MedfeConfig(mode="official", encoder_channels=(2, 3, 4, 5, 5, 5), fill_channels=4, native_size=192)


def answer(image: torch.Tensor, mask: torch.Tensor) -> reference.ReferenceOutput:
    with torch.inference_mode():
        return reference.reference_generator(seeded_networks(CONFIG, 0), image, mask)


def test_every_part_has_its_size():
    output = answer(*seeded_picture(192, 0))
    assert output.image.shape == (1, 3, 192, 192)
    assert [tuple(part.shape[1:]) for part in output.encoded] == [
        (2, 96, 96), (3, 48, 48), (4, 24, 24), (5, 12, 12), (5, 6, 6), (5, 3, 3),
    ]  # fmt: skip
    assert output.structure_filled.shape == output.texture_filled.shape == (1, 4, 24, 24)
    assert output.fused.shape == output.equalized.shape == (1, 8, 24, 24)
    assert output.structure_rgb.shape == output.texture_rgb.shape == (1, 3, 24, 24)


def test_only_a_mask_of_exactly_one_is_a_hole():
    image, mask = seeded_picture(192, 0)
    grey = answer(image, mask * 0.999)
    assert torch.equal(grey.image, answer(image, torch.zeros_like(mask)).image)
    assert not torch.equal(grey.image, answer(image, mask).image)


def test_skipped_features_have_been_activated_in_place():
    image, mask = seeded_picture(192, 0)
    networks = seeded_networks(CONFIG, 0)
    output = answer(image, torch.zeros_like(mask))
    picture = torch.cat([image, torch.ones(1, 3, 192, 192)], dim=1)
    raw = F.conv2d(
        picture, networks["EN"]["Encoder_1.model.0.weight"], networks["EN"]["Encoder_1.model.0.bias"], 2, 1
    )
    torch.testing.assert_close(output.encoded[0], F.leaky_relu(raw, 0.2))
    assert (output.encoded[5] < -1).any()  # the deepest has not


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_the_feature_hole_is_always_empty(fill):
    assert reference.feature_hole(torch.full((1, 1, 64, 64), fill)).abs().sum() == 0


def test_gaussian_rows_sum_to_one_and_keep_their_denormals():
    gaussian = reference.gaussian_weights(32, 32)
    torch.testing.assert_close(gaussian.sum(dim=1), torch.ones(1024))
    tiny = torch.finfo(torch.float32).tiny
    assert ((gaussian > 0) & (gaussian < tiny)).any()  # what slows the official product down
    ratio = gaussian[16 * 32 + 16, 16 * 32 + 17] / gaussian[16 * 32 + 16, 16 * 32 + 16]
    assert float(ratio) == pytest.approx(np.exp(-1 / 4.5), rel=1e-5)


def test_composite_cuts_to_whole_levels():
    answer = torch.tensor([-1.0, 0.0, 1.0, 0.999]).view(1, 1, 1, 4).expand(1, 3, 1, 4)
    pasted = reference.reference_composite(answer, torch.full((1, 3, 1, 4), -1.0), torch.ones(1, 1, 1, 4))
    assert pasted[0, :, 0].tolist() == [0, 127, 255, 254]
    known = reference.reference_composite(answer, torch.full((1, 3, 1, 4), 1.0), torch.zeros(1, 1, 1, 4))
    assert known.min() == 255


def test_discriminator_divides_by_the_stored_singular_value():
    state = seeded_networks(CONFIG, 0)["D"]
    doubled = {**state, "model.8.weight_v": 2 * state["model.8.weight_v"]}
    image = torch.zeros(1, 3, 64, 64)
    bias = state["model.8.bias"].view(1, 1, 1, 1)
    halved = reference.reference_discriminator(doubled, image) - bias
    torch.testing.assert_close(
        2 * halved, reference.reference_discriminator(state, image) - bias, rtol=1e-4, atol=1e-4
    )
