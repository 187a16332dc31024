"""Image inpainting that treats structure and texture.

::

    import twofold

    filled = twofold.inpaint("photo.png", "mask.png")  # white in the mask is filled

    inpainter = twofold.load("dsi-small", options={"temperature": 0.8})
    result = inpainter.fill("photo.png", "mask.png", samples=6, seed=1)
    result.best.image, result.ranking, result.samples[3].structure

Names are imported when they are first used: ``import twofold`` itself costs nothing.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# PyTorch's threads spin while they wait for each other, a millisecond long unless told otherwise before it is
# imported. Beside other programs they spent most of a fill so; a wait of microseconds costs an idle machine
# nothing (docs/speed.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "500")

if TYPE_CHECKING:
    from twofold.dsi.options import SamplingOptions
    from twofold.engine.external.command import Command
    from twofold.engine.load import inpaint, list_models, load
    from twofold.errors import (
        CheckpointError,
        ImageError,
        InputError,
        MaskError,
        MissingExtraError,
        TrainingError,
        TwofoldError,
    )
    from twofold.inpainter import Inpainter, Result, Sample
    from twofold.pixels import MaskWarning

    __version__: str

__all__ = [
    "CheckpointError",
    "Command",
    "ImageError",
    "Inpainter",
    "InputError",
    "MaskError",
    "MaskWarning",
    "MissingExtraError",
    "Result",
    "Sample",
    "SamplingOptions",
    "TrainingError",
    "TwofoldError",
    "__version__",
    "inpaint",
    "list_models",
    "load",
]

_HOMES = {
    "Command": "twofold.engine.external.command",
    "SamplingOptions": "twofold.dsi.options",
    "list_models": "twofold.engine.load",
    "inpaint": "twofold.engine.load",
    "load": "twofold.engine.load",
    "Inpainter": "twofold.inpainter",
    "Result": "twofold.inpainter",
    "Sample": "twofold.inpainter",
    "MaskWarning": "twofold.pixels",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("twofold")
    elif name in __all__:
        value = getattr(import_module(_HOMES.get(name, "twofold.errors")), name)
    else:
        raise AttributeError(f"module 'twofold' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, imported or not."""
    return sorted({*globals(), *__all__})
