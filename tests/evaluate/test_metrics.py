"""The table of metrics."""

from __future__ import annotations

import pytest

from twofold.errors import InputError
from twofold.evaluate.metrics import METRICS, metric, of_kind


def test_every_metric_says_what_it_measures_and_which_values_are_better():
    for name, one in METRICS.items():
        assert one.meaning, name
        assert one.better in ("higher", "lower", "neither")
        assert one.show(1.23456).startswith("1.2"), name
    labels = [one.label for one in METRICS.values()]
    assert len(set(labels)) == len(labels)


def test_best_of_a_metric_is_a_metric_of_several_answers():
    best = metric("best psnr")
    assert (best.kind, best.better, best.unit, best.label) == ("answers", "higher", "dB", "best PSNR")


@pytest.mark.parametrize(
    "name", ["beauty", "best beauty", "best fid", "best diversity", "best seam", "PSNR", ""]
)
def test_names_that_are_no_metrics_are_refused_with_the_choice(name):
    with pytest.raises(InputError, match="choose from psnr, psnr-grey"):
        metric(name)


def test_metrics_of_a_kind_keep_their_order():
    names = ("fid", "lpips", "best lpips", "psnr", "diversity")
    assert of_kind(names, "picture") == ("lpips", "psnr")
    assert of_kind(names, "answers", "set") == ("fid", "best lpips", "diversity")
