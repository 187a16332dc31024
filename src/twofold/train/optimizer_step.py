"""One step of an optimizer that stops cleanly when the numbers no longer mean anything."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

from twofold.errors import TrainingError
from twofold.train.averaging import average_gradients
from twofold.train.recipe import StepContext


def optimizer_step(
    parameters: Iterable[Tensor],
    optimizer: Optimizer,
    loss: Tensor,
    context: StepContext,
    *,
    name: str,
    learning_rate: float,
    clip: float = 0.0,
) -> Tensor:
    """Backward, average over processes, clip, update; nothing is updated by a gradient that is not finite.

    Args:
        parameters: to update.
        optimizer: over these parameters.
        loss: a scalar.
        context: of the step.
        name: of the loss, for the error.
        learning_rate: of this step.
        clip: largest norm of the gradient; 0 leaves it alone.

    Returns:
        The norm of the gradient before clipping, a detached scalar.

    Raises:
        TrainingError: if the gradient is not finite; weights and checkpoints stay as they are.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.zero_grad(set_to_none=True)
    context.fabric.backward(loss)
    average_gradients(trained, context.fabric)
    norm = torch.nn.utils.clip_grad_norm_(trained, clip or math.inf)
    if not bool(torch.isfinite(norm)):
        raise TrainingError(
            f"the gradient of the {name} loss ({float(loss.detach()):.4g}) is not finite at step "
            f"{context.step}; the last checkpoint is good: resume with a lower learning rate or a clip"
        )
    optimizer.step()
    return norm.detach()
