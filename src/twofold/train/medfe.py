"""The recipe for MEDFE: the losses of one step, their weights, and the presets that we train with."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from twofold.checkpoints.format import as_json
from twofold.errors import CheckpointError, InputError
from twofold.features.lpips import LPIPSHeads
from twofold.features.vgg import VGG16, pretrained_vgg16
from twofold.medfe import objective
from twofold.medfe.build import build_medfe
from twofold.medfe.config import PRESETS, MedfeConfig, Mode
from twofold.medfe.discriminator import LOCAL_SIZE, Discriminators, random_corner
from twofold.medfe.network import MedfeNetwork, MedfeOutput
from twofold.train.feature_adversary import FeatureAdversary
from twofold.train.feature_views import feature_views
from twofold.train.optimizer_step import optimizer_step
from twofold.train.recipe import StepContext
from twofold.train.schedule import Schedule, learning_rate_factor


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts; the defaults are the paper's. A term with weight 0 is not computed."""

    reconstruction: float = 1.0
    """Mean absolute difference of the picture."""
    hole: float = 1.0
    """Factor on missing pixels within the reconstruction."""
    adversarial: float = 0.2
    """Relativistic average least squares, global and local."""
    perceptual: float = 0.2
    """VGG-16 features."""
    style: float = 250.0
    """Gram matrices of VGG-16 features."""
    supervision: float = 1.0
    """Structure and texture branch against their targets; the official code's gradient counts it 3 times."""
    lpips: float = 0.0
    """Own addition: LPIPS (VGG), on the features that the perceptual term computes anyway."""
    feature_adversarial: float = 0.0
    """Own addition: hinge of a discriminator on these features, within the hole; needs ``composited``."""


@dataclass(frozen=True)
class MedfeRecipeConfig:
    """Network, losses and optimizer of a MEDFE training."""

    network: MedfeConfig = field(default_factory=MedfeConfig)
    """Sizes and mode of the network."""
    weights: LossWeights = LossWeights()
    """Weights of the losses."""
    learning_rate: float = 2e-4
    """Peak learning rate of Adam, for network and discriminators."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Betas of Adam: how long it remembers gradients and their squares."""
    schedule: Schedule = "linear"
    """Course of the learning rate."""
    warmup: int = 0
    """Steps of linear rise."""
    clip: float = 0.0
    """Largest norm of the network's gradient; 0 leaves it alone."""
    discriminator_width: int = 64
    """Channels of the discriminators' first convolution."""
    adversarial_from: int = 0
    """Step at which the discriminators join, that on features too."""
    feature_crop: int = 0
    """Side of the crop around the hole on which VGG-16 looks; 0: the whole picture."""
    composited: bool = False
    """Let VGG-16 and the discriminators see the fill composited into the photograph."""
    imagenet_statistics: bool = True
    """Feed VGG-16 as it was trained; the official code feeds [-1, 1] as it is."""
    official_style: bool = False
    """Quirk: take conv5_1 applied twice for relu5_2 in the style term, as the official code does."""


def paper_recipe(mode: Mode = "paper") -> MedfeRecipeConfig:
    """The paper's training at full size; in official mode with the official code's quirks."""
    official = mode == "official"
    return MedfeRecipeConfig(
        network=PRESETS["paper"](mode),
        weights=LossWeights(supervision=3.0 if official else 1.0),
        imagenet_statistics=not official,
        official_style=official,
    )


def small_recipe(mode: Mode = "paper") -> MedfeRecipeConfig:
    """The training of the bundled weights' network: LPIPS added, losses where the hole is.

    Starts without discriminators; see the model card for the stages that made the weights.
    """
    return MedfeRecipeConfig(
        network=PRESETS["small"](mode),
        weights=LossWeights(
            hole=6.0, adversarial=0.0, perceptual=0.1, style=100.0, supervision=0.5, lpips=3.0
        ),
        learning_rate=5e-4,
        betas=(0.9, 0.99),
        schedule="cosine",
        warmup=100,
        clip=1.0,
        discriminator_width=32,
        feature_crop=96,
        composited=True,
    )


def tiny_recipe(mode: Mode = "paper") -> MedfeRecipeConfig:
    """Every part of the training at a size for tests; no VGG-16."""
    return MedfeRecipeConfig(
        network=PRESETS["tiny"](mode),
        weights=LossWeights(perceptual=0.0, style=0.0),
        discriminator_width=4,
    )


RECIPES = {"paper": paper_recipe, "small": small_recipe, "tiny": tiny_recipe}


class MedfeRecipe:
    """MEDFE's networks, and one adversarial step over them.

    Args:
        config: network, losses and optimizer.
        device: where to train.
        seed: of the initial weights.
        vgg: VGG-16 weights file; None looks where ``twofold.features.weights`` says. Not touched
            when no loss needs it.
        start: state to begin with instead of fresh weights. Parts of the network that it lacks stay
            fresh (``fresh`` lists them), so that a network can grow while it is trained.
        feature_dtype: precision of VGG-16's weights; bfloat16 halves its time where that is native.

    Raises:
        CheckpointError: if VGG-16 is needed and cannot be had, or ``start`` does not fit.
        InputError: if fills are to be compared by features that are not composited.
    """

    averaged = "generator"

    def __init__(
        self,
        config: MedfeRecipeConfig,
        device: torch.device,
        *,
        seed: int = 0,
        vgg: Path | None = None,
        start: Mapping[str, Tensor] | None = None,
        feature_dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.generator: MedfeNetwork = build_medfe(config.network)
            self.discriminators = Discriminators(config.discriminator_width)
        self.fresh: list[str] = [] if start is None else _begin_with(self.generator, start)
        weights = config.weights
        layout = torch.channels_last
        self.generator.to(device, memory_format=layout)  # type: ignore[call-overload]  # torch's stubs lack it
        self.discriminators.to(device, memory_format=layout)  # type: ignore[call-overload]
        self.vgg: VGG16 | None = None
        self.lpips: LPIPSHeads | None = None
        if weights.feature_adversarial and not config.composited:
            raise InputError(
                "the discriminator on features compares a photograph with its hole filled, but the recipe "
                "does not composite; set --recipe.composited, or --recipe.weights.feature-adversarial 0"
            )
        if weights.perceptual or weights.style or weights.lpips or weights.feature_adversarial:
            self.vgg = pretrained_vgg16(vgg).to(device, feature_dtype)
            self.vgg.to(memory_format=layout)  # type: ignore[call-overload]
        if weights.lpips:
            self.lpips = LPIPSHeads("vgg").to(device)
        self.networks: dict[str, nn.Module] = {"generator": self.generator}
        self.optimizers: dict[str, Optimizer] = {"generator": self._adam(self.generator)}
        if weights.adversarial:
            self.networks["discriminators"] = self.discriminators
            self.optimizers["discriminators"] = self._adam(self.discriminators)
        self.adversary: FeatureAdversary | None = None
        if weights.feature_adversarial:
            self.adversary = FeatureAdversary(device, betas=config.betas, seed=seed)
            self.networks["feature_judge"] = self.adversary.discriminator
            self.optimizers["feature_judge"] = self.adversary.optimizer

    def _adam(self, network: nn.Module) -> Optimizer:
        return Adam(network.parameters(), lr=self.config.learning_rate, betas=self.config.betas)

    def describe(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return {"recipe": "medfe", **as_json(dataclasses.asdict(self.config))}

    def release(self, network: nn.Module) -> tuple[str, dict[str, Any]]:
        """Family and network configuration of the published weights."""
        return "medfe", as_json(dataclasses.asdict(self.config.network))

    def step(self, batch: Mapping[str, Tensor], context: StepContext) -> dict[str, Tensor]:
        """One update of the discriminators, then one of the network [MEDFE: training step].

        ``L = Lre + 0.2 Ladv + 0.2 Lperc + 250 Lstyle + Lrst + Lrte``.
        """
        config, fabric = self.config, context.fabric
        image, hole = batch["image"], batch["hole"]
        factor = learning_rate_factor(context.step, context.steps, kind=config.schedule, warmup=config.warmup)
        rate = config.learning_rate * factor
        adversarial = bool(config.weights.adversarial) and context.step >= config.adversarial_from
        with fabric.autocast():
            output: MedfeOutput = self.generator(image, hole)
        answer = output.image.float()
        fill = torch.where(hole > 0, answer, image) if config.composited else answer
        corner = self._local_corner(image, context)
        losses: dict[str, Tensor] = {}
        if adversarial:
            losses["discriminator"] = self._update_discriminators(image, fill.detach(), corner, rate, context)
        terms, figures = self._terms(batch, output, fill, rate, context)
        if adversarial:
            # Detached, the discriminators' own gradients would be work for nothing.
            self.discriminators.requires_grad_(False)
            with fabric.autocast():
                real, fake = self._scores(image, fill, corner)
            terms["adversarial"] = objective.generator_loss(real, fake)
            self.discriminators.requires_grad_(True)
        total = torch.stack([getattr(config.weights, name) * term for name, term in terms.items()]).sum()
        self._optimizer_step("generator", total, rate, context)
        losses |= figures | {name: term.detach() for name, term in terms.items()}
        return {**losses, "total": total.detach()}

    def _terms(
        self,
        batch: Mapping[str, Tensor],
        output: MedfeOutput,
        fill: Tensor,
        rate: float,
        context: StepContext,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The network's losses without the paper's adversarial one, unweighted, by their name in the weights.

        Besides, what else the log should tell.
        """
        weights, image, hole = self.config.weights, batch["image"], batch["hole"]
        answer = output.image.float()
        terms = {
            "reconstruction": objective.reconstruction_loss(answer, image, hole, hole_weight=weights.hole)
        }
        if weights.supervision:
            structure = objective.supervision_loss(output.structure, batch.get("structure", image))
            terms["supervision"] = structure + objective.supervision_loss(output.texture, image)
        if self.vgg is None:
            return terms, {}
        views = feature_views(
            self.vgg,
            fill,
            image,
            hole,
            context,
            size=self.config.feature_crop,
            normalize=self.config.imagenet_statistics,
        )
        ours, theirs = views.ours, views.theirs
        if weights.perceptual:
            terms["perceptual"] = objective.perceptual_loss(ours, theirs)
        if weights.style:
            terms["style"] = objective.style_loss(self._style_view(ours), self._style_view(theirs))
        if self.lpips is not None:
            terms["lpips"] = self.lpips(ours, theirs).mean()
        if self.adversary is None or context.step < self.config.adversarial_from:
            return terms, {}
        terms["feature_adversarial"], score = self.adversary.step(views, context, learning_rate=rate)
        return terms, {"feature judge": score}

    def _style_view(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        if not self.config.official_style:
            return features
        assert self.vgg is not None
        return {**features, "relu5_2": self.vgg.apply_block5_1(features["relu5_1"])}

    def _local_corner(self, image: Tensor, context: StepContext) -> tuple[int, int]:
        """One crop for the whole step, the same on every process."""
        generator = torch.Generator().manual_seed(context.seed * 1_000_003 + context.step)
        height, width = image.shape[-2:]
        return random_corner(max(height, LOCAL_SIZE), max(width, LOCAL_SIZE), generator)

    def _scores(
        self, image: Tensor, fake: Tensor, corner: tuple[int, int]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Score photographs and fills in one pass, so that spectral norms are estimated once."""
        scores = self.discriminators(torch.cat([image, fake]), corner)
        halves = [score.float().chunk(2) for score in scores]
        return [real for real, _ in halves], [fake_score for _, fake_score in halves]

    def _update_discriminators(
        self, image: Tensor, fake: Tensor, corner: tuple[int, int], rate: float, context: StepContext
    ) -> Tensor:
        with context.fabric.autocast():
            real_scores, fake_scores = self._scores(image, fake, corner)
        loss = objective.discriminator_loss(real_scores, fake_scores)
        self._optimizer_step("discriminators", loss, rate, context)
        return loss.detach()

    def _optimizer_step(
        self, name: Literal["generator", "discriminators"], loss: Tensor, rate: float, context: StepContext
    ) -> None:
        """Backward, average over processes, clip, update."""
        optimizer_step(
            self.networks[name].parameters(),
            self.optimizers[name],
            loss,
            context,
            name=name,
            learning_rate=rate,
            clip=self.config.clip if name == "generator" else 0.0,
        )


def _begin_with(network: nn.Module, start: Mapping[str, Tensor]) -> list[str]:
    """Load weights and return the names of those that ``start`` lacks."""
    ours = network.state_dict()
    wrong = [name for name, value in start.items() if name not in ours or ours[name].shape != value.shape]
    if wrong:
        raise CheckpointError(
            f"the starting weights hold {len(wrong)} tensors that this network does not have in that shape "
            f"({', '.join(wrong[:3])}); start from weights of the same preset and mode"
        )
    network.load_state_dict(dict(start), strict=False)
    return [name for name in ours if name not in start]
