"""Try a configuration before it is built: files from elsewhere may ask for networks without end."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from twofold.errors import CheckpointError

LARGEST_NUMBER = 1 << 16
"""In a configuration; no size, count or option of a network comes near it."""
_SPARE_PARAMETERS = 1000
_DRAWING = ("uniform_", "normal_", "trunc_normal_", "kaiming_uniform_", "xavier_uniform_", "orthogonal_")


def check_numbers(config: Mapping[str, Any], source: str) -> None:
    """Refuse a configuration with absurd numbers in it, however deep.

    Raises:
        CheckpointError: if a whole number is beyond ``LARGEST_NUMBER`` or another is not finite.
    """
    waiting: list[Any] = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        elif isinstance(value, int | float) and (abs(value) > LARGEST_NUMBER or not math.isfinite(value)):
            shown = f"{value:.6g}" if isinstance(value, float) else f"a number of {value.bit_length()} bits"
            raise CheckpointError(
                f"the configuration of {source} holds {shown}, and none may be beyond {LARGEST_NUMBER}; "
                "fetch or convert the weights again"
            )


def shapes_without_weights(build: Callable[[], nn.Module], tensors: int, source: str) -> Mapping[str, Tensor]:
    """The state of a network whose tensors take no memory; ``CheckpointError`` if it cannot be built.

    A network of many more tensors than the ``tensors`` that the weights hold is broken off while it is built.
    """
    try:
        with _at_most(tensors + _SPARE_PARAMETERS, source), Undrawn(), torch.device("meta"):
            return build().state_dict()
    except CheckpointError:
        raise
    except Exception as error:  # what a layer says of sizes that make no sense is of many kinds
        raise CheckpointError(
            f"no network can be built from the configuration of {source} "
            f"({' '.join(str(error).split())}); fetch or convert the weights again"
        ) from error


class Undrawn(TorchFunctionMode):
    """Take zeros where fresh weights would be drawn.

    Shapes stay right, values do not matter. On tensors without memory, PyTorch would load its whole
    compiler to draw or to scale them, which takes seconds.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer for every function of torch that is called meanwhile."""
        given = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _DRAWING:
            # Zeros are within all bounds: a truncated normal would be drawn again until its values are.
            undrawn = args[0] if args else given["tensor"]
            return undrawn.detach().zero_() if not undrawn.is_meta else undrawn
        if name == "mul" and args[0].is_meta and isinstance(args[1], int | float):  # of what was not drawn
            return args[0]
        if name in ("rand", "randn"):
            return torch.zeros(*args, **{key: value for key, value in given.items() if key != "generator"})
        return func(*args, **given)


@contextmanager
def _at_most(count: int, source: str) -> Iterator[None]:
    """Break off when this thread has made more than so many parameters."""
    thread, made = threading.get_ident(), 0

    def counted(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal made
        made += threading.get_ident() == thread
        if made > count:
            asked = (
                f"the configuration of {source} asks for more than the {count} tensors that there could be"
            )
            raise CheckpointError(f"{asked}; fetch or convert the weights again")

    handle = register_module_parameter_registration_hook(counted)
    try:
        yield
    finally:
        handle.remove()
