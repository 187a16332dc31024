"""``twofold train``: train a network on a folder of photographs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> int:
    """Run the command; see ``twofold train medfe --help`` for its options."""
    early = argparse.ArgumentParser(prog="twofold train", add_help=False, allow_abbrev=False)
    early.add_argument("network", nargs="?", choices=["medfe"])
    early.add_argument("--preset", default="small", choices=["small", "paper", "tiny"])
    early.add_argument("--mode", default="paper", choices=["paper", "official"])
    early.add_argument("--data", type=Path)
    early.add_argument("--out", type=Path)
    known, rest = early.parse_known_args(arguments)
    wants_help = "-h" in rest or "--help" in rest
    if not wants_help and (known.network is None or known.data is None or known.out is None):
        early.error("give a network, --data FOLDER and --out FOLDER; --help lists all options")
    return _train_medfe(known, rest)


def _train_medfe(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Let the preset set every default, and every field be an option of its own."""
    import tyro

    from twofold.data.pairs import DataConfig
    from twofold.train.loop import LoopConfig
    from twofold.train.medfe import RECIPES
    from twofold.train.run import MedfeRun, train_medfe

    default = MedfeRun(
        data=DataConfig(known.data or Path("FOLDER")),
        loop=LoopConfig(known.out or Path("FOLDER")),
        recipe=RECIPES[known.preset](known.mode),
    )
    run = tyro.cli(
        MedfeRun,
        default=default,
        args=list(rest),
        prog="twofold train medfe --data FOLDER --out FOLDER",
        description="Train MEDFE. --preset (small, paper, tiny) and --mode (paper, official) set defaults.",
    )
    weights = train_medfe(run)
    print(f"wrote {weights}")
    return 0
