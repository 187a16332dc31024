"""``twofold convert``: turn the weights of other projects into ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class MedfeOptions:
    """Convert the weights of the authors' MEDFE code; then: twofold fill ... --model OUT."""

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Holds EN, DE and MEDEF (or MEDFE), each as .pkl or .pth; D and F, the discriminators, are optional."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder to write: model.safetensors and, with D or F, discriminators.safetensors."""
    name: str = "medfe-official"
    """What reports call the model."""


def main(argv: Sequence[str]) -> int:
    """Run ``twofold convert``; the exit status is 0 or an error is raised."""
    options = tyro.extras.subcommand_cli_from_dict(
        {"medfe": MedfeOptions},
        prog="twofold convert",
        description="Turn the weights of other projects into ours.",
        args=list(argv),
    )
    from twofold.checkpoints.from_medfe import convert_medfe

    for path in convert_medfe(options.folder, options.out, name=options.name):
        print(path)
    return 0
