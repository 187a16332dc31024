"""U-IDS and P-IDS: what a linear classifier can and cannot tell apart."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from twofold.errors import InputError, MissingExtraError
from twofold.metrics.discernibility import discernibility


def rows(count: int = 400, width: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width))


def test_sets_far_apart_deceive_nobody():
    pytest.importorskip("sklearn")
    found = discernibility(rows() + 20, rows(seed=1))
    assert (found.u_ids, found.p_ids) == (0, 0)


def test_sets_alike_deceive_half_the_time():
    pytest.importorskip("sklearn")
    found = discernibility(rows(4000), rows(4000, seed=1))
    assert 0.45 < found.u_ids < 0.5
    assert 0.42 < found.p_ids < 0.52


def test_photographs_handed_in_as_answers_are_never_realer_than_themselves():
    pytest.importorskip("sklearn")
    found = discernibility(rows(), rows())
    assert found.u_ids == 0.5
    assert found.p_ids == 0


def test_on_a_line_the_classifier_is_a_threshold_and_both_shares_can_be_counted():
    pytest.importorskip("sklearn")
    real = np.array([[3.0], [3.0], [3.0], [-9.0]])
    fake = np.array([[-3.0], [-3.0], [-3.0], [-8.0]])
    found = discernibility(fake, real)
    assert found.u_ids == 1 / 8  # the photograph at -9
    assert found.p_ids == 1 / 4  # its answer at -8


def test_pairing_matters_to_p_ids_only_and_same_features_give_same_figures():
    pytest.importorskip("sklearn")
    real, fake = rows(), rows(seed=1) + 0.5
    found, again = discernibility(fake, real), discernibility(fake, real)
    assert found == again
    shuffled = discernibility(fake, real[::-1])
    assert shuffled.u_ids == pytest.approx(found.u_ids, abs=0.01)
    assert shuffled.p_ids != found.p_ids


def test_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(MissingExtraError, match=r"scikit-learn.*twofold\[evaluate\]"):
        discernibility(rows(), rows())


def test_unfit_features_are_refused():
    with pytest.raises(InputError, match=r"\(3, 5\) and reference of \(4, 5\)"):
        discernibility(rows(3), rows(4))
    with pytest.raises(InputError, match="at least two"):
        discernibility(rows(1), rows(1))
    with pytest.raises(InputError, match="not finite"):
        discernibility(rows(3) * np.inf, rows(3))
