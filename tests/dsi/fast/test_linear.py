"""Products with fixed weights: the same, prepacked or not."""

from __future__ import annotations

import pytest
import torch

from dsi.lively import random
from twofold.dsi.fast import linear
from twofold.dsi.fast.linear import PrepackedLinear


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("outs", [3, 40])
def test_a_product_is_the_plain_one(monkeypatch, packing, biased, outs):
    if not packing:
        monkeypatch.setattr(linear, "prepacked", lambda weight: None)
    monkeypatch.setattr(linear, "SMALL_PRODUCT", 1000)  # 40 outputs of 13 inputs: both ways are taken
    weight, bias = random(outs, 13), random(outs, seed=1) if biased else None
    product = PrepackedLinear(weight, bias)
    for rows in (1, 2, 30):
        features, plus = random(rows, 13, seed=2), random(rows, outs, seed=3)
        expected = torch.nn.functional.linear(features, weight, bias)
        given = plus.clone()
        torch.testing.assert_close(product(features), expected)
        torch.testing.assert_close(product(features, plus), expected + plus)
        assert torch.equal(plus, given)


def test_weights_that_cannot_be_packed_are_used_plainly():
    product = PrepackedLinear(random(40, 13).double())
    assert product.prepacked is None
    torch.testing.assert_close(
        product(random(1, 13).double()), random(1, 13).double() @ random(40, 13).double().T
    )


@pytest.mark.parametrize("packing", [True, False])
def test_rounded_weights_give_nearly_the_plain_product(monkeypatch, packing):
    if not packing:
        monkeypatch.setattr(linear, "prepacked", lambda weight: None)
    weight, bias, features = random(40, 13), random(40, seed=1), random(5, 13, seed=2)
    rounded = PrepackedLinear(weight, bias, dtype=torch.bfloat16)(features.bfloat16())
    assert rounded.dtype == torch.bfloat16
    expected = torch.nn.functional.linear(features, weight, bias)
    torch.testing.assert_close(rounded.float(), expected, atol=0.1, rtol=0.02)
