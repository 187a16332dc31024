"""Train a tiny stage of DSI as a process of its own: ``python tiny_dsi.py STAGE PHOTOS OUT [options]``."""

import argparse
import os
import signal
import sys
from pathlib import Path

import torch

from twofold.data.pairs import DataConfig
from twofold.train import dsi_structure, dsi_texture, dsi_vqvae, run_dsi
from twofold.train.loop import LoopConfig

STAGES = {
    "vqvae": (run_dsi.VqvaeRun, run_dsi.train_dsi_vqvae, dsi_vqvae, "VQVAE_RECIPES"),
    "structure": (run_dsi.StructureRun, run_dsi.train_dsi_structure, dsi_structure, "STRUCTURE_RECIPES"),
    "texture": (run_dsi.TextureRun, run_dsi.train_dsi_texture, dsi_texture, "TEXTURE_RECIPES"),
}


def run(
    stage,
    photos,
    out,
    *,
    start=None,
    steps=6,
    batch_size=2,
    devices=1,
    resume=False,
    save_every=3,
    precision="fp32",
    recipe=None,
    views=0,
    flip=True,
    **rest,
):
    run_class, job, module, recipes = STAGES[stage]
    return job(
        run_class(
            data=DataConfig(Path(photos), size=64, views=views, flip=flip),
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
            start=None if start is None else str(start),
            recipe=recipe or getattr(module, recipes)["tiny"](),
            **rest,
        )
    )


def die_at(stage, step):
    """Kill this process, without any chance to tidy up, in the middle of a step."""
    module = STAGES[stage][2]
    optimizer_step = module.optimizer_step

    def deadly(parameters, optimizer, loss, context, **rest):
        if context.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return optimizer_step(parameters, optimizer, loss, context, **rest)

    module.optimizer_step = deadly


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("photos")
    parser.add_argument("out")
    parser.add_argument("--start")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--die-at", type=int)
    options = vars(parser.parse_args())
    torch.set_num_threads(1)
    if (step := options.pop("die_at")) is not None:
        die_at(options["stage"], step)
    run(**options)
    sys.exit(0)
