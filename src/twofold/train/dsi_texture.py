"""The recipe for DSI's third stage: paint a structure."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from twofold.checkpoints.format import as_json
from twofold.devices import derive_seed
from twofold.dsi import objective
from twofold.dsi.config import PRESETS, DsiConfig, Mode
from twofold.dsi.discriminator import Discriminator
from twofold.dsi.model import Dsi
from twofold.dsi.texture import TextureGenerator
from twofold.dsi.vqvae import Encoding
from twofold.features.lpips import LPIPSHeads
from twofold.features.vgg import VGG16, pretrained_vgg16
from twofold.train.dsi_drawing import StructureDrawer
from twofold.train.dsi_parts import build_with
from twofold.train.feature_adversary import FeatureAdversary
from twofold.train.feature_views import feature_views
from twofold.train.optimizer_step import optimizer_step
from twofold.train.recipe import StepContext
from twofold.train.schedule import Schedule, learning_rate_factor


@dataclass(frozen=True)
class TextureLossWeights:
    """How much each term counts; the defaults are the paper's. A term with weight 0 is not computed."""

    picture: float = 1.0
    """Mean absolute difference of the picture."""
    hole: float = 1.0
    """Factor on missing pixels within it."""
    adversarial: float = 1.0
    """Hinge."""
    structure: float = 0.1
    """Structural feature loss."""
    texture: float = 0.1
    """Textural feature loss."""
    lpips: float = 0.0
    """Own addition: LPIPS (VGG) of the composited fill."""
    feature_adversarial: float = 0.0
    """Own addition: hinge of a discriminator on VGG-16's features of it, within the hole."""


@dataclass(frozen=True)
class TextureRecipeConfig:
    """Networks, losses and optimizer of a texture generator's training; the defaults are the paper's."""

    network: DsiConfig = field(default_factory=DsiConfig)
    """Sizes; the VQ-VAE is given and stays as it is, texture generator and discriminator are trained."""
    weights: TextureLossWeights = TextureLossWeights()
    """Weights of the losses."""
    drawn: float = 0.0
    """Own addition: the share of pictures, in [0, 1], that are painted on a structure which the structure
    generator sampled for the hole; the paper paints true ones alone."""
    adversarial_from: int = 0
    """Step at which the discriminators join."""
    feature_crop: int = 0
    """Side of the crop around the hole that VGG-16 looks at; 0: the whole picture."""
    learning_rate: float = 1e-4
    """Peak learning rate of Adam, for both networks."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Betas of Adam: how long it remembers gradients and their squares."""
    schedule: Schedule = "constant"
    """Course of the learning rate."""
    warmup: int = 0
    """Steps of linear rise."""
    clip: float = 0.0
    """Largest norm of the generator's gradient; 0 leaves it alone."""


def _paper(mode: Mode = "paper") -> TextureRecipeConfig:
    """The paper's training at full size."""
    return TextureRecipeConfig(PRESETS["paper"](mode))


def _small(mode: Mode = "paper") -> TextureRecipeConfig:
    """The training of the bundled weights: LPIPS added, losses where the hole is, a late discriminator."""
    return TextureRecipeConfig(
        PRESETS["small"](mode),
        weights=TextureLossWeights(hole=6.0, adversarial=0.02, structure=0.03, texture=0.03, lpips=2.0),
        adversarial_from=1000,
        feature_crop=96,
        learning_rate=5e-4,
        betas=(0.9, 0.99),
        schedule="cosine",
        warmup=100,
        clip=1.0,
    )


def _tiny(mode: Mode = "paper") -> TextureRecipeConfig:
    """Every part of the training at a size for tests; no VGG-16."""
    return TextureRecipeConfig(PRESETS["tiny"](mode))


TEXTURE_RECIPES = {"paper": _paper, "small": _small, "tiny": _tiny}


class TextureRecipe:
    """The texture generator, its discriminator, and one adversarial step over them.

    Args:
        config: sizes, losses and optimizer.
        device: where to train.
        start: weights of ``Dsi``: the VQ-VAE's, which are needed, and those of this stage, if any.
        seed: of the initial weights.
        drawer: draws structures; needed if the configuration asks for drawn ones.
        vgg: VGG-16 weights file; not touched when LPIPS is not asked for.
        feature_dtype: precision of VGG-16's weights.

    Raises:
        CheckpointError: if ``start`` lacks the VQ-VAE or does not fit, or VGG-16 cannot be had.
        ValueError: if structures are to be drawn and there is no drawer.
    """

    averaged = "dsi"

    def __init__(
        self,
        config: TextureRecipeConfig,
        device: torch.device,
        start: Mapping[str, Tensor],
        *,
        seed: int = 0,
        drawer: StructureDrawer | None = None,
        vgg: Path | None = None,
        feature_dtype: torch.dtype = torch.float32,
    ) -> None:
        if config.drawn and drawer is None:
            raise ValueError(f"a share of {config.drawn} of the structures is to be drawn; give a drawer")
        self.config = config
        self.drawer = drawer
        self.network_config = dataclasses.replace(config.network, structure=None)
        trained = ("texture", "discriminator")
        self.dsi: Dsi = build_with(self.network_config, start, seed=seed, trained=trained)
        assert self.dsi.texture is not None  # the configuration has both
        assert self.dsi.discriminator is not None
        self.generator: TextureGenerator = self.dsi.texture
        self.discriminator: Discriminator = self.dsi.discriminator
        layout = torch.channels_last
        self.dsi.to(device, memory_format=layout)  # type: ignore[call-overload]  # torch's stubs lack it
        self.vgg: VGG16 | None = None
        self.lpips: LPIPSHeads | None = None
        if config.weights.lpips or config.weights.feature_adversarial:
            self.vgg = pretrained_vgg16(vgg).to(device, feature_dtype)
            self.vgg.to(memory_format=layout)  # type: ignore[call-overload]
        if config.weights.lpips:
            self.lpips = LPIPSHeads("vgg").to(device)
        self.networks: dict[str, nn.Module] = {"dsi": self.dsi}
        self.optimizers: dict[str, Optimizer] = {"texture": self._adam(self.generator)}
        if config.weights.adversarial:
            self.optimizers["discriminator"] = self._adam(self.discriminator)
        self.adversary: FeatureAdversary | None = None
        if config.weights.feature_adversarial:
            self.adversary = FeatureAdversary(device, betas=config.betas, seed=seed)
            self.networks["feature_judge"] = self.adversary.discriminator
            self.optimizers["feature_judge"] = self.adversary.optimizer

    def _adam(self, network: nn.Module) -> Optimizer:
        return Adam(network.parameters(), lr=self.config.learning_rate, betas=self.config.betas)

    def describe(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return {"recipe": "dsi-texture", **as_json(dataclasses.asdict(self.config))}

    def release(self, network: nn.Module) -> tuple[str, dict[str, Any]]:
        """Family and network configuration of the published weights."""
        return "dsi", as_json(dataclasses.asdict(self.network_config))

    def step(self, batch: Mapping[str, Tensor], context: StepContext) -> dict[str, Tensor]:
        """One update of the texture generator, then one of the discriminator [DSI: texture training step].

        ``L = L_G + L_1 + 0.1 (L_fea_s + L_fea_t)``.
        """
        config, image, hole = self.config, batch["image"], batch["hole"]
        factor = learning_rate_factor(context.step, context.steps, kind=config.schedule, warmup=config.warmup)
        rate = config.learning_rate * factor
        with torch.no_grad():
            truth: Encoding = self.dsi.vqvae.encode(image)
            codes = self._structures(truth.structure.codes, image, hole, context)
            vectors = self.dsi.vqvae.structure_codebook.look_up(codes)
        with context.fabric.autocast():
            answer = self.generator(image * (1 - hole), hole, vectors)
        answer = answer.float()
        composited = torch.where(hole > 0, answer, image)
        terms = self._terms(answer, composited, codes, truth.texture.codes, batch, context)
        by_features, seen = self._feature_terms(composited, image, hole, rate, context)
        terms |= by_features
        adversarial = bool(config.weights.adversarial) and context.step >= config.adversarial_from
        if adversarial:
            # Frozen for the moment: its own gradients would be work for nothing.
            self.discriminator.train().requires_grad_(False)
            with context.fabric.autocast():
                terms["adversarial"] = objective.generator_loss(self.discriminator(composited, hole))
            self.discriminator.requires_grad_(True)
        total = torch.stack([getattr(config.weights, name) * term for name, term in terms.items()]).sum()
        optimizer_step(
            self.generator.parameters(),
            self.optimizers["texture"],
            total,
            context,
            name="texture",
            learning_rate=rate,
            clip=config.clip,
        )
        figures = seen | {name: term.detach() for name, term in terms.items()}
        if adversarial:
            figures["discriminator"] = self._discriminator_step(
                image, composited.detach(), hole, rate, context
            )
        return figures | {"total": total.detach()}

    def _structures(self, true: Tensor, image: Tensor, hole: Tensor, context: StepContext) -> Tensor:
        """The structure codes that are painted: the true ones, or in some pictures drawn ones."""
        if self.drawer is None:
            return true
        # What is drawn must follow from the step, so that a resumed run goes on as if it had never stopped.
        seed = derive_seed(context.seed, context.step, context.fabric.global_rank)
        chance = torch.rand(len(true), generator=torch.Generator().manual_seed(seed))
        which = (chance < self.config.drawn).nonzero()[:, 0]
        if not len(which):
            return true
        seeds = [derive_seed(seed, number) for number in which.tolist()]
        which = which.to(true.device)
        return true.index_copy(0, which, self.drawer.draw(image[which], hole[which], seeds))

    def _terms(
        self,
        answer: Tensor,
        composited: Tensor,
        structure: Tensor,
        texture: Tensor,
        batch: Mapping[str, Tensor],
        context: StepContext,
    ) -> dict[str, Tensor]:
        """The generator's losses without the adversarial one, unweighted, by their name in the weights.

        The picture should have the structure that was painted and the texture codes of the photograph.
        """
        weights, image, hole = self.config.weights, batch["image"], batch["hole"]
        terms = {"picture": objective.picture_loss(answer, image, hole, hole_weight=weights.hole)}
        if weights.structure or weights.texture:
            with context.fabric.autocast():
                seen = self.dsi.vqvae.encode(composited)
            vqvae = self.dsi.vqvae
            terms["structure"] = objective.feature_loss(
                vqvae.structure_codebook, seen.structure.features, structure
            )
            terms["texture"] = objective.feature_loss(vqvae.texture_codebook, seen.texture.features, texture)
        return terms

    def _feature_terms(
        self, composited: Tensor, image: Tensor, hole: Tensor, rate: float, context: StepContext
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The terms on VGG-16's features, and the loss of their discriminator."""
        if self.vgg is None:
            return {}, {}
        views = feature_views(self.vgg, composited, image, hole, context, size=self.config.feature_crop)
        terms, figures = {}, {}
        if self.lpips is not None:
            terms["lpips"] = self.lpips(views.ours, views.theirs).mean()
        if self.adversary is not None and context.step >= self.config.adversarial_from:
            terms["feature_adversarial"], figures["feature judge"] = self.adversary.step(
                views, context, learning_rate=rate
            )
        return terms, figures

    def _discriminator_step(
        self, image: Tensor, composited: Tensor, hole: Tensor, rate: float, context: StepContext
    ) -> Tensor:
        """Photographs and fills in one pass of the discriminator, as in the official code."""
        with context.fabric.autocast():
            scores = self.discriminator(torch.cat([image, composited]), torch.cat([hole, hole]))
        real, fake = scores.float().chunk(2)
        loss = objective.discriminator_loss(real, fake)
        optimizer_step(
            self.discriminator.parameters(),
            self.optimizers["discriminator"],
            loss,
            context,
            name="discriminator",
            learning_rate=rate,
        )
        return loss.detach()
