"""The feature networks of an evaluation: loaded when first needed, and each picture seen once."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from twofold.evaluate.metrics import BEST
from twofold.features.inception import InceptionV3, Resize, pretrained_inception
from twofold.features.lpips import LPIPS, Net, pretrained_lpips
from twofold.tensors import image_to_tensor

Picture = npt.NDArray[np.uint8]
Features = Mapping[str, Tensor]
"""Layer -> features of one picture [1 c h w]."""
Network = Literal["alexnet", "vgg16", "inception"]

NEEDED: dict[Network, tuple[str, ...]] = {
    "alexnet": ("lpips", "diversity", "diversity-hole"),
    "vgg16": ("lpips-vgg", "vgg-fd", "vgg-kd"),
    "inception": ("fid", "kid", "is", "mis", "u-ids", "p-ids"),
}
"""Network -> the metrics that need it."""
_BUDGET = 300_000_000
"""Bytes of features that are remembered: of VGG-16, some nine pictures of 256x256."""


class FeatureNetworks:
    """Gives the features of pictures; those of the last few are remembered.

    The truth of a item is compared with many answers, and an answer's VGG-16 features serve two metrics.

    Args:
        resize: how pictures are brought to the size of the Inception network.
    """

    def __init__(self, resize: Resize = "bilinear") -> None:
        self.resize = resize
        self._remembered: OrderedDict[tuple[Net, bytes], Features] = OrderedDict()

    @cached_property
    def alex(self) -> LPIPS:
        """LPIPS on AlexNet."""
        return pretrained_lpips("alex")

    @cached_property
    def vgg(self) -> LPIPS:
        """LPIPS on VGG-16."""
        return pretrained_lpips("vgg")

    @cached_property
    def inception(self) -> InceptionV3:
        """The Inception network of 2015."""
        return pretrained_inception(resize=self.resize)

    def prepare(self, metrics: Sequence[str]) -> None:
        """Load what these metrics need, so that what is missing shows before anything is measured.

        Raises:
            CheckpointError: if a network's weights cannot be found or fetched.
        """
        plain = {name.removeprefix(BEST) for name in metrics}
        loaders: dict[Network, Callable[[], object]] = {
            "alexnet": lambda: self.alex,
            "vgg16": lambda: self.vgg,
            "inception": lambda: self.inception,
        }
        for network, load in loaders.items():
            if plain & {*NEEDED[network]}:
                load()

    def alex_features(self, picture: Picture) -> Features:
        """What LPIPS compares of a picture [h w 3], by AlexNet."""
        return self._features("alex", self.alex, picture)

    def vgg_features(self, picture: Picture) -> Features:
        """What LPIPS compares of a picture [h w 3], by VGG-16; ``vgg_embedding`` needs no more."""
        return self._features("vgg", self.vgg, picture)

    @torch.inference_mode()
    def _features(self, net: Net, lpips: LPIPS, picture: Picture) -> Features:
        key = net, picture.tobytes()
        known = self._remembered.pop(key, None)
        if known is None:
            found = lpips.trunk(image_to_tensor(picture))
            known = {layer: found[layer] for layer in lpips.heads.layers}
        self._remembered[key] = known  # the last one in is forgotten last
        while len(self._remembered) > 2 and sum(map(_size, self._remembered.values())) > _BUDGET:
            self._remembered.popitem(last=False)
        return known


def _size(features: Features) -> int:
    """Bytes of one picture's features."""
    return sum(one.nbytes for one in features.values())
