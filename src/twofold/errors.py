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

from __future__ import annotations


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
