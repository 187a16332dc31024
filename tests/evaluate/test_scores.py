"""Scores of several answers against slow references."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twofold.evaluate.protocol import Case
from twofold.evaluate.scores import hole_diversity, score_answers
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


@pytest.fixture
def case() -> Case:
    hole = np.zeros((SIDE, SIDE), np.bool_)
    hole[5:20, 8:30] = True
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    return Case("a.png", image, hole, (0.2, 0.3))


def answers_to(case: Case, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(count):
        answer = case.image.copy()
        answer[case.hole] = rng.integers(0, 256, (int(case.hole.sum()), 3))
        found.append(answer)
    return found


def test_diversity_is_the_mean_of_all_pairs_maps_over_missing_pixels(lpips, case):
    answers = answers_to(case, 4)
    pairs = []
    for a, b in combinations(answers, 2):
        found = lpips.spatial(image_to_tensor(a), image_to_tensor(b))[0].numpy()
        pairs.append(np.mean([found[y, x] for y in range(SIDE) for x in range(SIDE) if case.hole[y, x]]))
    ours = score_answers(answers, case, lpips, several=True)["diversity"]
    assert len(pairs) == 6
    assert ours == pytest.approx(np.mean(pairs), rel=1e-5)
    assert ours > 0


def test_each_picture_is_seen_once_by_the_network_not_once_a_pair(lpips, case):
    before = lpips.trunk.pictures
    score_answers(answers_to(case, 5), case, lpips, several=True)
    assert lpips.trunk.pictures - before == 5 + 1  # the truth too


def test_equal_answers_and_a_single_one_have_no_diversity(lpips, case):
    (answer,) = answers_to(case, 1)
    assert score_answers([answer], case, lpips, several=True)["diversity"] == 0
    assert score_answers([answer] * 3, case, lpips, several=True)["diversity"] == 0


def test_one_odd_answer_of_three_is_two_thirds_of_its_distance(lpips, case):
    a, b = answers_to(case, 2)
    pair = score_answers([a, b], case, lpips, several=True)["diversity"]
    three = score_answers([a, a, b], case, lpips, several=True)["diversity"]
    assert three == pytest.approx(pair * 2 / 3, rel=1e-5)


def test_known_pixels_do_not_dilute_diversity(lpips, case):
    a, b = answers_to(case, 2)
    whole = float(lpips.spatial(image_to_tensor(a), image_to_tensor(b)).mean())
    assert score_answers([a, b], case, lpips, several=True)["diversity"] > whole


def test_a_true_answer_is_the_best_by_both_metrics(lpips, case):
    scores = score_answers([*answers_to(case, 1), case.image], case, lpips, several=True)
    assert scores["best psnr"] == np.inf
    assert scores["best lpips"] == 0
    assert scores["lpips"] > 0


def test_hole_without_pixels_has_no_diversity(lpips, case):
    features = [lpips.trunk(image_to_tensor(answer)) for answer in answers_to(case, 2)]
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
