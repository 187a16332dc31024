import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from train.states import assert_same, state
from train.tiny_run import run
from twofold.errors import CheckpointError, TrainingError
from twofold.medfe.build import build_medfe
from twofold.medfe.config import tiny
from twofold.train import medfe
from twofold.train.checkpoint import list_checkpoints
from twofold.train.loop import LoopConfig

SCRIPT = Path(__file__).with_name("tiny_run.py")


def process(*arguments, launcher=()):
    return subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_ten_steps_equal_five_and_kill_and_five_more(photos, tmp_path, precision):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    done = process(photos, whole, "--precision", precision)
    assert done.returncode == 0, done.stderr
    killed = process(photos, broken, "--precision", precision, "--die-at", 7)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in list_checkpoints(broken)] == ["step-00000005.ckpt"]
    resumed = process(photos, broken, "--precision", precision, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert_same(state(whole), state(broken))


def test_two_processes_do_what_one_does_with_twice_the_batch(photos, tmp_path):
    alone, pair = tmp_path / "alone", tmp_path / "pair"
    done = process(photos, alone, "--steps", 3, "--batch-size", 4)
    assert done.returncode == 0, done.stderr
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    done = process(photos, pair, "--steps", 3, "--batch-size", 2, "--devices", 2, launcher=launcher)
    assert done.returncode == 0, done.stderr
    ours, theirs = state(pair), state(alone)
    # Adam's first moments are averages of gradients. Weights themselves are no measure: a bias before a
    # norm has no gradient but rounding, and Adam makes whole steps of that.
    for network in ("generator", "discriminators"):
        moments = (s["optimisers"][network]["state"] for s in (ours, theirs))
        for one, other in zip(*(m.values() for m in moments), strict=True):
            torch.testing.assert_close(one["exp_avg"], other["exp_avg"], rtol=1e-3, atol=1e-5)
    image, hole = torch.rand(2, 3, 64, 64) * 2 - 1, torch.ones(2, 1, 64, 64)
    pictures = []
    for weights in (ours, theirs):
        network = build_medfe(tiny())
        network.load_state_dict(weights["networks"]["generator"])
        pictures.append(network.fill(image, hole, [0, 0]).image)
    torch.testing.assert_close(*pictures, rtol=0, atol=1e-4)


def test_same_seed_gives_same_weights(photos, tmp_path):
    run(photos, tmp_path / "a", steps=1)
    run(photos, tmp_path / "b", steps=1)
    assert_same(state(tmp_path / "a"), state(tmp_path / "b"))


def test_training_lowers_the_reconstruction_loss(photos, tmp_path):
    weights = medfe.LossWeights(adversarial=0, perceptual=0, style=0)
    recipe = replace(medfe.tiny_recipe(), weights=weights, learning_rate=5e-3)
    run(photos, tmp_path / "run", steps=40, batch_size=4, save_every=40, recipe=recipe)
    entries = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    losses = [entry["reconstruction"] for entry in entries if entry["kind"] == "train"]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_log_names_every_loss_and_the_rate(photos, tmp_path):
    run(photos, tmp_path / "run", steps=1)
    entry = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert {"step", "kind", "discriminator", "reconstruction", "supervision", "adversarial", "total"} <= set(
        entry
    )
    assert entry["photographs/s"] > 0


def test_only_the_newest_two_checkpoints_stay(photos, tmp_path):
    run(photos, tmp_path / "run", steps=4, save_every=1)
    assert [path.name for path in list_checkpoints(tmp_path / "run")] == [
        "step-00000003.ckpt",
        "step-00000004.ckpt",
    ]
    assert not list((tmp_path / "run").glob(".twofold*"))


def test_a_run_is_never_overwritten(photos, tmp_path):
    run(photos, tmp_path / "run", steps=1)
    with pytest.raises(CheckpointError, match="continue it with --loop"):
        run(photos, tmp_path / "run", steps=1)


def test_resume_without_a_checkpoint_says_so(photos, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint to resume"):
        run(photos, tmp_path / "run", resume=True)


def test_resume_with_other_settings_names_the_setting(photos, tmp_path):
    run(photos, tmp_path / "run", steps=2, save_every=1)
    with pytest.raises(CheckpointError, match="steps=2, but now it is 3"):
        run(photos, tmp_path / "run", steps=3, resume=True)


def test_a_damaged_checkpoint_is_named(photos, tmp_path):
    run(photos, tmp_path / "run", steps=1)
    path = list_checkpoints(tmp_path / "run")[0]
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"step-00000001.ckpt cannot be read"):
        run(photos, tmp_path / "run", steps=1, resume=True)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_it(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(medfe.objective, "reconstruction_loss", lambda *a, **k: torch.tensor(float("nan")))
    with pytest.raises(TrainingError, match="reconstruction loss is nan at step 0"):
        run(photos, tmp_path / "run", steps=1)
    assert not list_checkpoints(tmp_path / "run")


def test_the_released_file_loads_and_fills(photos, tmp_path):
    from twofold.checkpoints.format import build_network, load_weights

    path = run(photos, tmp_path / "run", steps=2)
    weights = load_weights(path)
    assert weights.family == "medfe"
    assert weights.about["steps"] == 2
    network = build_network(weights)
    filled = network.fill(torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64), [0])
    assert filled.image.isfinite().all()


def test_time_limit_stops_with_a_checkpoint(photos, tmp_path, monkeypatch):
    from twofold.train import loop

    monkeypatch.setattr(loop, "_time_is_up", lambda since, minutes, fabric: True)
    run(photos, tmp_path / "run", steps=100)
    assert [path.name for path in list_checkpoints(tmp_path / "run")] == ["step-00000001.ckpt"]


def test_impossible_lengths_are_refused(tmp_path):
    with pytest.raises(TrainingError, match="steps is 0"):
        LoopConfig(tmp_path, steps=0)


def test_validation_is_logged(photos, tmp_path):
    run(photos, tmp_path / "run", steps=1, validation=photos, validation_photos=2)
    entries = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    (figures,) = [entry for entry in entries if entry["kind"] == "validation"]
    assert 0 < figures["psnr"] < 60


def test_sample_pictures_are_on_the_board(photos, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(photos, tmp_path / "run", steps=1, validation=photos, validation_photos=2)
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    assert board.Tags()["images"] == ["validation/0", "validation/1"]
    picture = board.Images("validation/0")[0]
    assert (picture.width, picture.height) == (3 * 256, 256)  # hole, fill, photograph
    assert {"train/total", "validation/psnr"} <= set(board.Tags()["scalars"])


def test_a_network_can_grow_while_it_is_trained(photos, tmp_path, capfd):
    small = run(photos, tmp_path / "small", steps=1)
    grown = replace(medfe.tiny_recipe(), network=replace(tiny(), refined_stages=1))
    run(photos, tmp_path / "grown", steps=1, start=str(small), recipe=grown)
    assert "lacks decoder.stages.4.refinement" in capfd.readouterr().err


def test_starting_from_another_network_names_what_does_not_fit(photos, tmp_path):
    other = run(photos, tmp_path / "other", steps=1)
    wider = replace(medfe.tiny_recipe(), network=replace(tiny(), fill_channels=16))
    with pytest.raises(CheckpointError, match=r"does not have in that shape \(equalization"):
        run(photos, tmp_path / "wider", steps=1, start=str(other), recipe=wider)
