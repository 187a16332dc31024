"""How good the answers to one item are: on average, at best, and how much they differ."""

from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np
import numpy.typing as npt
import torch

from twofold.evaluate.items import Item
from twofold.evaluate.metrics import BEST, metric
from twofold.evaluate.networks import FeatureNetworks, Features
from twofold.features.lpips import LPIPSHeads
from twofold.metrics.boundary import rim_error, seam
from twofold.metrics.fidelity import mean_absolute_error, psnr, psnr_grey, relative_error
from twofold.metrics.similarity import CONVENTIONS, ssim

Picture = npt.NDArray[np.uint8]

_PLAIN: dict[str, Callable[[Picture, Item], float]] = {
    "psnr": lambda answer, item: psnr(answer, item.image),
    "psnr-grey": lambda answer, item: psnr_grey(answer, item.image),
    "ssim-uniform7": lambda answer, item: ssim(answer, item.image, CONVENTIONS["uniform7"]),
    "ssim-uniform51": lambda answer, item: ssim(answer, item.image, CONVENTIONS["uniform51"]),
    "ssim-gaussian11": lambda answer, item: ssim(answer, item.image, CONVENTIONS["gaussian11"]),
    "ssim-gaussian11-zero": lambda answer, item: ssim(answer, item.image, CONVENTIONS["gaussian11-zero"]),
    "l1": lambda answer, item: 100 * mean_absolute_error(answer, item.image),
    "l1-hole": lambda answer, item: 100 * mean_absolute_error(answer, item.image, item.hole),
    "l1-relative": lambda answer, item: 100 * relative_error(answer, item.image),
    "rim": lambda answer, item: 100 * rim_error(answer, item.image, item.hole),
    "seam": lambda answer, item: 100 * seam(answer, item.image, item.hole),
}
"""Metrics of one answer beside its photograph that need no network."""


class Scorer:
    """Computes the metrics of pictures and answers by name.

    Args:
        networks: behind those that need one; None: its own.
    """

    def __init__(self, networks: FeatureNetworks | None = None) -> None:
        self._networks = FeatureNetworks() if networks is None else networks

    @torch.inference_mode()
    def __call__(self, answers: Sequence[Picture], item: Item, names: Sequence[str]) -> dict[str, float]:
        """Compare composited answers to one item with the truth and with each other.

        Args:
            answers: at least one, uint8 [h w 3].
            item: what they answer.
            names: metrics of pictures, ``best`` of them, and metrics of several answers.

        Returns:
            A value for each name. Metrics of a picture are means over the answers, so what one answer is
            worth; ``best NAME`` is that of the best answer by that metric, chosen with the truth known, so
            what no user can choose.
        """
        values = {
            name: self._values(name, answers, item)
            for name in dict.fromkeys(name.removeprefix(BEST) for name in names)
        }
        return {name: _value(name, values[name.removeprefix(BEST)]) for name in names}

    def _values(self, name: str, answers: Sequence[Picture], item: Item) -> list[float]:
        """A metric of each answer, or the one value of a metric of all."""
        networks = self._networks
        if name in _PLAIN:
            return [_PLAIN[name](one, item) for one in answers]
        if name == "lpips-vgg":
            truth = networks.vgg_features(item.image)
            return [float(networks.vgg.heads(networks.vgg_features(one), truth)) for one in answers]
        features = [networks.alex_features(one) for one in answers]
        if name == "diversity":
            return [crop_diversity(features, networks.alex.heads)]
        if name == "diversity-hole":
            return [hole_diversity(features, item.hole, networks.alex.heads)]
        truth = networks.alex_features(item.image)
        return [float(networks.alex.heads(one, truth)) for one in features]


def crop_diversity(features: Sequence[Features], heads: LPIPSHeads) -> float:
    """Mean LPIPS between two answers over the whole crop, over all pairs of answers.

    Known pixels, which all answers share, dilute it. 0 for one answer.
    """
    pairs = [
        float(heads(one, other)) for number, one in enumerate(features) for other in features[number + 1 :]
    ]
    return fmean(pairs) if pairs else 0.0


def hole_diversity(features: Sequence[Features], hole: npt.NDArray[np.bool_], heads: LPIPSHeads) -> float:
    """Mean LPIPS between two answers over the missing pixels, over all pairs of answers.

    From the spatial map of LPIPS, so the known pixels around do not dilute it; they reach into it as far
    as the network sees.

    Args:
        features: of the composited answers, each computed once.
        hole: [h w], True = missing.
        heads: of the network that computed them.

    Returns:
        0 or above, higher is more diverse; 0 for one answer, and for a hole without pixels.
    """
    if len(features) < 2 or not hole.any():
        return 0.0
    missing = torch.from_numpy(hole)
    size = (hole.shape[0], hole.shape[1])
    joined = {layer: torch.cat([one[layer] for one in features]) for layer in heads.layers}
    pairs = []
    for number, one in enumerate(features[:-1], start=1):
        later = {layer: values[number:] for layer, values in joined.items()}
        pairs.append(heads.spatial(one, later, size)[:, missing].double().mean(dim=1))
    return float(torch.cat(pairs).mean())


def _value(name: str, values: Sequence[float]) -> float:
    """The mean over the answers, or the best of them."""
    if not name.startswith(BEST):
        return fmean(values)
    return max(values) if metric(name).better == "higher" else min(values)
