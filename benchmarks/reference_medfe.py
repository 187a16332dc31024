"""The official MEDFE networks word by word: slow, reference, and apart from ``twofold.medfe``.

Plain functions over tensors under the official names: every mask convolution is computed with its
full weights, both branches pass one after the other, resizes come before 1x1 convolutions, and the
bilateral propagation materialises its product of positions, channels and positions. It is the slow
reference of the tests and the baseline of ``benchmarks/speed.py medfe``; nothing else may import it.
Widths are those of the weights; one picture at a time, square, as in the official code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

State = Mapping[str, Tensor]
"""The tensors of one official network by their official names."""
Features = Float[Tensor, "1 c h w"]

RESIDUAL_BLOCKS = 4
FILL_KERNELS = (3, 5, 7)
FILL_DEPTH = 5
SIGMA = 1.5  # of the spatial propagation, in feature pixels
WINDOW = 3  # of the range propagation, in feature pixels


@dataclass(frozen=True, eq=False)
class ReferenceOutput:
    """What the official generator computes on the way, and its answer.

    Attributes:
        image: [1 3 h w] in [-1, 1], the whole picture.
        encoded: the six features that the encoder returns, shallow to deep.
        structure_filled: [1 c h/8 w/8].
        texture_filled: [1 c h/8 w/8].
        fused: both, merged, [1 2c h/8 w/8].
        equalized: after the bilateral propagation, [1 2c h/8 w/8].
        structure_rgb: [1 3 h/8 w/8] in (-1, 1).
        texture_rgb: [1 3 h/8 w/8] in (-1, 1).
    """

    image: Tensor
    encoded: list[Tensor]
    structure_filled: Tensor
    texture_filled: Tensor
    fused: Tensor
    equalized: Tensor
    structure_rgb: Tensor
    texture_rgb: Tensor


def reference_generator(
    networks: Mapping[str, State], image: Float[Tensor, "1 3 h w"], mask: Float[Tensor, "1 1 h w"]
) -> ReferenceOutput:
    """Fill the hole as the official generator does.

    Args:
        networks: the state dicts of ``EN``, ``MEDFE`` and ``DE``.
        image: in [-1, 1].
        mask: 1 = hole; what is below 1 counts as known, for the official code truncates.
    """
    hole = mask.byte().bool()
    color = torch.tensor([2 * level / 255 - 1 for level in (123.0, 104.0, 117.0)]).view(1, 3, 1, 1)
    filled = torch.where(hole, color, image)
    known = 1 - hole.float()
    encoded = _encoder(networks["EN"], torch.cat([filled, known, known, known], dim=1))
    block = {name.removeprefix("pc_block."): value for name, value in networks["MEDFE"].items()}
    structure_filled, texture_filled = _branches(block, encoded, hole.float())
    fused = _conv_norm_leaky(block, "fuse.model.0", torch.cat([structure_filled, texture_filled], dim=1))
    equalized = _equalization(block, fused)
    return ReferenceOutput(
        image=_decoder(networks["DE"], _skips(block, equalized, encoded)),
        encoded=encoded,
        structure_filled=structure_filled,
        texture_filled=texture_filled,
        fused=fused,
        equalized=equalized,
        structure_rgb=_seen_as_rgb(networks["MEDFE"], structure_filled),
        texture_rgb=_seen_as_rgb(networks["MEDFE"], texture_filled),
    )


def reference_discriminator(state: State, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 _ _"]:
    """Score patches as the official discriminators do in evaluation mode.

    The spectral norm is u W v with the stored u and v; no power iteration runs.
    """
    features = image
    for index in (0, 2, 4, 6, 8):
        weight, u, v = (state[f"model.{index}.weight_{part}"] for part in ("orig", "u", "v"))
        largest = u @ (weight.flatten(1) @ v)
        features = F.conv2d(features, weight / largest, state[f"model.{index}.bias"], stride=2, padding=1)
        if index < 8:
            features = F.leaky_relu(features, 0.2)
    return features


def reference_composite(
    answer: Float[Tensor, "1 3 h w"], image: Float[Tensor, "1 3 h w"], mask: Float[Tensor, "1 1 h w"]
) -> npt.NDArray[np.uint8]:
    """Paste the answer into the image and cut off to whole levels, as the official test script does.

    Returns:
        RGB [h w 3]. Known pixels pass through [-1, 1] and back and may lose one level on the way.
    """
    pasted = answer * mask + image * (1 - mask)
    levels = (pasted[0].permute(1, 2, 0).numpy() + 1) / 2.0 * 255.0
    return levels.astype(np.uint8)


def _encoder(state: State, picture: Tensor) -> list[Tensor]:
    """Six features; the first five have passed the LeakyReLU of the next stage, which works in place."""
    features = _conv(state, "Encoder_1.model.0", picture, stride=2, padding=1)
    returned = []
    for stage in range(2, 7):
        features = F.leaky_relu(features, 0.2)
        returned.append(features)
        features = _conv(state, f"Encoder_{stage}.model.1", features, stride=2, padding=1)
        if stage < 6:
            features = _norm(state, f"Encoder_{stage}.model.2", features)
    for block in range(RESIDUAL_BLOCKS):
        inner = F.pad(features, (2, 2, 2, 2), mode="reflect")
        inner = F.conv2d(inner, state[f"middle.{block}.conv_block.1.weight"], dilation=2)
        inner = F.relu(F.instance_norm(inner))
        inner = F.pad(inner, (1, 1, 1, 1), mode="reflect")
        inner = F.conv2d(inner, state[f"middle.{block}.conv_block.5.weight"])
        features = features + F.instance_norm(inner)
    return [*returned, features]


def _branches(block: State, encoded: list[Tensor], hole: Tensor) -> tuple[Tensor, Tensor]:
    """Gather structure and texture, and fill one after the other by the same layers."""
    features = [F.leaky_relu(feature, 0.2) for feature in encoded]
    size = features[2].shape[-2:]
    texture = [
        _down(block, "down_128", features[0], (0, 3)),
        _down(block, "down_64", features[1], (0,)),
        _conv_norm_leaky(block, "down_32.model.0", features[2]),
    ]
    structure = [_conv_norm_leaky(block, "up.conv", _resize(feature, size)) for feature in features[3:]]
    known = 1 - feature_hole(hole)
    gathered = [
        _conv_norm_leaky(block, "down.model.0", torch.cat(parts, 1)) for parts in (structure, texture)
    ]
    structure_filled, texture_filled = (_fill(block, branch, known) for branch in gathered)
    return structure_filled, texture_filled


def feature_hole(hole: Tensor) -> Tensor:
    """The hole at feature size: three averages of 4x4, then compared with a threshold never exceeded."""
    average = torch.full((1, 1, 4, 4), 1 / 16)
    for _ in range(3):
        hole = F.conv2d(hole, average, stride=2, padding=1)
    return (hole > 1).float()


def _fill(block: State, features: Tensor, known: Tensor) -> Tensor:
    streams = []
    for kernel in FILL_KERNELS:
        filled, mask = features, known.expand(-1, features.shape[1], -1, -1)
        for layer in range(FILL_DEPTH):
            name = f"cov_{kernel}.{layer}"
            filled, mask = partial_conv(block, f"{name}.conv", filled, mask)
            filled = F.leaky_relu(_norm(block, f"{name}.bn", filled), 0.2)
        streams.append(filled)
    return _conv_norm_leaky(block, "down.model.0", torch.cat(streams, dim=1))


def partial_conv(block: State, name: str, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Convolve known features, divide by the mask's own convolution, and say what is known now."""
    weight, mask_weight = block[f"{name}.input_conv.weight"], block[f"{name}.mask_conv.weight"]
    padding = weight.shape[-1] // 2
    summed = F.conv2d(features * mask, weight, padding=padding)
    mask_sum = F.conv2d(mask, mask_weight, padding=padding)
    empty = mask_sum == 0
    answer = (summed / mask_sum.masked_fill(empty, 1.0)).masked_fill(empty, 0.0)
    return answer, (~empty).float()


def _equalization(block: State, features: Tensor) -> Tensor:
    average = features.mean(dim=(2, 3), keepdim=True)
    hidden = F.relu(_conv(block, "base.model.0.fc.0", average))
    features = features * torch.sigmoid(_conv(block, "base.model.0.fc.2", hidden))
    both = torch.cat([spatial_propagation(features), range_propagation(features)], dim=1)
    return _conv_norm_leaky(block, "base.down.0", both)


def spatial_propagation(features: Tensor) -> Tensor:
    """Gaussian average of all positions, listed as positions x channels and read as channels x positions."""
    _, channels, height, width = features.shape
    gaussian = gaussian_weights(height, width).view(height * width, 1, height, width)
    product = features[0].expand(height * width, -1, -1, -1) * gaussian
    return product.sum(dim=(2, 3)).view(1, channels, height, width)


def gaussian_weights(height: int, width: int) -> Tensor:
    """Weights between all pairs of positions, computed in float64; rows sum to 1."""
    row, column = np.divmod(np.arange(height * width), width)
    squared = (row[:, None] - row) ** 2 + (column[:, None] - column) ** 2
    weight = np.exp(-squared / (2 * SIGMA**2)) / (2 * np.pi * SIGMA**2)
    return torch.from_numpy(weight / weight.sum(axis=1, keepdims=True)).float()


def range_propagation(features: Tensor) -> Tensor:
    """Average of a window by similarity, listed and read like the spatial one."""
    _, channels, height, width = features.shape
    similar = torch.sigmoid(features)
    windows, values = (
        F.unfold(map_, WINDOW, padding=WINDOW // 2).view(channels, WINDOW**2, height * width)
        for map_ in (similar, features)
    )
    score = (similar.view(channels, 1, -1) * windows).mean(dim=0)
    weight = torch.softmax(score, dim=0)
    listed = (weight * values).sum(dim=1).T.contiguous()  # positions x channels
    return listed.view(1, channels, height, width)


def _skips(block: State, equalized: Tensor, encoded: list[Tensor]) -> list[Tensor]:
    shallow = [
        _conv_norm_leaky(block, f"{name}.conv", _resize(equalized, skip.shape[-2:])) + skip
        for name, skip in zip(("up_128", "up_64", "up_32"), encoded[:3], strict=True)
    ]
    deep = [
        _down(block, name, equalized, layers, activate_last=False) + skip
        for (name, layers), skip in zip(
            (("down_16", (0,)), ("down_8", (0, 3)), ("down_4", (0, 3, 6))), encoded[3:], strict=True
        )
    ]
    return shallow + deep


def _decoder(state: State, skips: list[Tensor]) -> Tensor:
    features = skips[5]
    for stage in range(1, 7):
        if stage > 1:
            features = torch.cat([features, skips[6 - stage]], dim=1)
        name = f"Decoder_{stage}.model"
        features = F.conv_transpose2d(
            F.relu(features), state[f"{name}.1.weight"], state[f"{name}.1.bias"], stride=2, padding=1
        )
        features = torch.tanh(features) if stage == 6 else _norm(state, f"{name}.2", features)
    return features


def _seen_as_rgb(state: State, filled: Tensor) -> Tensor:
    return torch.tanh(_conv(state, "loss.0.down_model.0", filled))


def _down(
    block: State, name: str, features: Tensor, layers: tuple[int, ...], *, activate_last: bool = True
) -> Tensor:
    """Convolutions that halve the side, each normalised and activated."""
    for layer in layers:
        features = F.conv2d(features, block[f"{name}.model.{layer}.weight"], stride=2, padding=1)
        features = F.instance_norm(features)
        if activate_last or layer != layers[-1]:
            features = F.leaky_relu(features, 0.2)
    return features


def _conv_norm_leaky(block: State, name: str, features: Tensor) -> Tensor:
    """A 1x1 convolution without bias, normalised and activated."""
    return F.leaky_relu(F.instance_norm(F.conv2d(features, block[f"{name}.weight"])), 0.2)


def _conv(state: State, name: str, features: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    return F.conv2d(features, state[f"{name}.weight"], state[f"{name}.bias"], stride, padding)


def _norm(state: State, name: str, features: Tensor) -> Tensor:
    return F.instance_norm(features, weight=state[f"{name}.weight"], bias=state[f"{name}.bias"])


def _resize(features: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(features, size=size, mode="bilinear", align_corners=False)
