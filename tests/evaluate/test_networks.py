"""Feature networks are loaded when needed, and see each picture once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from twofold.evaluate import networks
from twofold.evaluate.metrics import METRICS
from twofold.evaluate.networks import NEEDED, FeatureNetworks
from twofold.features.alexnet import AlexNet
from twofold.features.embedding import LAYERS as EMBEDDED
from twofold.features.lpips import LPIPS
from twofold.features.vgg import VGG16
from twofold.tensors import image_to_tensor


class Counted(AlexNet):
    """Counts how many pictures it has seen."""

    pictures = 0

    def forward(self, image):
        self.pictures += len(image)
        return super().forward(image)


@pytest.fixture
def trunk(monkeypatch) -> Counted:
    torch.manual_seed(0)
    counted = Counted()
    monkeypatch.setattr(networks, "pretrained_lpips", lambda net: LPIPS(net, counted))
    return counted


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 48, 3), dtype=np.uint8)


def test_pictures_are_told_apart_by_their_pixels_and_seen_once(trunk):
    ours = FeatureNetworks()
    first = ours.alex_features(picture(0))
    again = ours.alex_features(picture(0).copy())
    other = ours.alex_features(picture(1))
    assert trunk.pictures == 2
    for layer, found in trunk(image_to_tensor(picture(0))).items():
        assert torch.equal(first[layer], found)
        assert torch.equal(again[layer], found)
        assert not torch.equal(other[layer], found)


def test_what_is_remembered_is_bounded_and_the_last_two_always_are(trunk, monkeypatch):
    monkeypatch.setattr(networks, "_BUDGET", 1)
    ours = FeatureNetworks()
    for seed in (0, 1, 0, 1, 0):
        ours.alex_features(picture(seed))
    assert trunk.pictures == 2
    ours.alex_features(picture(2))
    ours.alex_features(picture(1))
    assert trunk.pictures == 4  # 1 had to go for 2


def test_only_networks_of_the_metrics_are_loaded(monkeypatch):
    loaded = []
    monkeypatch.setattr(networks, "pretrained_lpips", lambda net: loaded.append(net))
    monkeypatch.setattr(networks, "pretrained_inception", lambda *, resize: loaded.append(resize))
    FeatureNetworks("tensorflow").prepare(["psnr", "best l1"])
    assert loaded == []
    FeatureNetworks("tensorflow").prepare(["best lpips", "vgg-kd", "fid"])
    assert loaded == ["alex", "vgg", "tensorflow"]


def test_every_metric_that_needs_a_network_is_one():
    needing = [name for names in NEEDED.values() for name in names]
    assert len(set(needing)) == len(needing)
    assert {*needing} <= {*METRICS}


def test_features_for_lpips_hold_those_of_the_embedding(monkeypatch):
    monkeypatch.setattr(networks, "pretrained_lpips", lambda net: LPIPS(net, VGG16()))
    with torch.inference_mode():
        assert {*EMBEDDED} <= {*FeatureNetworks().vgg_features(picture(0))}
