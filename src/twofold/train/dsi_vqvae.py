"""The recipe for DSI's first stage: pictures to codes and back."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from twofold.checkpoints.format import as_json
from twofold.dsi import objective
from twofold.dsi.config import PRESETS, DsiConfig, Mode
from twofold.dsi.model import Dsi, build_dsi
from twofold.dsi.quantize import Codebook, CodebookAverage, CodeUse, Quantized, code_use
from twofold.train.optimizer_step import optimizer_step
from twofold.train.recipe import StepContext
from twofold.train.schedule import Schedule, learning_rate_factor


@dataclass(frozen=True)
class VqvaeRecipeConfig:
    """Networks, losses and optimizer of a VQ-VAE training; the defaults are the paper's."""

    network: DsiConfig = field(default_factory=DsiConfig)
    """Sizes; only the VQ-VAE is built and trained."""
    commitment: float = 0.25
    """Weight of the commitment loss of either codebook."""
    structure_alone: float = 0.0
    """Own addition: weight of the reconstruction from the structure codes alone, all texture vectors zero, so
    that what the structure looks like can be shown. Without it the decoder never meets empty texture."""
    keep_codes: bool = False
    """Train the decoder alone: encoders and codebooks stay, and with them what every code means."""
    decay: float = 0.99
    """Memory of the codebooks' averages, in steps: weight of the past in each."""
    restart: float = 0.0
    """Own addition: codes used less than so many times a step and process, on average, are restarted as
    features of the batch; 0 never restarts."""
    restart_every: int = 20
    """Steps between restarts."""
    learning_rate: float = 1e-4
    """Peak learning rate of Adam."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Betas of Adam: how long it remembers gradients and their squares."""
    schedule: Schedule = "constant"
    """Course of the learning rate."""
    warmup: int = 0
    """Steps of linear rise."""
    clip: float = 0.0
    """Largest norm of the gradient; 0 leaves it alone."""


def _paper(mode: Mode = "paper") -> VqvaeRecipeConfig:
    """The paper's training at full size."""
    return VqvaeRecipeConfig(PRESETS["paper"](mode))


def _small(mode: Mode = "paper") -> VqvaeRecipeConfig:
    """The training of the bundled weights: few steps, so a higher rate and restarts of dead codes."""
    return VqvaeRecipeConfig(
        PRESETS["small"](mode),
        structure_alone=0.0 if mode == "official" else 0.3,
        restart=0.5,
        learning_rate=4e-4,
        schedule="cosine",
        warmup=100,
        clip=1.0,
    )


def _tiny(mode: Mode = "paper") -> VqvaeRecipeConfig:
    """Every part of the training at a size for tests."""
    alone = 0.0 if mode == "official" else 0.3
    return VqvaeRecipeConfig(PRESETS["tiny"](mode), structure_alone=alone, restart=0.01, restart_every=2)


VQVAE_RECIPES = {"paper": _paper, "small": _small, "tiny": _tiny}


class VqvaeRecipe:
    """The VQ-VAE and one step of it.

    Args:
        config: sizes, losses and optimizer.
        device: where to train.
        seed: of the initial weights.
        start: weights of ``Dsi`` to begin with (only the VQ-VAE's are taken); None starts afresh.
    """

    averaged = "dsi"

    def __init__(
        self,
        config: VqvaeRecipeConfig,
        device: torch.device,
        *,
        seed: int = 0,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.config = config
        self.network_config = dataclasses.replace(config.network, structure=None, texture=None)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.dsi: Dsi = build_dsi(self.network_config)
        vqvae = self.network_config.vqvae
        self.averages = nn.ModuleDict(
            {
                level: CodebookAverage(vqvae.codes, vqvae.code_size, decay=config.decay)
                for level in ("structure", "texture")
            }
        )
        if start is not None:
            self.dsi.load_state_dict({k: v for k, v in start.items() if k.startswith("vqvae.")})
            for level, codebook in self._codebooks().items():
                self._average(level).begin_with(codebook.vectors, count=1.0)
        if config.keep_codes:
            vqvae_parts = (self.dsi.vqvae.structure_encoder, self.dsi.vqvae.texture_encoder)
            for part in vqvae_parts:
                part.requires_grad_(False)
        self.dsi.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # stubs lack it
        self.averages.to(device)
        self.networks: dict[str, nn.Module] = {"dsi": self.dsi, "averages": self.averages}
        trained = [parameter for parameter in self.dsi.parameters() if parameter.requires_grad]
        adam = Adam(trained, lr=config.learning_rate, betas=config.betas)
        self.optimizers: dict[str, Optimizer] = {"dsi": adam}

    def _codebooks(self) -> dict[str, Codebook]:
        vqvae = self.dsi.vqvae
        return {"structure": vqvae.structure_codebook, "texture": vqvae.texture_codebook}

    def _average(self, level: str) -> CodebookAverage:
        average = self.averages[level]
        assert isinstance(average, CodebookAverage)  # what a ModuleDict's typing leaves open
        return average

    def describe(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return {"recipe": "dsi-vqvae", **as_json(dataclasses.asdict(self.config))}

    def release(self, network: nn.Module) -> tuple[str, dict[str, Any]]:
        """Family and network configuration of the published weights."""
        return "dsi", as_json(dataclasses.asdict(self.network_config))

    def step(self, batch: Mapping[str, Tensor], context: StepContext) -> dict[str, Tensor]:
        """One update of weights by gradients, then of codebooks by averages [DSI: VQ-VAE training step].

        ``L = L_rec + 0.25 (L_commit_s + L_commit_t)``.
        """
        config, image = self.config, batch["image"]
        with context.fabric.autocast():
            reconstruction, encoding = self.dsi.vqvae(image)
            structure = encoding.structure.straight_through
            alone = self.dsi.vqvae.decode_structure(structure) if config.structure_alone else None
        levels = {"structure": encoding.structure, "texture": encoding.texture}
        losses = {"reconstruction": objective.reconstruction_loss(reconstruction, image)}
        losses |= {f"{name} commitment": objective.commitment_loss(level) for name, level in levels.items()}
        total = losses["reconstruction"] + config.commitment * (
            losses["structure commitment"] + losses["texture commitment"]
        )
        if alone is not None:
            losses["structure alone"] = objective.reconstruction_loss(alone, image)
            total = total + config.structure_alone * losses["structure alone"]
        factor = learning_rate_factor(context.step, context.steps, kind=config.schedule, warmup=config.warmup)
        optimizer_step(
            self.dsi.parameters(),
            self.optimizers["dsi"],
            total,
            context,
            name="VQ-VAE",
            learning_rate=config.learning_rate * factor,
            clip=config.clip,
        )
        figures = {name: value.detach() for name, value in losses.items()}
        for name, level in levels.items():
            figures |= self._learn_codes(name, level, context)
        return figures

    def _learn_codes(self, level: str, quantized: Quantized, context: StepContext) -> dict[str, Tensor]:
        """Update one codebook from the batches of all processes; each ends with the same vectors."""
        codebook, average, fabric = self._codebooks()[level], self._average(level), context.fabric
        use = code_use(quantized, len(codebook.vectors))
        if self.config.keep_codes:
            return {f"{level} perplexity": use.perplexity}
        if fabric.world_size > 1:
            use = CodeUse(*(_summed(part, context) for part in (use.counts, use.sums)))
        vectors, restarted = average.update(use), 0
        if self.config.restart and (context.step + 1) % self.config.restart_every == 0:
            features = rearrange(quantized.features.detach(), "b d h w -> (b h w) d")
            if fabric.world_size > 1:
                gathered = fabric.all_gather(features)
                assert isinstance(gathered, Tensor)  # what fabric's signature leaves open
                features = rearrange(gathered, "r n d -> (r n) d")
            seed = (context.seed * 1_000_003 + context.step) * 2 + (level == "texture")
            generator = torch.Generator().manual_seed(seed)
            vectors, restarted = average.restart(features, self.config.restart * fabric.world_size, generator)
        codebook.vectors.copy_(vectors)
        return {
            f"{level} perplexity": use.perplexity,
            f"{level} restarts": torch.tensor(float(restarted)),
        }


def _summed(value: Tensor, context: StepContext) -> Tensor:
    total = context.fabric.all_reduce(value, reduce_op="sum")
    assert isinstance(total, Tensor)  # what fabric's signature leaves open
    return total
