"""The recipe for DSI's second stage: which structure codes fill a hole."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer

from twofold.checkpoints.format import as_json
from twofold.data.codes import CodeCache
from twofold.devices import derive_seed
from twofold.dsi import objective
from twofold.dsi.config import PRESETS, SIZE_MULTIPLE, DsiConfig, Mode
from twofold.dsi.model import AnyStructureGenerator, Dsi
from twofold.dsi.parallel.decode import hidden_share, hide
from twofold.dsi.parallel.network import MaskedStructureGenerator
from twofold.train.dsi_parts import build_with
from twofold.train.optimizer_step import optimizer_step
from twofold.train.recipe import StepContext
from twofold.train.schedule import Schedule, learning_rate_factor

PAPER_WARMUP = 46_909
PAPER_RATE = 0.18 * 128**-0.5 * PAPER_WARMUP**-0.35
"""The official rate, 0.18 * 128^-0.5 * min(i^-0.35, i * 16000^-1.5), peaks at step 46,908 with 3.69e-4."""


@dataclass(frozen=True)
class StructureRecipeConfig:
    """Networks, loss and optimizer of a structure generator's training; the defaults are the paper's."""

    network: DsiConfig = field(default_factory=DsiConfig)
    """Sizes; the VQ-VAE is given and stays as it is, the structure generator is trained."""
    known_weight: float = 1.0
    """How much codes count that touch no missing pixel; those that do have 1. The paper counts all alike; a
    network that decodes in parallel learns none of them."""
    learning_rate: float = PAPER_RATE
    """Peak learning rate of Adam."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Betas of Adam: how long it remembers gradients and their squares."""
    schedule: Schedule = "power"
    """Course of the learning rate."""
    warmup: int = PAPER_WARMUP
    """Steps of linear rise."""
    clip: float = 0.0
    """Largest norm of the gradient; 0 leaves it alone."""


def _paper(mode: Mode = "paper") -> StructureRecipeConfig:
    """The paper's training at full size."""
    return StructureRecipeConfig(PRESETS["paper"](mode))


def _small(mode: Mode = "paper") -> StructureRecipeConfig:
    """The training of the bundled weights: few steps, most of the loss where the hole is."""
    return StructureRecipeConfig(
        PRESETS["small"](mode),
        known_weight=0.3,
        learning_rate=6e-4,
        schedule="cosine",
        warmup=200,
        clip=1.0,
    )


def _tiny(mode: Mode = "paper") -> StructureRecipeConfig:
    """Every part of the training at a size for tests."""
    return StructureRecipeConfig(PRESETS["tiny"](mode), warmup=2)


STRUCTURE_RECIPES = {"paper": _paper, "small": _small, "tiny": _tiny}


class StructureRecipe:
    """The structure generator and one step of it.

    Args:
        config: sizes, loss and optimizer.
        device: where to train.
        start: weights of ``Dsi``: the VQ-VAE's, which are needed, and the structure generator's, if any.
        seed: of the initial weights.
        cache: codes of crops that come again.

    Raises:
        CheckpointError: if ``start`` lacks the VQ-VAE or does not fit.
    """

    averaged = "dsi"

    def __init__(
        self,
        config: StructureRecipeConfig,
        device: torch.device,
        start: Mapping[str, Tensor],
        *,
        seed: int = 0,
        cache: CodeCache | None = None,
    ) -> None:
        self.config = config
        self.cache = cache
        self.network_config = dataclasses.replace(config.network, texture=None)
        self.dsi: Dsi = build_with(self.network_config, start, seed=seed, trained=("structure",))
        assert self.dsi.structure is not None  # the configuration has one
        self.generator: AnyStructureGenerator = self.dsi.structure
        self.dsi.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # stubs lack it
        self.networks: dict[str, nn.Module] = {"dsi": self.dsi}
        adam = Adam(self.generator.parameters(), lr=config.learning_rate, betas=config.betas)
        self.optimizers: dict[str, Optimizer] = {"structure": adam}

    def describe(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return {"recipe": "dsi-structure", **as_json(dataclasses.asdict(self.config))}

    def release(self, network: nn.Module) -> tuple[str, dict[str, Any]]:
        """Family and network configuration of the published weights."""
        return "dsi", as_json(dataclasses.asdict(self.network_config))

    def step(self, batch: Mapping[str, Tensor], context: StepContext) -> dict[str, Tensor]:
        """One update by the likelihood of the true codes [DSI: structure training step].

        ``L = mean_i -log p(s_i | s_<i, c)``.
        """
        config, hole = self.config, batch["hole"]
        codes = self._codes(batch)
        missing = F.max_pool2d(hole, SIZE_MULTIPLE)[:, 0] > 0
        vectors = self.dsi.vqvae.structure_codebook.look_up(codes)
        # Dropout must follow from the step, so that a resumed run goes on as if it had never stopped.
        devices = [hole.device] if hole.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), context.fabric.autocast():
            torch.manual_seed(derive_seed(context.seed, context.step, context.fabric.global_rank))
            logits, weight = self._logits(vectors, missing, batch)
        nats = objective.code_loss(logits, codes)
        # The official loss is the sum over positions and pictures; Adam does not see the factor.
        total = (weight * nats).sum() / weight.sum().clamp(min=1)
        factor = learning_rate_factor(context.step, context.steps, kind=config.schedule, warmup=config.warmup)
        optimizer_step(
            self.generator.parameters(),
            self.optimizers["structure"],
            total,
            context,
            name="structure",
            learning_rate=config.learning_rate * factor,
            clip=config.clip,
        )
        bits = nats.detach() * objective.BITS
        if isinstance(self.generator, MaskedStructureGenerator):
            return {"bits per hidden code": (bits * weight).sum() / weight.sum().clamp(min=1)}
        return {
            "bits per code": bits.mean(),
            "bits per missing code": (bits * missing).sum() / missing.sum().clamp(min=1),
        }

    def _logits(self, vectors: Tensor, missing: Tensor, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Logits of all codes, and how much each code counts.

        A network that decodes in parallel is shown a share of the missing codes, as much as one of its passes
        may meet, and learns the hidden ones.
        """
        image, hole = batch["image"], batch["hole"]
        generator = self.generator.train()
        if isinstance(generator, MaskedStructureGenerator):
            share = hidden_share(torch.rand(len(missing))).to(missing.device)
            hidden = hide(missing, share, torch.rand(missing.shape).to(missing.device))
            return generator(vectors, hidden, image * (1 - hole), hole), hidden.float()
        weight = torch.where(missing, 1.0, self.config.known_weight)
        return generator(vectors, image * (1 - hole), hole), weight

    def _codes(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The true structure codes: from the cache if the crop has been seen before, else encoded."""
        image = batch["image"]
        views = batch["view"].tolist() if self.cache is not None and "view" in batch else None
        if self.cache is not None and views is not None:
            found = self.cache.get(views)
            if found is not None:
                return torch.from_numpy(found).to(image.device)
        with torch.no_grad():
            codes: Tensor = self.dsi.vqvae.encode(image).structure.codes
        if self.cache is not None and views is not None:
            self.cache.put(views, codes.cpu().numpy())
        return codes
