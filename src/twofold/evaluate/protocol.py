"""What is measured, and how: which crops of which photographs, with which holes, by which metrics."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from twofold.data.pairs import VALIDATION_BUCKETS
from twofold.errors import InputError
from twofold.evaluate.holes import choose_holes
from twofold.evaluate.items import Crop, Items
from twofold.evaluate.metrics import metric
from twofold.evaluate.results import bucket_name
from twofold.features.inception import Resize
from twofold.masks.buckets import MASK_KINDS

OWN_METRICS = ("psnr", "ssim-gaussian11", "l1", "l1-hole", "lpips", "rim", "seam")
"""What the protocol of the bundled weights measures unless other metrics are asked for."""


@dataclass(frozen=True)
class Protocol:
    """Everything that a figure depends on but photographs and models; the defaults are the bundled weights'.

    Photographs are taken in the order of their paths. Kinds of holes take turns from photograph to
    photograph, and so do the ranges of hole ratios: 300 photographs with one kind and four ranges give 75
    of each. Holes are drawn by seed and position. Models see the crop with black in the hole; what they
    answer is composited, so every metric sees true pixels outside the hole.

    Attributes:
        name: short; that of the paper whose rules these are.
        size: side of the crops, in pixels.
        crop: how a photograph becomes a crop; see ``twofold.evaluate.items.Crop``.
        masks: kinds of holes (``twofold.masks.buckets.MASK_KINDS``), or one folder of mask files.
        ratios: ranges [low, high) of hole ratios, as fractions; none: holes as the generator draws them.
            ``centre`` and ``regular`` boxes always have their own ratio.
        seed: of the holes and of the answers; 0 or above.
        limit: only the first so many photographs; None takes all.
        samples: answers to each hole asked of a model that has several to give; others give one.
        metrics: names out of ``twofold.evaluate.metrics.METRICS``.
        resize: how pictures are brought to the size of the Inception network.
        did: what the paper says or its code does, where these rules come from.
        unknown: what could not be found out, or differs here.
    """

    name: str = "own"
    size: int = 256
    crop: Crop = "centre"
    masks: tuple[str, ...] = ("free-form",)
    ratios: tuple[tuple[float, float], ...] = VALIDATION_BUCKETS
    seed: int = 0
    limit: int | None = None
    samples: int = 1
    metrics: tuple[str, ...] = OWN_METRICS
    resize: Resize = "bilinear"
    did: str = ""
    unknown: str = ""

    def __post_init__(self) -> None:
        """Refuse values that cannot work, before anything is read."""
        if self.size < 32 or self.seed < 0 or (self.limit is not None and self.limit < 1):
            raise InputError(
                f"size is {self.size}, seed {self.seed} and limit {self.limit}; "
                f"give a size of 32 or more, a seed of 0 or more, a limit of 1 or more or none"
            )
        if self.samples < 1:
            raise InputError(f"samples is {self.samples}; give 1 or more answers to each hole")
        if self.crop not in get_args(Crop):
            raise InputError(f"crop is {self.crop!r}; choose from {', '.join(get_args(Crop))}")
        if any(isinstance(names, str) for names in (self.masks, self.metrics)):
            raise InputError(f"masks is {self.masks!r} and metrics {self.metrics!r}; give tuples of names")
        folder = self.mask_folder
        unknown = [kind for kind in self.masks if kind not in MASK_KINDS and folder is None]
        if unknown or not self.masks:
            seen = f"masks is {unknown[0]!r}, which is no folder" if unknown else "masks is empty"
            raise InputError(f"{seen}; give a folder of mask files, or kinds out of {', '.join(MASK_KINDS)}")
        for low, high in self.ratios:
            if not 0 <= low < high <= 1:
                raise InputError(f"ratios hold ({low:g}, {high:g}); give ranges with 0 <= low < high <= 1")
        if not self.metrics:
            raise InputError("no metric is given; name at least one, for example psnr")
        for name in self.metrics:
            metric(name)

    @property
    def mask_folder(self) -> Path | None:
        """The folder of mask files, if the holes come from one."""
        if len(self.masks) == 1 and self.masks[0] not in MASK_KINDS and Path(self.masks[0]).is_dir():
            return Path(self.masks[0])
        return None

    @property
    def tag(self) -> str:
        """Short name for reports; equal tags and equal hashes of the items mean comparable figures."""
        holes = "+".join(self.masks) if self.mask_folder is None else f"folder:{self.mask_folder.name}"
        if self.ratios and not set(self.masks) <= {"centre", "regular"}:
            lows, highs = zip(*self.ratios, strict=True)
            holes += f"-{round(min(lows) * 100)}-{round(max(highs) * 100)}"
        several = f"/samples-{self.samples}" if self.samples > 1 else ""
        return f"{self.name}/{self.crop}-{self.size}/{holes}/seed-{self.seed}{several}/v1"

    @property
    def description(self) -> tuple[str, ...]:
        """The rules in sentences, for the reader of a report."""
        crops = {
            "centre": f"scaled down to a shorter side of at most {self.size * 9 // 8} pixels, the middle "
            f"{self.size} pixels square (smaller photographs are enlarged)",
            "square": f"shorter side scaled to {self.size} pixels, middle square",
            "stretch": f"scaled to {self.size}x{self.size} pixels, whatever its shape",
        }
        ranges = ", ".join(bucket_name(*one) for one in self.ratios) if self.ratios else "as drawn"
        holes = (
            f"generated, {', '.join(self.masks)} in turn"
            if self.mask_folder is None
            else f"mask files of {self.mask_folder.name}"
        )
        lines = [
            f"Crops: {crops[self.crop]} (Lanczos).",
            f"Holes: {holes}; ratios: {ranges}; seed {self.seed}.",
            "Answers: composited, so that known pixels are true.",
        ]
        if self.did:
            lines.append(f"The paper: {self.did}")
        if self.unknown:
            lines.append(f"Not known, or other here: {self.unknown}")
        return tuple(lines)

    def items(self, folder: Path) -> Items:
        """List the items of a folder of photographs.

        Raises:
            TrainingError: if the folder does not exist or holds no photograph that can be read.
            InputError: if mask files fit some photographs by name, but not all, or no ratio.
            MaskError: if a folder of masks holds none that can be read.
        """
        holes = choose_holes(self.masks, self.mask_folder, self.ratios, self.seed)
        return Items(folder, holes, size=self.size, crop=self.crop, limit=self.limit)
