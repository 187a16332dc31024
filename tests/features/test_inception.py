"""The Inception network of 2015: names, shapes, and features computed by two other projects' code.

Weights come from a seed by name, so that no file is needed.
"""

from __future__ import annotations

import inspect
import math
import urllib.error
import urllib.request
import zlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from twofold.errors import CheckpointError, InputError
from twofold.features.inception import (
    WEIGHTS,
    Block,
    Branch,
    Convolution,
    InceptionV3,
    pretrained_inception,
    resized_bilinear,
    resized_tensorflow,
)

# Pooled features 0, 128, 256, ... and logits 0, 63, 126, ... of the first of ``pictures`` with the weights
# of ``seeded_state``, computed with the networks of pytorch-fid and torch-fidelity.
POOL = {
    "bilinear": [
        [0, 1.17098, 1.89348, 0.26326, 0.22201, 2.86911, 0.12018, 0.00481],
        [1.50865, 1.70976, 0.00479, 0.19101, 0.16561, 0, 0.00188, 0],
    ],
    "tensorflow": [
        [0, 1.171, 1.89778, 0.25357, 0.22106, 2.87323, 0.11203, 0.00225],
        [1.48942, 1.69911, 0.00411, 0.19024, 0.16084, 0, 0.00369, 0],
    ],
}
LOGITS = {
    "bilinear": [
        [0.91815, -1.19166, -1.46737, 4.26336, -4.06509, 3.02167, -0.67053, 3.8617],
        [-2.02104, -1.61809, 0.20414, 2.75484, -2.72634, 2.55663, 0.83653, 0.92989],
    ],
    "tensorflow": [
        [0.86806, -1.16954, -1.42717, 4.21257, -4.04919, 3.02126, -0.61867, 3.89627],
        [-2.00491, -1.62012, 0.20534, 2.72876, -2.72073, 2.58872, 0.84591, 0.95001],
    ],
}
STAGES = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"]
STAGES += ["Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"]
STAGES += ["Mixed_7a", "Mixed_7b", "Mixed_7c", "fc"]


def seeded(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A tensor by its name, of a size that keeps features alive."""
    noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) > 1:
        noise *= math.sqrt(2 / math.prod(shape[1:]))
    elif name.endswith("running_var"):
        noise = np.exp(0.2 * noise)
    else:
        noise = 0.2 * noise + name.endswith("bn.weight")
    return torch.from_numpy(noise.astype(np.float32))


@pytest.fixture(scope="module")
def seeded_state() -> dict[str, torch.Tensor]:
    return {
        name: torch.tensor(1) if name.endswith("num_batches_tracked") else seeded(name, tuple(value.shape))
        for name, value in InceptionV3().state_dict().items()
    }


def pictures() -> torch.Tensor:
    levels = np.random.RandomState(0).randint(0, 256, (2, 3, 64, 80))
    return torch.from_numpy(levels).float() / 127.5 - 1


@pytest.mark.parametrize("resize", ["bilinear", "tensorflow"])
def test_features_are_those_of_the_projects_that_define_them(resize, seeded_state):
    network = InceptionV3(resize)
    network.load_state_dict(seeded_state)
    pool, logits = network(pictures()[:1])
    assert pool.shape == (1, 2048)
    assert logits.shape == (1, 1008)
    assert not pool.requires_grad
    np.testing.assert_allclose(pool[0, ::128], np.ravel(POOL[resize]), atol=5e-5)
    np.testing.assert_allclose(logits[0, ::63], np.ravel(LOGITS[resize]), atol=5e-5)
    torch.testing.assert_close(logits, pool @ seeded_state["fc.weight"].T)


def test_state_dict_has_the_published_files_names_and_shapes():
    state = InceptionV3().state_dict()
    convolutions = [name for name in state if name.endswith(".conv.weight")]
    assert len(convolutions) == 94
    assert len(state) == 94 * 6 + 2  # a kernel and five tensors of normalisation each, one linear layer
    trained = [value.numel() for name, value in state.items() if name.endswith(("weight", "bias"))]
    assert sum(trained) == 23_850_960  # 21,785,568 before the classes, as published, and 2049 a class
    assert list(dict.fromkeys(name.split(".")[0] for name in state)) == STAGES
    shapes = {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Mixed_5b.branch5x5_2.conv.weight": (64, 48, 5, 5),
        "Mixed_5d.branch_pool.bn.running_var": (64,),
        "Mixed_6a.branch3x3.conv.weight": (384, 288, 3, 3),
        "Mixed_6c.branch7x7_2.conv.weight": (160, 160, 1, 7),
        "Mixed_6e.branch7x7dbl_2.conv.weight": (192, 192, 7, 1),
        "Mixed_7a.branch7x7x3_4.bn.bias": (192,),
        "Mixed_7b.branch3x3_2b.conv.weight": (384, 384, 3, 1),
        "Mixed_7c.branch3x3dbl_3a.conv.weight": (384, 384, 1, 3),
        "fc.weight": (1008, 2048),
        "fc.bias": (1008,),
    }
    assert {name: tuple(state[name].shape) for name in shapes} == shapes


def test_mean_pooling_leaves_out_what_lies_beyond_the_edge():
    block = Block(1, (Branch("branch_pool", ((1, 1, 1),), pool="mean"),))
    with torch.no_grad():
        block.get_parameter("branch_pool.conv.weight").fill_(1)
    flat = torch.full((1, 1, 4, 5), 2.0)
    torch.testing.assert_close(block.eval()(flat), flat, rtol=1e-3, atol=0)


def test_halving_blocks_join_every_second_place_with_the_largest_of_each_window():
    block = Block(2, (Branch("step", ((3, 3, 3),), halves=True), Branch("pool", (), pool="max", halves=True)))
    x = torch.arange(2 * 7 * 9, dtype=torch.float32).view(1, 2, 7, 9)
    found = block.eval()(x)
    assert found.shape == (1, 5, 3, 4)
    assert torch.equal(found[:, 3:], x[:, :, 2::2, 2::2])


def test_forks_lay_a_row_and_a_column_side_by_side():
    block = Block(2, (Branch("b", ((4, 1, 1), (3, 1, 3)), forks=True),))
    assert [name for name, _ in block.named_children()] == ["b_1", "b_2a", "b_2b"]
    assert block.get_parameter("b_2a.conv.weight").shape == (3, 4, 1, 3)
    assert block.get_parameter("b_2b.conv.weight").shape == (3, 4, 3, 1)
    assert block.eval()(torch.zeros(1, 2, 5, 6)).shape == (1, 6, 5, 6)


def test_convolution_is_normalised_with_tensorflows_small_number():
    layer = Convolution(1, 1, (1, 1), padded=True).eval()
    with torch.no_grad():
        layer.conv.weight.fill_(1)
        layer.bn.running_var.fill_(0.003)
    assert float(layer(torch.ones(1, 1, 1, 1)).detach()) == pytest.approx(1 / math.sqrt(0.004))


def test_bilinear_resize_keeps_the_range_and_the_middle():
    ramp = torch.linspace(-1, 1, 300).expand(1, 3, 20, 300)
    found = resized_bilinear(ramp)
    assert found.shape == (1, 3, 299, 299)
    torch.testing.assert_close(found, found.flip(-1).neg(), atol=1e-5, rtol=0)


def slow_tensorflow(levels: np.ndarray) -> np.ndarray:
    """Pixel by pixel: place i reads from i times in over out; beyond the last pixel it repeats."""
    height, width = levels.shape
    out = np.zeros((299, 299))
    for y in range(299):
        v = y * height / 299
        top, below = int(v), min(int(v) + 1, height - 1)
        for x in range(299):
            u = x * width / 299
            left, right = int(u), min(int(u) + 1, width - 1)
            upper = levels[top, left] * (1 - (u - left)) + levels[top, right] * (u - left)
            lower = levels[below, left] * (1 - (u - left)) + levels[below, right] * (u - left)
            out[y, x] = upper * (1 - (v - top)) + lower * (v - top)
    return (out - 128) / 128


@pytest.mark.parametrize("size", [(7, 5), (310, 299)])
def test_tensorflow_resize_equals_plain_loops(size):
    levels = np.random.RandomState(1).randint(0, 256, size)
    image = torch.from_numpy(levels).float().expand(1, 3, *size) / 127.5 - 1
    found = resized_tensorflow(image)
    assert found.shape == (1, 3, 299, 299)
    for channel in (0, 2):
        np.testing.assert_allclose(found[0, channel], slow_tensorflow(levels), atol=1e-4)


def test_tensorflow_resize_of_a_picture_of_the_networks_size_only_changes_the_range():
    levels = torch.arange(256.0).repeat(3 * 299 * 299 // 256 + 1)[: 3 * 299 * 299].view(1, 3, 299, 299)
    found = resized_tensorflow(levels / 127.5 - 1)
    torch.testing.assert_close(found, (levels - 128) / 128, atol=1e-6, rtol=0)
    assert float(F.l1_loss(found, resized_bilinear(levels / 127.5 - 1))) > 1e-4


@pytest.fixture
def unplugged(monkeypatch, tmp_path):
    """An empty cache and no way to the world."""

    def fail(*_args, **_kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TWOFOLD_FEATURES", raising=False)
    monkeypatch.setattr(urllib.request, "urlopen", fail)


@pytest.mark.usefixtures("unplugged")
def test_pretrained_network_is_found_by_either_name_and_loaded_strictly(seeded_state, tmp_path, monkeypatch):
    torch.save(seeded_state, tmp_path / WEIGHTS.copies[0])
    monkeypatch.setenv("TWOFOLD_FEATURES", str(tmp_path))
    network = pretrained_inception(resize="tensorflow")
    assert network.resize == "tensorflow"
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, seeded_state[name]) for name, value in network.state_dict().items())


@pytest.mark.usefixtures("unplugged")
def test_pretrained_network_that_is_nowhere_says_where_to_get_it():
    with pytest.raises(CheckpointError, match=r"6726825d\.pth.*mseitzer/pytorch-fid.*TWOFOLD_FEATURES"):
        pretrained_inception()


@pytest.mark.usefixtures("unplugged")
def test_file_of_another_network_is_refused_with_what_is_wrong(tmp_path, seeded_state):
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match=r"vgg\.pth does not fit.*6726825d"):
        pretrained_inception(tmp_path / "vgg.pth")
    torchvisions = {**seeded_state, "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    torch.save(torchvisions, tmp_path / "torchvision.pth")
    with pytest.raises(CheckpointError, match=r"torchvision\.pth does not fit.*fc\.weight"):
        pretrained_inception(tmp_path / "torchvision.pth")


def test_unknown_resize_is_refused_before_anything_is_looked_for():
    # Without the type checks that tests wrap around it, which come first.
    build = inspect.unwrap(InceptionV3.__init__)
    with pytest.raises(InputError, match="bilinear, tensorflow"):
        build(InceptionV3.__new__(InceptionV3), "bicubic")
