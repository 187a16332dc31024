"""Fused weights: never stale, and gone with their network."""

from __future__ import annotations

import gc
import weakref

import torch

from dsi.lively import codebook, generator
from twofold.dsi.fast.weights import fused_pixelcnn


def test_fused_weights_are_kept_until_a_weight_changes():
    network, vectors = generator().pixelcnn, codebook().vectors
    first = fused_pixelcnn(network, vectors)
    assert fused_pixelcnn(network, vectors) is first
    with torch.no_grad():
        network.to_logits.b[2] += 1
    second = fused_pixelcnn(network, vectors)
    assert second is not first
    network.up_in.v.data[0, 0, 0, 0] += 1  # a change that PyTorch's counters do not see
    third = fused_pixelcnn(network, vectors)
    assert third is not second
    vectors[0, 0] += 1
    assert fused_pixelcnn(network, vectors) is not third


def test_fused_weights_go_with_their_network():
    network = generator().pixelcnn
    fused = weakref.ref(fused_pixelcnn(network, codebook().vectors))
    gc.collect()
    assert fused() is not None
    del network
    gc.collect()
    assert fused() is None


def test_networks_made_in_inference_mode_are_fused():
    with torch.inference_mode():
        network = generator().pixelcnn
        vectors = codebook().vectors
        first = fused_pixelcnn(network, vectors)
        assert fused_pixelcnn(network, vectors) is first


def test_both_precisions_are_kept_side_by_side():
    network, vectors = generator().pixelcnn, codebook().vectors
    plain = fused_pixelcnn(network, vectors)
    rounded = fused_pixelcnn(network, vectors, torch.bfloat16)
    assert fused_pixelcnn(network, vectors) is plain
    assert rounded.dtype == torch.bfloat16
    assert fused_pixelcnn(network, vectors, torch.bfloat16) is rounded
