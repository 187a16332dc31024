"""Folded weights: the same products, packed or not, and never stale."""

from __future__ import annotations

import gc

import pytest
import torch

from dsi.lively import codebook, generator, random
from twofold.dsi import folded, folded_linear
from twofold.dsi.folded import draft_pays, folded_pixelcnn, folded_pixelcnns
from twofold.dsi.folded_linear import FoldedLinear


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("outs", [3, 40])
def test_a_product_is_the_plain_one(monkeypatch, packing, biased, outs):
    if not packing:
        monkeypatch.setattr(folded_linear, "packed", lambda weight: None)
    monkeypatch.setattr(folded_linear, "SMALL_PRODUCT", 1000)  # 40 outputs of 13 inputs: both ways are taken
    weight, bias = random(outs, 13), random(outs, seed=1) if biased else None
    linear = FoldedLinear(weight, bias)
    for rows in (1, 2, 30):
        features, plus = random(rows, 13, seed=2), random(rows, outs, seed=3)
        expected = torch.nn.functional.linear(features, weight, bias)
        given = plus.clone()
        torch.testing.assert_close(linear(features), expected)
        torch.testing.assert_close(linear(features, plus), expected + plus)
        assert torch.equal(plus, given)


def test_weights_that_cannot_be_packed_are_used_plainly():
    linear = FoldedLinear(random(40, 13).double())
    assert linear.packed is None
    torch.testing.assert_close(
        linear(random(1, 13).double()), random(1, 13).double() @ random(40, 13).double().T
    )


def test_folded_weights_are_kept_until_a_weight_changes():
    network, vectors = generator().pixelcnn, codebook().vectors
    first = folded_pixelcnn(network, vectors)
    assert folded_pixelcnn(network, vectors) is first
    with torch.no_grad():
        network.to_logits.b[2] += 1
    second = folded_pixelcnn(network, vectors)
    assert second is not first
    network.up_in.v.data[0, 0, 0, 0] += 1  # a change that PyTorch's counters do not see
    third = folded_pixelcnn(network, vectors)
    assert third is not second
    vectors[0, 0] += 1
    assert folded_pixelcnn(network, vectors) is not third


def test_folded_weights_go_with_their_network():
    network = generator().pixelcnn
    folded_pixelcnn(network, codebook().vectors)
    before = len(folded._FOLDED)
    del network
    gc.collect()
    assert len(folded._FOLDED) == before - 1


def test_networks_made_in_inference_mode_are_folded():
    with torch.inference_mode():
        network = generator().pixelcnn
        vectors = codebook().vectors
        first = folded_pixelcnn(network, vectors)
        assert folded_pixelcnn(network, vectors) is first


@pytest.mark.parametrize("packing", [True, False])
def test_rounded_weights_give_nearly_the_plain_product(monkeypatch, packing):
    if not packing:
        monkeypatch.setattr(folded_linear, "packed", lambda weight: None)
    weight, bias, features = random(40, 13), random(40, seed=1), random(5, 13, seed=2)
    rounded = FoldedLinear(weight, bias, dtype=torch.bfloat16)(features.bfloat16())
    assert rounded.dtype == torch.bfloat16
    expected = torch.nn.functional.linear(features, weight, bias)
    torch.testing.assert_close(rounded.float(), expected, atol=0.1, rtol=0.02)


def test_both_precisions_are_kept_side_by_side():
    network, vectors = generator().pixelcnn, codebook().vectors
    plain = folded_pixelcnn(network, vectors)
    full, rounded = folded_pixelcnns(network, vectors, torch.float32, torch.bfloat16)
    assert full is plain
    assert rounded.dtype == torch.bfloat16
    assert folded_pixelcnn(network, vectors, torch.bfloat16) is rounded


def test_drafts_need_instructions_that_this_pytorch_knows_of(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(folded, "packed", lambda weight: weight)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert draft_pays(cpu, 1)
    assert not draft_pays(torch.device("cuda"), 1)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not draft_pays(cpu, 1)
    assert draft_pays(cpu, 2)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert not draft_pays(cpu, 8)
    monkeypatch.undo()
    monkeypatch.setattr(folded, "packed", lambda weight: None)
    assert not draft_pays(cpu, 8)
