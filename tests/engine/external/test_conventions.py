"""How model files are told apart, and what goes in and out of them: closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.engine.external.conventions import (
    LAMA_PAIR,
    LAMA_STACKED,
    MIGAN_PAIR,
    MIGAN_STACKED,
    Slot,
    choose_convention,
)
from twofold.errors import CheckpointError

FREE, FIXED = (1, 3, None, None), (1, 3, 512, 384)


def pair(kind="float32", mask_kind=None, names=("image", "mask"), shapes=None):
    shapes = shapes or ((1, 3, None, None), (1, 1, None, None))
    return [Slot(names[0], kind, shapes[0]), Slot(names[1], mask_kind or kind, shapes[1])]


@pytest.mark.parametrize(
    ("slots", "family", "encode", "size", "order"),
    [
        (pair(), None, LAMA_PAIR, None, (0, 1)),
        (pair("float16"), "lama", LAMA_PAIR, None, (0, 1)),
        (pair(mask_kind="int64"), None, LAMA_PAIR, None, (0, 1)),
        (pair(shapes=((None, 3, 512, 384), (None, 1, 512, 384))), None, LAMA_PAIR, (512, 384), (0, 1)),
        (pair(shapes=((1, 3, 64, 64), (1, 1, None, None))), None, LAMA_PAIR, (64, 64), (0, 1)),
        (pair(names=("a", "b"), shapes=((1, 1, 8, 8), (1, 3, 8, 8))), None, LAMA_PAIR, (8, 8), (1, 0)),
        (pair("uint8"), None, MIGAN_PAIR, None, (0, 1)),
        (pair("uint8", shapes=((1, 1, None, None), (1, 3, None, None))), None, MIGAN_PAIR, None, (1, 0)),
        ([Slot("img"), Slot("mask")], None, LAMA_PAIR, None, (0, 1)),
        ([Slot("mask"), Slot("img")], None, LAMA_PAIR, None, (1, 0)),
        ([Slot("input", "float32", (1, 4, None, None))], "lama", LAMA_STACKED, None, (0,)),
        ([Slot("input", "float32", (1, 4, None, None))], "migan", MIGAN_STACKED, (512, 512), (0,)),
        ([Slot("input", "float32", (1, 4, 256, 256))], "migan", MIGAN_STACKED, (256, 256), (0,)),
        ([Slot("x")], "migan", MIGAN_STACKED, (512, 512), (0,)),
    ],
)
def test_inputs_tell_the_convention(slots, family, encode, size, order):
    chosen = choose_convention(slots, family, "model")
    assert chosen.encode is encode.encode
    assert (chosen.size, chosen.order, len(chosen.kinds)) == (size, order, len(slots))


@pytest.mark.parametrize(
    ("slots", "family"),
    [
        ([], None),
        (pair("uint8"), "lama"),
        (pair(), "migan"),
        (pair("float32", "uint8"), None),
        (pair("string"), None),
        (pair(shapes=((1, 3, 512, None), (1, 1, 512, None))), None),
        (pair(shapes=((1, 3, 512, 512), (1, 1, 256, 256))), None),
        (pair(shapes=((2, 3, None, None), (2, 1, None, None))), None),
        (pair(shapes=((1, None, None, 3), (1, None, None, 1))), None),
        (pair(shapes=((1, 512, 512, 3), (1, 512, 512, 1))), None),
        (pair(shapes=((3, None, None), (1, None, None))), None),
        (pair(shapes=((1, 3, None, None), (1, 3, None, None))), None),
        ([Slot("input", "float32", (1, 3, None, None))], "lama"),
        ([Slot("input", "uint8", (1, 4, None, None))], "migan"),
        ([*pair(), Slot("prompt", "float32", (1, 77))], None),
    ],
)
def test_other_inputs_are_refused_with_what_was_seen_and_the_way_out(slots, family):
    with pytest.raises(
        CheckpointError, match=r"model\.onnx cannot be asked.*known are LaMa.*cmd: TOOL"
    ) as caught:
        choose_convention(slots, family, "model.onnx")
    for slot in slots:
        assert str(slot) in str(caught.value)


def test_four_channels_alone_do_not_tell_the_family():
    with pytest.raises(CheckpointError, match=r"input float32 \[1 4 \? \?\].*lama:FILE or migan:FILE"):
        choose_convention([Slot("input", "float32", (1, 4, None, None))], None, "model.onnx")


IMAGE = np.array([[[0, 255, 51], [255, 0, 102]]], np.uint8)  # one row of two pixels
HOLE = np.array([[False, True]])


def test_lama_gets_levels_up_to_1_black_in_the_hole_and_1_for_the_hole():
    image, mask = LAMA_PAIR.inputs(IMAGE, HOLE)
    np.testing.assert_allclose(image[0, :, 0, 0], [0, 1, 0.2])
    np.testing.assert_array_equal(image[0, :, 0, 1], 0)
    np.testing.assert_array_equal(mask, [[[[0, 1]]]])
    (stack,) = LAMA_STACKED.inputs(IMAGE, HOLE)
    np.testing.assert_array_equal(stack, np.concatenate([image, mask], axis=1))
    assert image.dtype == mask.dtype == stack.dtype == np.float32


def test_migan_gets_bytes_and_255_for_what_is_known():
    image, mask = MIGAN_PAIR.inputs(IMAGE, HOLE)
    np.testing.assert_array_equal(image, IMAGE.transpose(2, 0, 1)[None])
    np.testing.assert_array_equal(mask, [[[[255, 0]]]])
    assert image.dtype == mask.dtype == np.uint8


def test_stacked_migan_gets_known_minus_a_half_before_signed_levels():
    (stack,) = MIGAN_STACKED.inputs(IMAGE, HOLE)
    np.testing.assert_allclose(stack[0, :, 0, 0], [0.5, -1, 1, -0.6], atol=1e-6)
    np.testing.assert_allclose(stack[0, :, 0, 1], [-0.5, 0, 0, 0])


@pytest.mark.parametrize("scale", [1, 255])
@pytest.mark.parametrize("level", [0, 1, 2, 3, 128, 255])
def test_levels_up_to_1_and_up_to_255_are_told_apart_however_dark_the_picture(scale, level):
    image = np.full((4, 4, 3), level, np.uint8)
    hole = np.zeros((4, 4), np.bool_)
    hole[1:3, 1:3] = True
    answer = np.full((3, 4, 4), level * scale / 255)
    # A network is never quite exact, and stays near the picture.
    answer += np.random.default_rng(0).normal(0, 0.001 * scale, answer.shape)
    colors = LAMA_PAIR.decode(answer, image, hole)
    assert np.abs(colors.astype(int) - level).max() <= 1


def test_signed_levels_are_rounded_and_cut_off():
    answer = np.array([-1.2, -1, 0.004, 1, 1.7]).reshape(1, 1, 5).repeat(3, axis=0)
    colors = MIGAN_STACKED.decode(answer, np.zeros((1, 5, 3), np.uint8), np.zeros((1, 5), np.bool_))
    np.testing.assert_array_equal(colors[0, :, 0], [0, 0, 128, 255, 255])
