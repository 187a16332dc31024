"""Train the tiny network as a process of its own: ``python tiny_run.py PHOTOS OUT [options]``."""

import argparse
import os
import signal
import sys
from pathlib import Path

import torch

from twofold.data.pairs import DataConfig
from twofold.train import medfe
from twofold.train.loop import LoopConfig
from twofold.train.run import MedfeRun, train_medfe


def run(
    photos, out, *, steps=10, batch_size=2, devices=1, resume=False, save_every=5, precision="fp32", **rest
):
    return train_medfe(
        MedfeRun(
            data=DataConfig(Path(photos), size=64),
            loop=LoopConfig(
                Path(out),
                steps=steps,
                batch_size=batch_size,
                accelerator="cpu",
                devices=devices,
                resume=resume,
                save_every=save_every,
                log_every=1,
                precision=precision,
            ),
            **{"recipe": medfe.tiny_recipe(), **rest},
        )
    )


def die_at(step):
    """Kill this process, without any chance to tidy up, in the middle of a step."""
    optimizer_step = medfe.MedfeRecipe._optimizer_step

    def deadly(self, name, loss, rate, context):
        if context.step == step and name == "generator":
            os.kill(os.getpid(), signal.SIGKILL)
        optimizer_step(self, name, loss, rate, context)

    medfe.MedfeRecipe._optimizer_step = deadly


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("photos")
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--die-at", type=int)
    options = vars(parser.parse_args())
    torch.set_num_threads(1)
    if (step := options.pop("die_at")) is not None:
        die_at(step)
    run(**options)
    sys.exit(0)
