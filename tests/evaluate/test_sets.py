"""Metrics of all answers together."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.errors import InputError
from twofold.evaluate.metrics import METRICS
from twofold.evaluate.results import ALL
from twofold.evaluate.sets import check_enough, few_pictures, networks_of, set_figures
from twofold.metrics.frechet import frechet_distance, kernel_distance
from twofold.metrics.inception_scores import inception_score, modified_inception_score

RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=(40, 6)).astype(np.float32)
FILLS = RNG.normal(loc=0.5, size=(40, 6)).astype(np.float32)
CLASSES = RNG.dirichlet(np.ones(5), size=40).astype(np.float32)
ALL_SETS = tuple(name for name, one in METRICS.items() if one.kind == "set")


def test_every_metric_of_sets_has_a_network():
    assert networks_of(ALL_SETS) == ("vgg16", "inception")
    assert all(networks_of([name]) for name in ALL_SETS)
    assert networks_of(["psnr", "vgg-fd"]) == ("vgg16",)


def test_figures_are_those_of_the_metrics_in_their_units():
    answers = {"inception": (FILLS, CLASSES), "vgg16": (FILLS,)}
    photographs = {"inception": (TRUTH, CLASSES), "vgg16": (TRUTH,)}
    found = {one.metric: one for one in set_figures("a", ALL_SETS, answers, photographs)}
    assert set(found) == set(ALL_SETS)
    assert found["fid"].value == found["vgg-fd"].value == pytest.approx(frechet_distance(FILLS, TRUTH))
    assert found["kid"].value == pytest.approx(1000 * kernel_distance(FILLS, TRUTH)[0])
    assert found["is"].value == pytest.approx(inception_score(CLASSES))
    assert found["mis"].value == pytest.approx(modified_inception_score(CLASSES))
    assert 0 <= found["u-ids"].value <= 100
    assert 0 <= found["p-ids"].value <= 100
    for one in found.values():
        assert (one.model, one.group, one.photos, one.low, one.high) == ("a", ALL, 40, None, None)


def test_no_networks_give_no_figures():
    assert set_figures("a", (), {}, {}) == []


def test_several_answers_count_but_pairs_take_the_first():
    doubled = np.repeat(TRUTH, 2, axis=0)
    doubled[1::2] += 100  # second answers, far away
    photographs = {"inception": (TRUTH, CLASSES)}
    names = ("fid", "p-ids", "u-ids")
    both = {"inception": (doubled, np.repeat(CLASSES, 2, axis=0))}
    found = {one.metric: one.value for one in set_figures("a", names, both, photographs)}
    once = {"inception": (TRUTH, CLASSES)}
    first = {one.metric: one.value for one in set_figures("a", names, once, photographs)}
    assert (found["p-ids"], found["u-ids"]) == (first["p-ids"], first["u-ids"])
    assert found["fid"] > 1000 > 1e-3 > first["fid"]


def test_few_pictures_are_warned_of_but_not_for_unbiased_metrics():
    (warning,) = few_pictures(("fid", "kid", "vgg-fd"), 300)
    assert warning.startswith("FID, VGG-FD: 300 pictures are fewer than 2,048")
    assert few_pictures(("fid",), 2048) == []
    assert few_pictures(("kid", "vgg-kd"), 300) == []
    assert few_pictures((), 3) == []


def test_metrics_that_need_more_pictures_are_refused_early():
    check_enough(("fid", "is"), 10)
    check_enough((), 1)
    with pytest.raises(InputError, match="is needs at least 10 photographs but there are 9"):
        check_enough(("fid", "is"), 9)
    with pytest.raises(InputError, match="vgg-kd needs at least 2"):
        check_enough(("vgg-kd",), 1)
