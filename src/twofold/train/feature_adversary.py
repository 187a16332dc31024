"""The adversarial term of a discriminator on VGG-16's features, for any recipe that computes them."""

import torch
from torch import Tensor
from torch.optim import Adam

from twofold.features.discriminator import FeatureDiscriminator, discriminator_loss, generator_loss
from twofold.train.feature_views import FeatureViews
from twofold.train.optimizer_step import optimizer_step
from twofold.train.recipe import StepContext


class FeatureAdversary:
    """A discriminator and its optimizer.

    Args:
        device: where to train.
        betas: of Adam.
        seed: of the initial weights.

    Attributes:
        discriminator: the network; a recipe lists it among its own, so that it is saved and restored.
        optimizer: over its weights.
    """

    def __init__(self, device: torch.device, *, betas: tuple[float, float], seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.discriminator = FeatureDiscriminator().to(device)
        self.optimizer = Adam(self.discriminator.parameters(), betas=betas)

    def step(
        self, views: FeatureViews, context: StepContext, *, learning_rate: float
    ) -> tuple[Tensor, Tensor]:
        """Update the discriminator once, then let it score.

        Args:
            views: features of photographs and of the same photographs with their holes filled.
            context: of the step.
            learning_rate: of this step.

        Returns:
            The loss of what fills, with gradients; and the discriminator's own, detached.
        """
        with context.fabric.autocast():
            real = self.discriminator(views.theirs)
            fake = self.discriminator({layer: maps.detach() for layer, maps in views.ours.items()})
        own = discriminator_loss(
            [score.float() for score in real], [score.float() for score in fake], views.hole
        )
        optimizer_step(
            self.discriminator.parameters(),
            self.optimizer,
            own,
            context,
            name="feature judge",
            learning_rate=learning_rate,
        )
        # Frozen for the moment: its own gradients would be work for nothing.
        self.discriminator.requires_grad_(False)
        with context.fabric.autocast():
            scores = self.discriminator(views.ours)
        self.discriminator.requires_grad_(True)
        return generator_loss([score.float() for score in scores], views.hole), own.detach()
