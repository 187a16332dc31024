"""What a caller may choose about the sampling of structures."""

from dataclasses import dataclass
from typing import ClassVar

from twofold.errors import InputError


@dataclass(frozen=True)
class SamplingOptions:
    """How structure codes are drawn; the defaults are those of the paper and of the official code.

    The log-likelihood of a sample is always the network's own, whatever these are set to.
    """

    temperature: float = 1.0
    """Above 1 more varied, below 1 more likely structures; 0 takes the likeliest code everywhere."""
    top_k: int = 0
    """Draw among so many likeliest codes only; 0: among all."""
    top_p: float = 1.0
    """Draw among the likeliest codes that together have this probability; 1: among all."""
    keep_margin: int | None = None
    """Keep the picture's own codes where no pixel of the code's 8x8 pixels, nor of so many codes around it,
    is missing; from 6 on, the encoder sees nothing of the hole there. None samples every code, known or
    not, as the paper does."""
    passes: int = 10
    """Draw all codes in so many passes; only networks that decode in parallel look at it."""
    confidence_noise: float = 1.0
    """How much chance decides which codes such a pass keeps, fading to nothing over the passes; 0: it keeps
    the likeliest."""
    RETIRED: ClassVar[dict[str, str]] = {"precision": "float32"}
    """Options that earlier weights name, with the one value that they may have: what is always done now."""

    @property
    def diverse(self) -> bool:
        """Whether another seed gives another structure: not if always the likeliest code is taken."""
        return self.temperature > 0

    def __post_init__(self) -> None:
        """Refuse values that cannot work.

        Raises:
            InputError: if a value is out of range.
        """
        if not 0 <= self.temperature < float("inf"):
            raise InputError(f"temperature is {self.temperature}; give 0 or more")
        if self.top_k < 0:
            raise InputError(f"top_k is {self.top_k}; give 1 or more, or 0 for all codes")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p is {self.top_p}; give a probability above 0, up to 1")
        if self.keep_margin is not None and self.keep_margin < 0:
            raise InputError(f"keep_margin is {self.keep_margin}; give 0 or more, or none")
        if self.passes < 1:
            raise InputError(f"passes is {self.passes}; give 1 or more")
        if not 0 <= self.confidence_noise < float("inf"):
            raise InputError(f"confidence_noise is {self.confidence_noise}; give 0 or more")
