"""Vector quantization: the nearest of a codebook's vectors, and how codebooks learn."""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class Quantized:
    """Features and their nearest codes.

    Attributes:
        features: [b d h w], what the encoder said.
        codes: [b h w], 0 up to the codebook's size.
        vectors: [b d h w], the codes' vectors; no gradient flows through them.
    """

    features: Float[Tensor, "b d h w"]
    codes: Int[Tensor, "b h w"]
    vectors: Float[Tensor, "b d h w"]

    @property
    def straight_through(self) -> Float[Tensor, "b d h w"]:
        """The vectors, with the gradient handed on to the features as if nothing had been rounded."""
        return self.features + (self.vectors - self.features).detach()


class Codebook(nn.Module):
    """A list of code vectors; looks up the nearest [DSI: vector quantization].

    ``Q(f) = w_k, k = argmin_j |f - w_j|^2``.

    The vectors are a buffer: they learn by averages (``CodebookAverage``), not by gradients.
    """

    vectors: Tensor

    def __init__(self, codes: int, size: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.randn(codes, size))

    def distances(self, features: Float[Tensor, "b d h w"]) -> Float[Tensor, "b h w k"]:
        """Squared distance of each position's feature to every code; in float32, whatever surrounds it."""
        with torch.autocast(features.device.type, enabled=False):
            flat = rearrange(features.float(), "b d h w -> b h w d")
            vectors = self.vectors.float()
            squares = (flat**2).sum(dim=-1, keepdim=True)
            return squares - 2 * flat @ vectors.T + (vectors**2).sum(dim=1)

    def forward(self, features: Float[Tensor, "b d h w"]) -> Quantized:
        """Quantize [b d h w]; of equally near codes the first."""
        features = features.float()
        with torch.no_grad():
            codes = self.distances(features).argmin(dim=-1)
        return Quantized(features, codes, self.look_up(codes))

    def look_up(self, codes: Int[Tensor, "b h w"]) -> Float[Tensor, "b d h w"]:
        """The vectors of codes."""
        return rearrange(F.embedding(codes, self.vectors), "b h w d -> b d h w")


@dataclass(frozen=True, eq=False)
class CodeUse:
    """How often a batch used each code, and the sum of the features that did.

    Attributes:
        counts: [k].
        sums: [k d].
    """

    counts: Float[Tensor, " k"]
    sums: Float[Tensor, "k d"]

    @property
    def perplexity(self) -> Float[Tensor, ""]:
        """Exponential of the entropy of code use: the number of codes in use, were all used equally."""
        share = self.counts / self.counts.sum().clamp(min=1)
        return torch.exp(-torch.special.xlogy(share, share).sum())


def code_use(quantized: Quantized, codes: int) -> CodeUse:
    """Count the codes of a batch and add up their features."""
    flat = rearrange(quantized.features.detach(), "b d h w -> (b h w) d")
    index = quantized.codes.reshape(-1)
    counts = torch.bincount(index, minlength=codes).to(flat.dtype)
    sums = torch.zeros(codes, flat.shape[1], dtype=flat.dtype, device=flat.device)
    return CodeUse(counts, sums.index_add_(0, index, flat))


class CodebookAverage(nn.Module):
    """Running averages of code use, from which the codebook's vectors follow [DSI: codebook average].

    ``N_k <- d N_k + (1 - d) n_k, m_k <- d m_k + (1 - d) sum f, w_k = m_k / N_k`` with decay d.

    Starts from nothing and divides by the weight of what it has seen so far (TensorFlow's zero-debias),
    so after the first step a vector is the mean of the features that used it, and, quirk of the official
    code, a code that nothing has used yet becomes the zero vector. ``restart`` mends that.

    Args:
        codes: number of vectors.
        size: length of each.
        decay: weight of the past in each step.
    """

    counts: Tensor
    sums: Tensor
    weight: Tensor

    def __init__(self, codes: int, size: int, *, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("sums", torch.zeros(codes, size))
        self.register_buffer("weight", torch.zeros(()))

    @torch.no_grad()
    def begin_with(self, vectors: Float[Tensor, "k d"], count: float) -> None:
        """Take over a codebook that has learnt already, each code as if used ``count`` times a step."""
        self.counts.fill_(count)
        self.sums.copy_(vectors * count)
        self.weight.fill_(1.0)

    @torch.no_grad()
    def update(self, use: CodeUse) -> Float[Tensor, "k d"]:
        """Take in a batch (summed over all processes) and return the new vectors."""
        self.counts.lerp_(use.counts, 1 - self.decay)
        self.sums.lerp_(use.sums, 1 - self.decay)
        self.weight.lerp_(torch.ones_like(self.weight), 1 - self.decay)
        return self.vectors()

    def vectors(self) -> Float[Tensor, "k d"]:
        """Means of the features of each code; counts are smoothed, so that none divides by zero."""
        counts, sums = self.counts / self.weight, self.sums / self.weight
        total = counts.sum()
        smoothed = (counts + 1e-5) / (total + len(counts) * 1e-5) * total
        return sums / smoothed[:, None]

    @torch.no_grad()
    def restart(
        self, features: Float[Tensor, "n d"], least: float, generator: torch.Generator
    ) -> tuple[Float[Tensor, "k d"], int]:
        """Give codes used less than ``least`` times a step a new life as features of this batch.

        Own addition: the official code leaves codes that nothing uses dead for ever.

        Args:
            features: of the batch (of all processes, in one order), at least one.
            least: uses per step under which a code counts as dead.
            generator: on the CPU; the same on every process.

        Returns:
            The new vectors, and how many codes were restarted.
        """
        dead = (self.counts / self.weight < least).nonzero()[:, 0]
        picked = torch.randint(len(features), (len(dead),), generator=generator).to(features.device)
        chosen = features[picked].to(self.sums.dtype)
        # As if used that often in the past: a restarted code that attracts nothing dies again.
        self.counts[dead] = least * self.weight
        self.sums[dead] = chosen * least * self.weight
        return self.vectors(), len(dead)
