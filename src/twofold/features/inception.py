"""The Inception network of 2015 that FID, KID and the Inception score are defined on.

Szegedy et al.: "Rethinking the Inception Architecture for Computer Vision", CVPR 2016. The weights are
those of TensorFlow's file ``inception-2015-12-05``, 1008 classes, as ported for PyTorch by the project
pytorch-fid; its state dict loads strictly. Torchvision's network of the same name is another one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from twofold.errors import CheckpointError, InputError
from twofold.features.weights import Published, load_state
from twofold.tensors import Image

Resize = Literal["bilinear", "tensorflow"]
"""How pictures are brought to 299x299, and to the network's range.

- "bilinear": pixel centres at half numbers, range [-1, 1]: pytorch-fid, so LaMa and MI-GAN's script.
- "tensorflow": as the original graph does it, pixel centres at whole numbers, so that the picture moves by
  up to half a pixel, and ``(level - 128) / 128``: the first FID script, so DSI; StyleGAN2-ADA's network,
  so CoModGAN and MAT; torch-fidelity.

Neither smooths before it shrinks.
"""

WEIGHTS = Published(
    file="pt_inception-2015-12-05-6726825d.pth",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    copies=("weights-inception-2015-12-05-6726825d.pth",),  # the same bytes, by torch-fidelity's name
)
"""The file of trained weights."""

POOL_FEATURES = 2048
CLASSES = 1008
"""Of which 1000 are ImageNet's."""

_SIDE = 299


class Convolution(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(
        self, wide: int, channels: int, kernel: tuple[int, int], stride: int = 1, *, padded: bool
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(wide, channels, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=1e-3)

    def forward(self, x: Float[Tensor, "b wide h w"]) -> Float[Tensor, "b channels _ _"]:
        """Give features, zero or above."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


@dataclass(frozen=True)
class Branch:
    """One of the paths through a block: a pooling or none, then convolutions.

    Attributes:
        name: of its parameters; those of the first step end in ``_1``, unless it is the only one.
        steps: channels, height and width of each convolution.
        pool: the 3x3 pooling that it begins with; the mean leaves out what lies beyond the edge.
        halves: the last step, or the pooling of a branch without steps, has stride 2 and no padding.
        forks: the last step is done a second time with height and width exchanged, beside the first.
    """

    name: str
    steps: tuple[tuple[int, int, int], ...]
    pool: Literal["none", "mean", "max"] = "none"
    halves: bool = False
    forks: bool = False


class Block(nn.Module):
    """Branches over the same features, joined along the channels; a child for each convolution."""

    def __init__(self, wide: int, branches: tuple[Branch, ...]) -> None:
        super().__init__()
        self.branches = branches
        for branch in branches:
            before = wide
            for number, (channels, height, width) in enumerate(branch.steps, start=1):
                last = number == len(branch.steps)
                halves = branch.halves and last
                for name, kernel in _children(branch, number, (height, width)):
                    child = Convolution(before, channels, kernel, 2 if halves else 1, padded=not halves)
                    self.add_module(name, child)
                before = channels

    def forward(self, x: Float[Tensor, "b wide h w"]) -> Float[Tensor, "b channels _ _"]:
        """Give the features of all branches."""
        return torch.cat([self._follow(branch, x) for branch in self.branches], dim=1)

    def _follow(self, branch: Branch, x: Tensor) -> Tensor:
        """The features of one branch."""
        if branch.pool == "mean":
            x = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        elif branch.pool == "max":
            x = F.max_pool2d(x, 3, stride=2) if branch.halves else F.max_pool2d(x, 3, stride=1, padding=1)
        for number, (_, *kernel) in enumerate(branch.steps, start=1):
            names = [name for name, _ in _children(branch, number, (kernel[0], kernel[1]))]
            x = torch.cat([self.get_submodule(name)(x) for name in names], dim=1)
        return x


def _children(branch: Branch, number: int, kernel: tuple[int, int]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name and kernel of each convolution of a step; two where the branch forks."""
    if len(branch.steps) == 1:
        yield branch.name, kernel
    elif branch.forks and number == len(branch.steps):
        yield f"{branch.name}_{number}a", kernel
        yield f"{branch.name}_{number}b", kernel[::-1]
    else:
        yield f"{branch.name}_{number}", kernel


def _block35(wide: int, pooled: int) -> Block:
    """A block of the stage with 35x35 places."""
    return Block(
        wide,
        (
            Branch("branch1x1", ((64, 1, 1),)),
            Branch("branch5x5", ((48, 1, 1), (64, 5, 5))),
            Branch("branch3x3dbl", ((64, 1, 1), (96, 3, 3), (96, 3, 3))),
            Branch("branch_pool", ((pooled, 1, 1),), pool="mean"),
        ),
    )


def _block35_to_17(wide: int) -> Block:
    """The block that leads from 35x35 to 17x17 places."""
    return Block(
        wide,
        (
            Branch("branch3x3", ((384, 3, 3),), halves=True),
            Branch("branch3x3dbl", ((64, 1, 1), (96, 3, 3), (96, 3, 3)), halves=True),
            Branch("branch_pool", (), pool="max", halves=True),
        ),
    )


def _block17(wide: int, narrow: int) -> Block:
    """A block of the stage with 17x17 places, its 7x7 windows made of 1x7 and 7x1."""
    twice = ((narrow, 1, 1), (narrow, 7, 1), (narrow, 1, 7), (narrow, 7, 1), (192, 1, 7))
    return Block(
        wide,
        (
            Branch("branch1x1", ((192, 1, 1),)),
            Branch("branch7x7", ((narrow, 1, 1), (narrow, 1, 7), (192, 7, 1))),
            Branch("branch7x7dbl", twice),
            Branch("branch_pool", ((192, 1, 1),), pool="mean"),
        ),
    )


def _block17_to_8(wide: int) -> Block:
    """The block that leads from 17x17 to 8x8 places."""
    return Block(
        wide,
        (
            Branch("branch3x3", ((192, 1, 1), (320, 3, 3)), halves=True),
            Branch("branch7x7x3", ((192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3)), halves=True),
            Branch("branch_pool", (), pool="max", halves=True),
        ),
    )


def _block8(wide: int, pool: Literal["mean", "max"]) -> Block:
    """A block of the stage with 8x8 places."""
    return Block(
        wide,
        (
            Branch("branch1x1", ((320, 1, 1),)),
            Branch("branch3x3", ((384, 1, 1), (384, 1, 3)), forks=True),
            Branch("branch3x3dbl", ((448, 1, 1), (384, 3, 3), (384, 1, 3)), forks=True),
            Branch("branch_pool", ((192, 1, 1),), pool=pool),
        ),
    )


class InceptionV3(nn.Module):
    """The network up to its pooled features and its logits, frozen.

    A new one has random weights; ``pretrained_inception`` gives the trained one. Children have the names
    of the published file.

    Args:
        resize: how pictures are brought to the network's size and range.

    Raises:
        InputError: if ``resize`` is not known.
    """

    def __init__(self, resize: Resize = "bilinear") -> None:
        super().__init__()
        if resize not in get_args(Resize):
            raise InputError(f"resize is {resize!r}; give one of {', '.join(get_args(Resize))}")
        self.resize = resize
        stages = (
            ("Conv2d_1a_3x3", Convolution(3, 32, (3, 3), 2, padded=False)),
            ("Conv2d_2a_3x3", Convolution(32, 32, (3, 3), padded=False)),
            ("Conv2d_2b_3x3", Convolution(32, 64, (3, 3), padded=True)),
            ("pool_2", nn.MaxPool2d(3, stride=2)),
            ("Conv2d_3b_1x1", Convolution(64, 80, (1, 1), padded=False)),
            ("Conv2d_4a_3x3", Convolution(80, 192, (3, 3), padded=False)),
            ("pool_4", nn.MaxPool2d(3, stride=2)),
            ("Mixed_5b", _block35(192, pooled=32)),
            ("Mixed_5c", _block35(256, pooled=64)),
            ("Mixed_5d", _block35(288, pooled=64)),
            ("Mixed_6a", _block35_to_17(288)),
            ("Mixed_6b", _block17(768, narrow=128)),
            ("Mixed_6c", _block17(768, narrow=160)),
            ("Mixed_6d", _block17(768, narrow=160)),
            ("Mixed_6e", _block17(768, narrow=192)),
            ("Mixed_7a", _block17_to_8(768)),
            ("Mixed_7b", _block8(1280, pool="mean")),
            # The graph of 2015 has the largest value here, where the paper has the mean: keep.
            ("Mixed_7c", _block8(2048, pool="max")),
        )
        for name, stage in stages:
            self.add_module(name, stage)
        self.order = tuple(name for name, _ in stages)
        self.fc = nn.Linear(POOL_FEATURES, CLASSES)
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: Image) -> tuple[Float[Tensor, "b 2048"], Float[Tensor, "b 1008"]]:
        """Give what the metrics read.

        Args:
            image: [b 3 h w] in [-1, 1], of any size.

        Returns:
            The pooled features, zero or above; and the logits without bias, whose softmax the Inception
            score takes, in OpenAI's code and in DSI's.
        """
        x = resized_bilinear(image) if self.resize == "bilinear" else resized_tensorflow(image)
        for name in self.order:
            x = self.get_submodule(name)(x)
        pool = x.mean(dim=(2, 3))
        return pool, pool @ self.fc.weight.T


def resized_bilinear(image: Image) -> Float[Tensor, "b 3 299 299"]:
    """Resize to 299x299 with pixel centres at half numbers: [-1, 1] in, [-1, 1] out."""
    return F.interpolate(image, (_SIDE, _SIDE), mode="bilinear", align_corners=False)


def resized_tensorflow(image: Image) -> Float[Tensor, "b 3 299 299"]:
    """Resize to 299x299 with pixel centres at whole numbers: [-1, 1] in, (level - 128) / 128 out."""
    x = image * (127.5 / 128) - 0.5 / 128
    for axis in (-1, -2):
        size = x.shape[axis]
        places = torch.arange(_SIDE, device=x.device) * (size / _SIDE)
        before = places.long().clamp(max=size - 1)
        after = (before + 1).clamp(max=size - 1)
        share = (places - before).to(x.dtype)
        if axis == -2:
            share = share[:, None]
        near, far = x.index_select(axis, before), x.index_select(axis, after)
        x = near + (far - near) * share
    return x


def pretrained_inception(path: Path | None = None, *, resize: Resize = "bilinear") -> InceptionV3:
    """Build the Inception network with its published weights.

    Args:
        path: weights file; None looks where ``twofold.features.weights.locate`` says.
        resize: see ``Resize``.

    Raises:
        InputError: if ``resize`` is not known.
        CheckpointError: if the weights cannot be found, fetched or understood.
    """
    network = InceptionV3(resize)
    state = load_state(WEIGHTS, path)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        found = WEIGHTS.file if path is None else str(path)
        raise CheckpointError(
            f"{found} does not fit the Inception network of 2015 ({' '.join(str(error).split())[:300]}); "
            f"give the file {WEIGHTS.file}"
        ) from error
    return network
