import dataclasses
import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from train.states import assert_same, state
from train.tiny_dsi import STAGES, run
from twofold.checkpoints.format import build_network, load_weights
from twofold.data.codes import CodeCache
from twofold.dsi.config import VqvaeConfig, tiny
from twofold.errors import CheckpointError, InputError, TrainingError
from twofold.features.vgg import VGG16
from twofold.train import dsi_structure, dsi_texture, dsi_vqvae
from twofold.train.checkpoint import list_checkpoints

SCRIPT = Path(__file__).with_name("tiny_dsi.py")


@pytest.fixture(scope="module")
def vqvae(photos, tmp_path_factory):
    return run("vqvae", photos, tmp_path_factory.mktemp("vqvae") / "run", steps=4)


def process(*arguments, launcher=()):
    return subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def figures(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "train"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_and_resumed_run_ends_like_an_unbroken_one(photos, tmp_path, vqvae, stage):
    start = () if stage == "vqvae" else ("--start", vqvae)
    run(stage, photos, tmp_path / "whole", start=None if stage == "vqvae" else vqvae)
    killed = process(stage, photos, tmp_path / "broken", "--die-at", 4, *start)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [path.name for path in list_checkpoints(tmp_path / "broken")] == ["step-00000003.ckpt"]
    # In this process: what the first run left in torch's global generator must not matter.
    run(stage, photos, tmp_path / "broken", start=None if stage == "vqvae" else vqvae, resume=True)
    assert_same(state(tmp_path / "whole"), state(tmp_path / "broken"))


def test_codebooks_learn_from_the_batches_of_all_processes(photos, tmp_path):
    alone, pair = tmp_path / "alone", tmp_path / "pair"
    run("vqvae", photos, alone, steps=1, batch_size=4)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    done = process("vqvae", photos, pair, "--steps", 1, "--batch-size", 2, "--devices", 2, launcher=launcher)
    assert done.returncode == 0, done.stderr
    ours, theirs = (state(folder)["networks"] for folder in (pair, alone))
    for level in ("structure", "texture"):
        counts = f"{level}.counts"
        assert torch.equal(ours["averages"][counts], theirs["averages"][counts])
        torch.testing.assert_close(ours["averages"][f"{level}.sums"], theirs["averages"][f"{level}.sums"])
        name = f"vqvae.{level}_codebook.vectors"
        torch.testing.assert_close(ours["dsi"][name], theirs["dsi"][name])


def test_training_lowers_every_stage_s_loss(photos, tmp_path, vqvae):
    faster = {"learning_rate": 3e-3, "schedule": "constant", "warmup": 0}
    recipes = {
        "vqvae": ("reconstruction", None),
        "structure": ("bits per code", vqvae),
        "texture": ("picture", vqvae),
    }
    for stage, (loss, start) in recipes.items():
        module, table = STAGES[stage][2:]
        recipe = dataclasses.replace(getattr(module, table)["tiny"](), **faster)
        run(stage, photos, tmp_path / stage, start=start, steps=40, recipe=recipe, save_every=100)
        seen = [line[loss] for line in figures(tmp_path / stage)]
        assert np.mean(seen[-5:]) < 0.93 * np.mean(seen[:5]), stage


def test_a_structure_generator_that_decodes_in_parallel_is_learnt_by_the_same_recipe(photos, tmp_path, vqvae):
    recipe = dsi_structure.STRUCTURE_RECIPES["tiny"]()
    structure = dataclasses.replace(recipe.network.structure, order="parallel", dropout=0.1)
    faster = {"learning_rate": 3e-3, "schedule": "constant", "warmup": 0}
    recipe = dataclasses.replace(
        recipe, network=dataclasses.replace(recipe.network, structure=structure), **faster
    )
    trained = load_weights(
        run("structure", photos, tmp_path / "whole", start=vqvae, steps=60, recipe=recipe, save_every=30)
    )
    seen = [line["bits per hidden code"] for line in figures(tmp_path / "whole")]
    assert np.mean(seen[-10:]) < 0.93 * np.mean(seen[:10])
    assert build_network(trained).config.structure.order == "parallel"
    # Which codes are hidden follows from the step.
    again = run("structure", photos, tmp_path / "again", start=vqvae, steps=60, recipe=recipe)
    assert_same(state(tmp_path / "whole"), state(tmp_path / "again"))
    assert torch.equal(
        load_weights(again).state["structure.network.to_logits.g"],
        trained.state["structure.network.to_logits.g"],
    )


def test_later_stages_leave_the_vqvae_as_it_is(photos, tmp_path, vqvae):
    given = load_weights(vqvae).state
    for stage, part in (("structure", "structure"), ("texture", "texture")):
        weights = load_weights(run(stage, photos, tmp_path / stage, start=vqvae, steps=2))
        assert weights.family == "dsi"
        build_network(weights)
        for name, value in given.items():
            assert torch.equal(weights.state[name], value), name
        assert any(name.startswith(f"{part}.") for name in weights.state)
        other = "texture" if part == "structure" else "structure"
        assert not any(name.startswith(f"{other}.") for name in weights.state)


def test_a_stage_takes_the_sizes_of_the_vqvae_that_it_is_given(photos, tmp_path):
    network = dataclasses.replace(
        tiny(), vqvae=VqvaeConfig(channels=6, residual_channels=2, residual_blocks=1, codes=8, code_size=6)
    )
    recipe = dataclasses.replace(dsi_vqvae.VQVAE_RECIPES["tiny"](), network=network)
    start = run("vqvae", photos, tmp_path / "vqvae", steps=1, recipe=recipe)
    weights = load_weights(run("structure", photos, tmp_path / "structure", start=start, steps=1))
    assert weights.config["vqvae"]["codes"] == 8


def test_the_decoder_can_be_trained_on_codes_that_stay(photos, tmp_path, vqvae):
    recipe = dataclasses.replace(dsi_vqvae.VQVAE_RECIPES["tiny"](), keep_codes=True, structure_alone=1.0)
    given = load_weights(vqvae).state
    trained = load_weights(run("vqvae", photos, tmp_path / "run", start=vqvae, steps=3, recipe=recipe)).state
    for name, value in given.items():
        assert torch.equal(trained[name], value) == (".decoder." not in name), name
    assert "structure alone" in figures(tmp_path / "run")[0]


def test_later_stages_need_a_vqvae(photos, tmp_path):
    with pytest.raises(CheckpointError, match="builds on a trained VQ-VAE"):
        run("structure", photos, tmp_path / "run")
    with pytest.raises(CheckpointError, match="weights of medfe"):
        run("texture", photos, tmp_path / "run", start="medfe-small")


def test_the_log_tells_losses_and_perplexities(photos, tmp_path):
    run("vqvae", photos, tmp_path / "run", steps=1)
    (line,) = figures(tmp_path / "run")
    assert {"reconstruction", "structure commitment", "texture commitment"} <= line.keys()
    assert 1 <= line["structure perplexity"] <= 16
    assert 1 <= line["texture perplexity"] <= 16


def test_codes_are_encoded_once(photos, tmp_path, vqvae, monkeypatch):
    encoded = []
    step = dsi_structure.StructureRecipe._codes

    def counting(self, batch):
        encode = self.dsi.vqvae.encode
        self.dsi.vqvae.encode = lambda image: encoded.append(len(image)) or encode(image)
        try:
            return step(self, batch)
        finally:
            self.dsi.vqvae.encode = encode

    monkeypatch.setattr(dsi_structure.StructureRecipe, "_codes", counting)
    rest = {"start": vqvae, "views": 2, "steps": 12, "save_every": 100}
    run("structure", photos, tmp_path / "one", codes=tmp_path / "codes", **rest)
    assert sum(encoded) == 12  # 6 photographs, 2 views each; 24 examples were seen
    encoded.clear()
    run("structure", photos, tmp_path / "two", codes=tmp_path / "codes", **rest)
    assert encoded == []
    run("structure", photos, tmp_path / "fresh", **rest)
    assert_same(state(tmp_path / "two"), state(tmp_path / "fresh"))


def test_codes_of_other_weights_go_to_another_file(photos, tmp_path, vqvae):
    other = run("vqvae", photos, tmp_path / "other", steps=1)
    for start, name in ((vqvae, "a"), (other, "b")):
        run("structure", photos, tmp_path / name, start=start, views=1, steps=1, codes=tmp_path / "codes")
    assert len(list((tmp_path / "codes").iterdir())) == 2


def test_codes_of_fresh_crops_cannot_be_kept(photos, tmp_path, vqvae):
    with pytest.raises(InputError, match=r"--data\.views"):
        run("structure", photos, tmp_path / "run", start=vqvae, codes=tmp_path / "codes")


def test_a_cache_of_another_size_is_refused(tmp_path):
    cache = CodeCache(tmp_path, 3, (2, 2), "ab" * 32)
    assert cache.get([0]) is None
    cache.put([0, 2], np.arange(8).reshape(2, 2, 2))
    assert np.array_equal(cache.get([2]), [[[4, 5], [6, 7]]])
    assert cache.get([0, 1]) is None
    whole = cache.path.read_bytes()
    cache.path.unlink()
    cache.path.write_bytes(whole[:-3])
    with pytest.raises(TrainingError, match="delete it"):
        CodeCache(tmp_path, 3, (2, 2), "ab" * 32)


@pytest.mark.parametrize("stage", STAGES)
def test_numbers_that_are_not_finite_stop_the_run_and_keep_the_last_checkpoint(
    photos, tmp_path, vqvae, monkeypatch, stage
):
    module = STAGES[stage][2]
    optimizer_step = module.optimizer_step

    def broken(parameters, optimizer, loss, context, **rest):
        bad = loss * math.inf if context.step == 4 else loss
        return optimizer_step(parameters, optimizer, bad, context, **rest)

    monkeypatch.setattr(module, "optimizer_step", broken)
    with pytest.raises(TrainingError, match=r"gradient of the .+ loss .+ at step 4"):
        run(stage, photos, tmp_path / "run", start=None if stage == "vqvae" else vqvae)
    (last,) = list_checkpoints(tmp_path / "run")
    assert last.name == "step-00000003.ckpt"
    for network in state(tmp_path / "run")["networks"].values():
        assert all(bool(torch.isfinite(value).all()) for value in network.values())


def test_black_photographs_do_not_break_anything(tmp_path, vqvae):
    from PIL import Image

    folder = tmp_path / "black"
    folder.mkdir()
    for number in range(2):
        Image.new("RGB", (80, 80)).save(folder / f"{number}.png")
    for stage in STAGES:
        start = None if stage == "vqvae" else vqvae
        run(stage, folder, tmp_path / stage, start=start, steps=4)
        assert all(
            math.isfinite(value)
            for line in figures(tmp_path / stage)
            for value in line.values()
            if isinstance(value, float)
        )


def test_validation_looks_at_each_stage(photos, tmp_path, vqvae, monkeypatch):
    from twofold.train import run_dsi

    monkeypatch.setattr(
        run_dsi, "lpips_if_at_hand", lambda device: lambda a, b: (a - b).abs().mean(dim=(1, 2, 3))
    )
    wanted = {
        "vqvae": {"psnr", "lpips", "structure perplexity", "texture perplexity"},
        "structure": {"bits per code", "bits per missing code"},
        "texture": {"psnr", "lpips"},
    }
    for stage, names in wanted.items():
        start = None if stage == "vqvae" else vqvae
        run(stage, photos, tmp_path / stage, start=start, steps=1, validation=photos, validation_photos=2)
        lines = [json.loads(line) for line in (tmp_path / stage / "log.jsonl").read_text().splitlines()]
        (line,) = [line for line in lines if line["kind"] == "validation"]
        assert names <= line.keys()


def test_a_discriminator_of_features_survives_a_break(photos, tmp_path, vqvae, monkeypatch):
    monkeypatch.setattr(dsi_texture, "pretrained_vgg16", lambda path: given)
    torch.manual_seed(0)
    given = VGG16()
    recipe = dsi_texture.TEXTURE_RECIPES["tiny"]()
    weights = dataclasses.replace(recipe.weights, feature_adversarial=0.1)
    recipe = dataclasses.replace(recipe, weights=weights, adversarial_from=2, feature_crop=32)
    for folder in ("whole", "broken"):
        run("texture", photos, tmp_path / folder, start=vqvae, recipe=recipe)
    (tmp_path / "broken" / "step-00000006.ckpt").unlink()
    run("texture", photos, tmp_path / "broken", start=vqvae, recipe=recipe, resume=True)
    assert_same(state(tmp_path / "whole"), state(tmp_path / "broken"))
    seen = figures(tmp_path / "whole")
    assert ["feature judge" in line for line in seen] == [False, False, True, True, True, True]
    assert "feature_adversarial" in seen[-1]
