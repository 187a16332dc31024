"""The VGG-16 vector of a picture."""

from __future__ import annotations

import pytest
import torch

from twofold.features.embedding import vgg_embedding
from twofold.features.vgg import VGG16


@pytest.fixture(scope="module")
def vgg() -> VGG16:
    torch.manual_seed(0)
    network = VGG16()
    for convolution in network.convolutions:
        torch.nn.init.kaiming_normal_(convolution.weight)
    return network


def pictures(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 3, 32, 40, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_embedding_is_the_means_of_two_maps_one_after_the_other(vgg):
    image = pictures()
    maps = vgg(image)
    vector = vgg_embedding(maps)
    assert vector.shape == (2, 1024)
    assert vector.dtype == torch.float32
    for picture in range(2):
        for channel in (0, 7, 511):
            for start, layer in ((0, "relu4_3"), (512, "relu5_3")):
                values = maps[layer][picture, channel]
                mean = sum(values.flatten().tolist()) / values.numel()
                assert float(vector[picture, start + channel]) == pytest.approx(mean, rel=1e-4, abs=1e-6)


def test_each_picture_of_a_batch_has_its_own_vector(vgg):
    image = pictures()
    alone = torch.cat([vgg_embedding(vgg(one[None])) for one in image])
    torch.testing.assert_close(vgg_embedding(vgg(image)), alone)
    assert not torch.allclose(alone[0], alone[1])
