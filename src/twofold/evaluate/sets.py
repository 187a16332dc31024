"""Metrics of all answers of a model together: distances between sets of features."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from twofold.errors import InputError
from twofold.evaluate.metrics import METRICS, of_kind
from twofold.evaluate.networks import NEEDED, FeatureNetworks, Network
from twofold.evaluate.results import ALL, Figure
from twofold.features.embedding import vgg_embedding
from twofold.metrics.discernibility import discernibility
from twofold.metrics.frechet import frechet_distance, kernel_distance
from twofold.metrics.inception_scores import inception_score, modified_inception_score
from twofold.tensors import image_to_tensor

Picture = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float32]

FEWEST = 2048
"""Pictures under which a Frechet distance of 2,048 features says more about their number than about them."""

SPLITS = 10
"""Parts whose Inception scores are averaged."""

_UNBIASED = ("kid", "vgg-kd")
"""Metrics whose expectation does not depend on the number of pictures."""


def networks_of(names: Sequence[str]) -> tuple[Network, ...]:
    """The feature networks that these metrics of sets need."""
    return tuple(network for network, metrics in NEEDED.items() if {*metrics} & {*of_kind(names, "set")})


@torch.inference_mode()
def embed(networks: FeatureNetworks, network: Network, pictures: Sequence[Picture]) -> tuple[Matrix, ...]:
    """Features of pictures [n d] by one network; of Inception also class probabilities [n 1008]."""
    if network == "inception":
        pool, logits = networks.inception(torch.cat([image_to_tensor(one) for one in pictures]))
        return pool.numpy(), logits.softmax(dim=1).numpy()
    return (torch.cat([vgg_embedding(networks.vgg_features(one)) for one in pictures]).numpy(),)


def set_figures(
    model: str,
    names: Sequence[str],
    answers: Mapping[Network, tuple[Matrix, ...]],
    photographs: Mapping[Network, tuple[Matrix, ...]],
) -> list[Figure]:
    """Figures of a model's answers, all together.

    Args:
        model: its name.
        names: metrics of sets.
        answers: network -> features of the answers, all items one after the other.
        photographs: network -> features of the photographs, one a item, in that order.

    Returns:
        A figure for each name. Several answers to a item each count; the realism of pairs (U-IDS, P-IDS)
        takes the first answer of each.
    """
    found: dict[str, float] = {}
    if "vgg16" in answers:
        fills, truth = answers["vgg16"][0], photographs["vgg16"][0]
        found |= _distances(fills, truth, names, "vgg-fd", "vgg-kd")
    if "inception" in answers:
        (fills, classes), (truth, _) = answers["inception"], photographs["inception"]
        found |= _distances(fills, truth, names, "fid", "kid")
        if "is" in names:
            found["is"] = inception_score(classes, SPLITS)
        if "mis" in names:
            found["mis"] = modified_inception_score(classes, SPLITS)
        if {"u-ids", "p-ids"} & {*names}:
            firsts = fills[:: len(fills) // len(truth)]
            seen = discernibility(firsts, truth)
            found |= {"u-ids": 100 * seen.u_ids, "p-ids": 100 * seen.p_ids}
    count = len(next(iter(photographs.values()))[0]) if photographs else 0
    return [Figure(model, name, ALL, count, found[name]) for name in names]


def check_enough(names: Sequence[str], pictures: int) -> None:
    """Refuse metrics that so few answers do not have, before anything is measured.

    Raises:
        InputError: if a metric needs more.
    """
    for name in names:
        fewest = SPLITS if name in ("is", "mis") else 2
        if pictures < fewest:
            raise InputError(
                f"{name} needs at least {fewest} photographs but there are {pictures}; give more, or leave "
                "it out"
            )


def few_pictures(names: Sequence[str], pictures: int) -> list[str]:
    """A warning where figures of sets mean little."""
    biased = [METRICS[name].label for name in names if name not in _UNBIASED]
    if pictures >= FEWEST or not biased:
        return []
    return [
        f"{', '.join(biased)}: {pictures} pictures are fewer than {FEWEST:,}; such a figure depends on their "
        "number and on chance as much as on the model. Compare it only between models of this report."
    ]


def _distances(
    fills: Matrix, truth: Matrix, names: Sequence[str], frechet: str, kernel: str
) -> dict[str, float]:
    """The Frechet distance and the kernel distance, where they are asked for."""
    found = {}
    if frechet in names:
        found[frechet] = frechet_distance(fills, truth)
    if kernel in names:
        found[kernel] = 1000 * kernel_distance(fills, truth)[0]
    return found
