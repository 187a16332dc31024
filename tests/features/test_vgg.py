"""The VGG-16 feature extractor, with random weights."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from scipy.signal import correlate

from twofold.errors import InputError
from twofold.features.vgg import CHANNELS, LAYERS, VGG16


@pytest.fixture(scope="module")
def vgg() -> VGG16:
    torch.manual_seed(0)
    network = VGG16()
    for convolution in network.convolutions:  # He's scale, or deep features fade to nothing
        torch.nn.init.kaiming_normal_(convolution.weight)
    return network


def picture(side: int = 32, batch: int = 1) -> torch.Tensor:
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_layers_have_their_names_channels_and_sizes(vgg):
    features = vgg(picture(32, batch=2))
    assert list(features) == list(LAYERS)
    assert LAYERS[0] == "relu1_1"
    assert LAYERS[-1] == "relu5_3"
    for name, value in features.items():
        side = 32 // 2 ** (int(name[4]) - 1)
        assert value.shape == (2, CHANNELS[name], side, side)
        assert value.min() >= 0
    assert list(CHANNELS.values()) == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6


def test_first_block_equals_scipy_correlation_of_the_normalised_picture(vgg):
    image = picture(8)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = ((image[0].numpy() + 1) / 2 - mean[:, None, None]) / deviation[:, None, None]
    for convolution in list(vgg.convolutions)[:2]:
        weight, bias = convolution.weight.numpy(), convolution.bias.numpy()
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        x = np.stack([correlate(padded, w, mode="valid")[0] + b for w, b in zip(weight, bias, strict=True)])
        x = np.maximum(x, 0)
    theirs = torch.from_numpy(x).float()
    ours = vgg(image, up_to="relu1_2")["relu1_2"][0]
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_unnormalised_picture_is_fed_as_it_is(vgg):
    image = picture()
    normalized = (image - vgg.shift) / vgg.scale
    torch.testing.assert_close(vgg(image)["relu2_1"], vgg(normalized, normalize=False)["relu2_1"])
    assert not torch.allclose(vgg(image)["relu2_1"], vgg(image, normalize=False)["relu2_1"])


@pytest.mark.parametrize("last", ["relu1_1", "relu3_3", "relu4_1"])
def test_stopping_early_leaves_the_shallow_features_unchanged(vgg, last):
    image = picture()
    short, full = vgg(image, up_to=last), vgg(image)
    assert list(short) == list(LAYERS[: LAYERS.index(last) + 1])
    for name, value in short.items():
        assert torch.equal(value, full[name])


def test_block5_1_of_relu4_3_is_relu5_1_and_of_relu5_1_is_something_else(vgg):
    features = vgg(picture(64))
    assert torch.equal(vgg.apply_block5_1(features["relu4_3"]), features["relu5_1"])
    again = vgg.apply_block5_1(features["relu5_1"])
    assert again.shape == (1, 512, 2, 2)
    assert features["relu5_2"].shape == (1, 512, 4, 4)


def test_gradient_reaches_the_picture_and_never_the_weights(vgg):
    image = picture().requires_grad_()
    vgg(image)["relu5_3"].sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in vgg.parameters())
    assert not any(parameter.requires_grad for parameter in vgg.parameters())


def test_training_mode_changes_nothing(vgg):
    image = picture()
    before = vgg(image)["relu5_3"]
    assert torch.equal(vgg.train()(image)["relu5_3"], before)


def test_bfloat16_by_autocast_and_by_cast_stay_close(vgg):
    image = picture(32, batch=2)
    full = vgg(image)["relu4_1"]
    with torch.autocast("cpu", torch.bfloat16):
        auto = vgg(image.to(memory_format=torch.channels_last))["relu4_1"]
    cast = VGG16()
    cast.load_state_dict(vgg.state_dict())
    half = cast.to(torch.bfloat16)(image)["relu4_1"]
    for ours in (auto, half):
        assert ours.dtype == torch.bfloat16
        assert (ours.float() - full).norm() / full.norm() < 0.03


def test_graph_is_captured_whole_by_dynamo(vgg):
    image = picture()
    # Without the shape checks that tests wrap around it: those are not for compiling.
    forward = inspect.unwrap(VGG16.forward)
    compiled = torch.compile(lambda x: forward(vgg, x, up_to="relu3_1"), backend="eager", fullgraph=True)
    assert torch.equal(compiled(image)["relu3_1"], vgg(image)["relu3_1"])


def test_unknown_layer_and_small_picture_are_refused(vgg):
    with pytest.raises(InputError, match="relu6_1"):
        vgg(picture(), up_to="relu6_1")
    with pytest.raises(InputError, match="16x16"):
        vgg(picture(15))
    assert vgg(picture(15), up_to="relu4_3")["relu4_3"].shape[-1] == 1
