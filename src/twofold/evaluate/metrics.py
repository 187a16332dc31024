"""THE table of metrics: what each is called, how it reads, and what exactly it measures.

Papers of this field use one name for different things: the same pictures have an SSIM of 0.746 or 0.863
by whose SSIM is meant. So each convention has a name of its own here, and every report says which.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from twofold.errors import InputError

Better = Literal["higher", "lower", "neither"]
Kind = Literal["picture", "answers", "set"]
"""Of one answer beside its photograph; of several answers to one hole; of all answers together."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        label: how tables head it.
        better: which values are better.
        kind: what it is a property of.
        digits: after the point.
        meaning: the convention, in one sentence.
        unit: "dB", "%" or nothing.
    """

    label: str
    better: Better
    kind: Kind
    digits: int
    meaning: str
    unit: str = ""

    def show(self, value: float) -> str:
        """The value as tables show it, without its unit."""
        return f"{value:.{self.digits}f}"


METRICS: dict[str, Metric] = {
    "psnr": Metric(
        "PSNR",
        "higher",
        "picture",
        2,
        "10 log10(255²/mean squared error) over all RGB values of the crop",
        "dB",
    ),
    "psnr-grey": Metric(
        "PSNR grey", "higher", "picture", 2, "PSNR of grey pictures (Rec. 709 weights), over the crop", "dB"
    ),
    "ssim-uniform7": Metric(
        "SSIM u7", "higher", "picture", 3, "7x7 uniform window, RGB, sample covariance, without the border"
    ),
    "ssim-uniform51": Metric(
        "SSIM u51",
        "higher",
        "picture",
        3,
        "51x51 uniform window, grey, sample covariance, without the border",
    ),
    "ssim-gaussian11": Metric(
        "SSIM g11", "higher", "picture", 3, "11x11 Gaussian window of 1.5 pixels, RGB, without the border"
    ),
    "ssim-gaussian11-zero": Metric(
        "SSIM g11z", "higher", "picture", 3, "11x11 Gaussian window of 1.5 pixels, RGB, borders padded with 0"
    ),
    "l1": Metric("L1", "lower", "picture", 2, "mean absolute error over the crop, of the value range", "%"),
    "l1-hole": Metric(
        "L1 hole",
        "lower",
        "picture",
        2,
        "mean absolute error over the missing pixels, of the value range",
        "%",
    ),
    "l1-relative": Metric(
        "L1 rel.", "lower", "picture", 2, "sum of |error| over sum of both grey pictures, over the crop", "%"
    ),
    "lpips": Metric("LPIPS", "lower", "picture", 3, "LPIPS v0.1 on AlexNet over the crop"),
    "lpips-vgg": Metric("LPIPS vgg", "lower", "picture", 3, "LPIPS v0.1 on VGG-16 over the crop"),
    "rim": Metric(
        "rim",
        "lower",
        "picture",
        2,
        "mean absolute error of missing pixels within 2 pixels of known ones",
        "%",
    ),
    "seam": Metric(
        "seam",
        "neither",
        "picture",
        2,
        "mean jump from known to missing neighbours, less that of the photograph; near 0 is best",
        "%",
    ),
    "diversity": Metric(
        "diversity",
        "higher",
        "answers",
        3,
        "mean LPIPS (AlexNet) between two answers to one hole, over the crop",
    ),
    "diversity-hole": Metric(
        "diversity in the hole",
        "higher",
        "answers",
        3,
        "mean LPIPS (AlexNet, its map) between two answers to one hole, over the missing pixels",
    ),
    "fid": Metric(
        "FID",
        "lower",
        "set",
        2,
        "Frechet distance of Inception (2015) pool features, answers and photographs",
    ),
    "kid": Metric(
        "KID", "lower", "set", 2, "1000 times the cubic kernel distance of Inception (2015) pool features"
    ),
    "is": Metric("IS", "higher", "set", 2, "Inception score, mean of 10 splits, logits without bias"),
    "mis": Metric("MIS", "higher", "set", 3, "modified Inception score exp(-H(p(y|x))), mean of 10 splits"),
    "u-ids": Metric(
        "U-IDS",
        "higher",
        "set",
        2,
        "share that a linear SVM on Inception features takes for the other kind",
        "%",
    ),
    "p-ids": Metric(
        "P-IDS",
        "higher",
        "set",
        2,
        "share of answers that this SVM takes for realer than their photograph",
        "%",
    ),
    "vgg-fd": Metric(
        "VGG-FD", "lower", "set", 1, "Frechet distance of VGG-16 features, averaged over the crop; not an FID"
    ),
    "vgg-kd": Metric(
        "VGG-KD",
        "lower",
        "set",
        2,
        "1000 times the cubic kernel distance of the features of vgg-fd; not a KID",
    ),
}
"""The metrics by name. ``best NAME`` is the best of several answers, with the photograph known."""

_WITH_BEST = (("picture", "higher"), ("picture", "lower"))

BEST = "best "
"""Begins the name of a metric's best of several answers."""


def metric(name: str) -> Metric:
    """Give a metric by name, or the best of several answers by a metric.

    Raises:
        InputError: if there is no such metric.
    """
    plain = name.removeprefix(BEST)
    found = METRICS.get(plain)
    if found is None or (plain != name and (found.kind, found.better) not in _WITH_BEST):
        raise InputError(f"{name!r} is no metric; choose from {', '.join(METRICS)}")
    if plain == name:
        return found
    return Metric(
        f"best {found.label}",
        found.better,
        "answers",
        found.digits,
        f"{found.meaning}: of the answer with the best, which only who knows the photograph can choose",
        found.unit,
    )


def of_kind(names: Iterable[str], *kinds: Kind) -> tuple[str, ...]:
    """Those of the names whose metrics are of these kinds, in the order given."""
    return tuple(name for name in names if metric(name).kind in kinds)
