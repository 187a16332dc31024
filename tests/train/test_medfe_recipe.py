from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from twofold.errors import InputError, TrainingError
from twofold.features.vgg import VGG16
from twofold.train import medfe
from twofold.train.medfe import LossWeights, MedfeRecipe, tiny_recipe
from twofold.train.recipe import StepContext

ALL = LossWeights(perceptual=0.2, style=250.0, lpips=1.0)


@pytest.fixture
def untrained_vgg(monkeypatch):
    monkeypatch.setattr(medfe, "pretrained_vgg16", lambda path: VGG16())


def batch(size=64):
    generator = torch.Generator().manual_seed(3)
    image = torch.rand(2, 3, size, size, generator=generator) * 2 - 1
    hole = torch.zeros(2, 1, size, size)
    hole[:, :, 20:50, 10:40] = 1
    return {"image": image, "hole": hole, "structure": image.clone()}


def context(step=0):
    return StepContext(step, 10, seed=0, fabric=Fabric(accelerator="cpu", devices=1))


def recipe(config):
    return MedfeRecipe(config, torch.device("cpu"))


@pytest.mark.parametrize("official_style", [False, True])
def test_every_term_of_the_paper_is_in_one_step(untrained_vgg, official_style):
    config = replace(tiny_recipe(), weights=ALL, official_style=official_style, imagenet_statistics=False)
    losses = recipe(config).step(batch(), context())
    terms = {"reconstruction", "supervision", "perceptual", "style", "lpips", "adversarial", "discriminator"}
    assert losses.keys() == terms | {"total"}
    assert all(torch.isfinite(value) and value > 0 for value in losses.values())


def test_the_total_is_the_weighted_sum_of_the_terms(untrained_vgg):
    losses = recipe(replace(tiny_recipe(), weights=ALL)).step(batch(), context())
    expected = sum(
        getattr(ALL, name) * value for name, value in losses.items() if name not in ("total", "discriminator")
    )
    torch.testing.assert_close(losses["total"], expected)


@pytest.mark.parametrize("term", ["perceptual", "style", "lpips", "supervision", "adversarial"])
def test_a_term_of_weight_zero_is_not_computed(untrained_vgg, term):
    losses = recipe(replace(tiny_recipe(), weights=replace(ALL, **{term: 0.0}))).step(batch(), context())
    assert term not in losses


def test_vgg_is_not_asked_for_when_no_term_needs_it(monkeypatch):
    monkeypatch.setattr(medfe, "pretrained_vgg16", lambda path: pytest.fail("VGG-16 was asked for"))
    recipe(tiny_recipe()).step(batch(), context())


def test_discriminators_join_at_their_step():
    late = recipe(replace(tiny_recipe(), adversarial_from=5))
    before = [parameter.clone() for parameter in late.discriminators.parameters()]
    assert "adversarial" not in late.step(batch(), context(4))
    assert all(map(torch.equal, before, late.discriminators.parameters()))
    assert "adversarial" in late.step(batch(), context(5))
    assert not all(map(torch.equal, before, late.discriminators.parameters()))


def test_one_step_moves_every_weight_that_a_loss_can_reach():
    fresh = recipe(tiny_recipe())
    before = {name: value.clone() for name, value in fresh.generator.named_parameters()}
    # At 64 pixels the bottleneck is one position, of which an instance norm leaves nothing.
    fresh.step(batch(128), context())
    still = [name for name, value in fresh.generator.named_parameters() if torch.equal(before[name], value)]
    assert not still


def test_clipping_bounds_the_gradient():
    bounded = recipe(replace(tiny_recipe(), clip=1e-3))
    bounded.step(batch(), context())
    norms = torch.stack([parameter.grad.norm() for parameter in bounded.generator.parameters()])
    assert norms.norm() == pytest.approx(1e-3, rel=1e-3)


def test_a_gradient_that_is_not_finite_updates_nothing():
    ours = recipe(tiny_recipe())
    before = {name: value.clone() for name, value in ours.generator.state_dict().items()}
    broken = batch()
    broken["image"][0, 0, 0, 0] = float("nan")
    with pytest.raises(TrainingError, match="not finite at step 4"):
        ours.step(broken, context(4))
    assert all(torch.equal(value, before[name]) for name, value in ours.generator.state_dict().items())


def test_the_composited_features_ignore_the_known_part(untrained_vgg):
    """Where nothing is missing, a composited picture is the photograph: no feature differs."""
    weights = replace(ALL, adversarial=0.0)
    config = replace(tiny_recipe(), weights=weights, composited=True, feature_crop=32)
    whole = batch()
    whole["hole"] = torch.zeros_like(whole["hole"])
    losses = recipe(config).step(whole, context())
    assert losses["perceptual"] == losses["style"] == losses["lpips"] == 0
    assert losses["reconstruction"] > 0


def test_the_learning_rate_follows_the_schedule():
    scheduled = recipe(replace(tiny_recipe(), schedule="cosine", learning_rate=1.0))
    scheduled.step(batch(), context(5))
    assert [o.param_groups[0]["lr"] for o in scheduled.optimizers.values()] == pytest.approx([0.51, 0.51])


def test_same_seed_gives_the_same_network():
    ours, theirs = recipe(tiny_recipe()).generator, recipe(tiny_recipe()).generator
    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))


def compared(**changes):
    weights = LossWeights(perceptual=0.0, style=0.0, adversarial=0.0, feature_adversarial=0.1)
    return replace(tiny_recipe(), weights=weights, composited=True, **changes)


def test_fills_can_be_compared_by_features(untrained_vgg):
    ours = recipe(compared())
    before = {name: value.clone() for name, value in ours.networks["feature_judge"].state_dict().items()}
    losses = ours.step(batch(), context())
    assert losses.keys() == {"reconstruction", "supervision", "feature_adversarial", "feature judge", "total"}
    after = ours.networks["feature_judge"].state_dict()
    assert all(not torch.equal(after[name], before[name]) for name in before if name.endswith("original"))
    assert all(parameter.requires_grad for parameter in ours.networks["feature_judge"].parameters())
    assert ours.optimizers.keys() == {"generator", "feature_judge"}


def test_the_discriminator_of_features_moves_the_network(untrained_vgg):
    alone = replace(compared().weights, reconstruction=0.0, supervision=0.0)
    ours = recipe(replace(compared(), weights=alone))
    start = {name: value.clone() for name, value in ours.generator.named_parameters()}
    ours.step(batch(), context())
    moved = [name for name, value in ours.generator.named_parameters() if not torch.equal(value, start[name])]
    assert len(moved) > len(start) / 2


def test_the_discriminator_of_features_joins_at_its_step(untrained_vgg):
    ours = recipe(compared(adversarial_from=3))
    assert "feature_adversarial" not in ours.step(batch(), context(2))
    assert "feature_adversarial" in ours.step(batch(), context(3))


def test_features_of_pictures_that_are_not_composited_are_not_compared(untrained_vgg):
    with pytest.raises(InputError, match=r"--recipe\.composited"):
        recipe(replace(compared(), composited=False))
