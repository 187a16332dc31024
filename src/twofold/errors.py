"""Every exception that twofold raises for its users.

::

    TwofoldError
    ├── InputError            a value, file or option that the user gave cannot be used
    │   ├── ImageError        an image cannot be read, written or understood
    │   └── MaskError         a mask cannot be read or does not fit its image
    ├── CheckpointError       weights are missing, damaged or do not fit their network
    ├── MissingExtraError     an optional dependency is not installed
    └── TrainingError         a training run cannot go on (no photographs, losses not finite)

Messages have three parts: what was seen, what was needed, the way out. The command line prints
the message as one line and exits with status 2.
"""

import importlib
from typing import Any


class TwofoldError(Exception):
    """Base of all errors that twofold raises on purpose."""


class InputError(TwofoldError, ValueError):
    """A value, file or option given by the user cannot be used."""


class ImageError(InputError):
    """An image cannot be read, written or understood."""


class MaskError(InputError):
    """A mask cannot be read or does not fit its image."""


class CheckpointError(TwofoldError):
    """Weights are missing, damaged or do not fit their network."""


class MissingExtraError(TwofoldError, ImportError):
    """An optional dependency is not installed."""


class TrainingError(TwofoldError):
    """A training run cannot start or go on."""


def cause_of(error: BaseException) -> str:
    """What an error of a foreign library says, in one line.

    The first line of its message, except where that only introduces a traceback, as TorchScript's does:
    there the last one.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if "TorchScript interpreter" in lines[0] else lines[0]


def require(module: str, user: str, extra: str, *, package: str | None = None) -> Any:
    """Import a library that an extra of twofold installs.

    Args:
        module: that is imported.
        user: what needs it, for the error.
        extra: that installs it.
        package: the distribution that holds it; None: named as the module.

    Raises:
        MissingExtraError: if it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{user} needs {package or module}, which cannot be imported ({error}); "
            f"pip install 'twofold[{extra}]'"
        ) from error
