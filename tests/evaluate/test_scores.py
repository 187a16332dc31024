"""Scores of several answers against slow references."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twofold.evaluate import networks
from twofold.evaluate.items import Item
from twofold.evaluate.metrics import BEST, METRICS, of_kind
from twofold.evaluate.scores import Scorer, crop_diversity, hole_diversity
from twofold.features.alexnet import AlexNet
from twofold.features.lpips import LPIPS, LPIPSHeads
from twofold.tensors import image_to_tensor

SIDE = 40


class Counted(AlexNet):
    """Counts how many pictures it has seen."""

    pictures = 0

    def forward(self, image):
        self.pictures += len(image)
        return super().forward(image)


@pytest.fixture(scope="module")
def lpips() -> LPIPS:
    torch.manual_seed(0)
    return LPIPS("alex", Counted())


@pytest.fixture(autouse=True)
def untrained(monkeypatch, lpips):
    monkeypatch.setattr(networks, "pretrained_lpips", lambda net: lpips)


SEVERAL = ("psnr", "lpips", "best psnr", "best lpips", "diversity-hole")


def score_answers(answers, item, names=SEVERAL) -> dict[str, float]:
    return Scorer()(answers, item, names)


@pytest.fixture
def item() -> Item:
    hole = np.zeros((SIDE, SIDE), np.bool_)
    hole[5:20, 8:30] = True
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    return Item("a.png", image, hole, "boxes")


def answers_to(item: Item, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(count):
        answer = item.image.copy()
        answer[item.hole] = rng.integers(0, 256, (int(item.hole.sum()), 3))
        found.append(answer)
    return found


def test_diversity_is_the_mean_of_all_pairs_maps_over_missing_pixels(lpips, item):
    answers = answers_to(item, 4)
    pairs = []
    for a, b in combinations(answers, 2):
        found = lpips.spatial(image_to_tensor(a), image_to_tensor(b))[0].numpy()
        pairs.append(np.mean([found[y, x] for y in range(SIDE) for x in range(SIDE) if item.hole[y, x]]))
    ours = score_answers(answers, item)["diversity-hole"]
    assert len(pairs) == 6
    assert ours == pytest.approx(np.mean(pairs), rel=1e-5)
    assert ours > 0


def test_diversity_of_crops_is_the_mean_distance_of_all_pairs(lpips, item):
    answers = answers_to(item, 3)
    tensors = [image_to_tensor(answer) for answer in answers]
    pairs = [float(lpips(a, b)) for a, b in combinations(tensors, 2)]
    assert score_answers(answers, item, ["diversity"])["diversity"] == pytest.approx(np.mean(pairs), rel=1e-5)
    assert crop_diversity([lpips.trunk(tensors[0])], lpips.heads) == 0


def test_every_metric_of_pictures_is_computed_and_perfect_for_the_truth(item):
    names = of_kind(METRICS, "picture")
    side = 64  # the largest window is 51 pixels wide
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    hole = np.zeros((side, side), np.bool_)
    hole[9:40, 20:50] = True
    large = Item("a.png", image, hole, "boxes")
    perfect = {"psnr": np.inf, "psnr-grey": np.inf} | {name: 1.0 for name in names if "ssim" in name}
    for name, value in score_answers([image], large, names).items():
        assert value == pytest.approx(perfect.get(name, 0.0), abs=1e-6), name
    worse = score_answers([np.where(hole[..., None], 255 - image, image)], large, names)
    for name, value in worse.items():
        assert (value < perfect[name]) if name in perfect else (value > 0 or name == "seam"), name


def test_mean_and_best_are_over_the_answers_each_alone(item):
    answers = answers_to(item, 3)
    names = tuple(name for name in of_kind(METRICS, "picture") if name not in ("ssim-uniform51", "seam"))
    alone = [score_answers([answer], item, names) for answer in answers]
    both = score_answers(answers, item, [*names, *(BEST + name for name in names)])
    for name in names:
        values = [one[name] for one in alone]
        assert both[name] == pytest.approx(np.mean(values), rel=1e-5)
        chosen = max(values) if METRICS[name].better == "higher" else min(values)
        assert both[BEST + name] == pytest.approx(chosen, rel=1e-5)


def test_metrics_without_networks_load_none(item, monkeypatch):
    monkeypatch.setattr(networks, "pretrained_lpips", lambda net: pytest.fail("loaded"))
    scorer = Scorer()
    assert list(scorer(answers_to(item, 1), item, ["psnr", "best l1"])) == ["psnr", "best l1"]


def test_each_picture_is_seen_once_by_the_network_not_once_a_pair(lpips, item):
    before = lpips.trunk.pictures
    score_answers(answers_to(item, 5), item)
    assert lpips.trunk.pictures - before == 5 + 1  # the truth too


def test_equal_answers_and_a_single_one_have_no_diversity(lpips, item):
    (answer,) = answers_to(item, 1)
    assert score_answers([answer], item)["diversity-hole"] == 0
    assert score_answers([answer] * 3, item)["diversity-hole"] == 0


def test_one_odd_answer_of_three_is_two_thirds_of_its_distance(lpips, item):
    a, b = answers_to(item, 2)
    pair = score_answers([a, b], item)["diversity-hole"]
    three = score_answers([a, a, b], item)["diversity-hole"]
    assert three == pytest.approx(pair * 2 / 3, rel=1e-5)


def test_known_pixels_do_not_dilute_diversity(lpips, item):
    a, b = answers_to(item, 2)
    whole = float(lpips.spatial(image_to_tensor(a), image_to_tensor(b)).mean())
    assert score_answers([a, b], item)["diversity-hole"] > whole


def test_a_true_answer_is_the_best_by_both_metrics(lpips, item):
    found = score_answers([*answers_to(item, 1), item.image], item)
    assert found["best psnr"] == np.inf
    assert found["best lpips"] == 0
    assert found["lpips"] > 0


def test_hole_without_pixels_has_no_diversity(lpips, item):
    features = [lpips.trunk(image_to_tensor(answer)) for answer in answers_to(item, 2)]
    assert hole_diversity(features, np.zeros((SIDE, SIDE), np.bool_), lpips.heads) == 0


@given(st.permutations(range(4)))
def test_order_of_answers_does_not_matter(order):
    heads = LPIPSHeads("alex")
    rng = torch.Generator().manual_seed(0)
    features = [
        {
            layer: torch.randn(1, heads.get_buffer(layer).shape[1], 3, 3, generator=rng)
            for layer in heads.layers
        }
        for _ in range(4)
    ]
    hole = np.eye(8, dtype=np.bool_)
    ours = hole_diversity([features[i] for i in order], hole, heads)
    assert ours == pytest.approx(hole_diversity(features, hole, heads), rel=1e-6)
