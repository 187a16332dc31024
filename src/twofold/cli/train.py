"""``twofold train``: train a network on a folder of photographs."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twofold.errors import InputError

NETWORKS = ("medfe", "dsi-vqvae", "dsi-structure", "dsi-texture")


def main(arguments: Sequence[str]) -> int:
    """Run the command; see ``twofold train medfe --help`` for its options.

    Raises:
        InputError: if an option is missing, unknown or has a value that it cannot have.
    """
    early = argparse.ArgumentParser(
        prog="twofold train", add_help=False, allow_abbrev=False, exit_on_error=False
    )
    early.add_argument("network", nargs="?", choices=NETWORKS)
    early.add_argument("--preset", default="small", choices=["small", "paper", "tiny"])
    early.add_argument("--mode", default="paper", choices=["paper", "official"])
    early.add_argument("--data", type=Path)
    early.add_argument("--out", type=Path)
    try:
        known, rest = early.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise InputError(f"{error}; see twofold train medfe --help") from error
    wants_help = "-h" in rest or "--help" in rest
    if known.network is None or not (wants_help or (known.data and known.out)):
        names = ", ".join(NETWORKS)
        raise InputError(
            f"give a network ({names}), --data FOLDER and --out FOLDER; see twofold train medfe --help"
        )
    return _train(known, rest)


def _train(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Let the preset set every default, and every field be an option of its own."""
    import tyro

    from twofold.cli.command import parse
    from twofold.data.pairs import DataConfig
    from twofold.train.loop import LoopConfig

    run_class, recipes, job, what, average = _network(known.network)
    default = run_class(
        data=DataConfig(known.data or Path("FOLDER")),
        loop=LoopConfig(known.out or Path("FOLDER"), average=average[known.preset]),
        recipe=recipes[known.preset](known.mode),
    )
    run = parse(
        run_class,
        f"twofold train {known.network} --data FOLDER --out FOLDER",
        rest,
        default=default,
        # Whether a part of a network is there is for the stage to say, not a sub-command.
        config=(tyro.conf.AvoidSubcommands,),
        description=f"Train {what}. --preset (small, paper, tiny) and --mode (paper, official) set defaults.",
    )
    print(f"wrote {job(run)}")
    return 0


def _network(name: str) -> tuple[type[Any], dict[str, Any], Callable[[Any], Path], str, dict[str, float]]:
    """What a run is made of, its recipes by preset, the job, its subject, and each preset's average."""
    own = {"small": 0.999, "tiny": 0.999}
    if name == "medfe":
        from twofold.train.medfe import RECIPES
        from twofold.train.run import MedfeRun, train_medfe

        return MedfeRun, RECIPES, train_medfe, "MEDFE", own | {"paper": 0.999}

    from twofold.train import run_dsi

    if name == "dsi-vqvae":
        from twofold.train.dsi_vqvae import VQVAE_RECIPES

        what, paper = "DSI's first stage, the hierarchical VQ-VAE", own | {"paper": 0.9997}
        return run_dsi.VqvaeRun, VQVAE_RECIPES, run_dsi.train_dsi_vqvae, what, paper
    if name == "dsi-structure":
        from twofold.train.dsi_structure import STRUCTURE_RECIPES

        what, paper = "DSI's second stage, the structure generator", own | {"paper": 0.9997}
        return run_dsi.StructureRun, STRUCTURE_RECIPES, run_dsi.train_dsi_structure, what, paper
    from twofold.train.dsi_texture import TEXTURE_RECIPES

    # The official texture networks are used as they are, without an average.
    what, paper = "DSI's third stage, the texture generator", own | {"paper": 0.0}
    return run_dsi.TextureRun, TEXTURE_RECIPES, run_dsi.train_dsi_texture, what, paper
