"""The shape vocabulary, and the border between numpy pixels and network tensors.

This is the one place that knows the network's value range: pixels are uint8 RGB in [0, 255] on the
outside, float32 in [-1, 1] on the inside. A ``hole`` is 1 where the image is missing.
"""

import numpy as np
import numpy.typing as npt
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

Image = Float[Tensor, "b 3 h w"]
"""RGB in [-1, 1]."""
View = Float[Tensor, "b 3 view_h view_w"]
"""What a network sees of an image, RGB in [-1, 1], usually at feature resolution."""
Hole = Float[Tensor, "b 1 h w"]
"""1 where the image is missing, 0 where it is known; nothing in between."""


def image_to_tensor(pixels: npt.NDArray[np.uint8]) -> Image:
    """Turn uint8 RGB ``[h w 3]`` or ``[b h w 3]`` into a tensor in [-1, 1]."""
    batch = pixels if pixels.ndim == 4 else pixels[None]
    tensor = torch.from_numpy(np.ascontiguousarray(batch)).to(torch.float32)
    return rearrange(tensor, "b h w c -> b c h w").contiguous() / 127.5 - 1


def tensor_to_image(image: Image) -> npt.NDArray[np.uint8]:
    """Turn a tensor in [-1, 1] into uint8 RGB ``[b h w 3]``, rounded to the nearest level."""
    levels = ((image.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return rearrange(levels, "b c h w -> b h w c").cpu().numpy()


def hole_to_tensor(hole: npt.NDArray[np.bool_]) -> Hole:
    """Turn a boolean hole ``[h w]`` or ``[b h w]`` (True = missing) into a tensor of 0 and 1."""
    batch = hole if hole.ndim == 3 else hole[None]
    return torch.from_numpy(np.ascontiguousarray(batch)).to(torch.float32)[:, None]
