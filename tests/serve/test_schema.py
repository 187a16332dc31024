"""Requests: what is taken, what is refused, and examples that really work."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel, ValidationError

from twofold.serve import schema
from twofold.serve.images import decode_base64
from twofold.serve.schema import ComposeRequest, FillRequest, SampleAnswer, SamplingRequest


def test_a_picture_and_a_mask_are_enough() -> None:
    request = FillRequest.model_validate_json('{"image": "aaaa", "mask": "bbbb"}')
    assert (request.samples, request.seed, request.region, request.format) == (1, 0, "whole", "png")
    assert (request.model, request.options, request.stream, request.deadline) == (None, None, False, None)


def test_the_example_is_a_small_picture_with_a_hole() -> None:
    (example,) = FillRequest.model_json_schema()["examples"]
    FillRequest.model_validate(example)
    ComposeRequest.model_validate(ComposeRequest.model_json_schema()["examples"][0])
    image, mask = (
        np.asarray(Image.open(io.BytesIO(decode_base64(example[name], name, 1000))))
        for name in ("image", "mask")
    )
    assert image.shape == (16, 16, 3)
    assert mask.shape == (16, 16)
    assert mask.sum() == 36


@pytest.mark.parametrize(
    "change",
    [
        {"samples": 0},
        {"samples": 17},
        {"samples": True},
        {"samples": 1.0},
        {"samples": "2"},
        {"seed": -1},
        {"seed": 2**53 + 1},
        {"region": "crop"},
        {"format": "tiff"},
        {"detail": "some"},
        {"deadline": 0},
        {"deadline": -3.0},
        {"deadline": "1e999"},
        {"model": "x" * 201},
        {"image": ""},
        {"image": None},
        {"image": ["aaaa"]},
        {"stream": "yes"},
        {"options": {"temperature": -0.1}},
        {"options": {"temperature": 10.1}},
        {"options": {"top_k": 513}},
        {"options": {"top_k": 1.5}},
        {"options": {"top_p": 0}},
        {"options": {"top_p": 1.01}},
        {"options": {"keep_margin": 3}},
        {"sampels": 3},
    ],
)
def test_what_is_out_of_range_or_unknown_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FillRequest.model_validate_json(json.dumps({"image": "aaaa", "mask": "bbbb", **change}))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(number: str) -> None:
    for body in (f'{{"temperature": {number}}}', f'{{"top_p": {number}}}'):
        with pytest.raises(ValidationError):
            SamplingRequest.model_validate_json(body)
    with pytest.raises(ValidationError):
        FillRequest.model_validate_json(f'{{"image": "a", "mask": "b", "deadline": {number}}}')


def test_only_options_that_were_sent_are_given_on() -> None:
    assert SamplingRequest.model_validate_json('{"top_k": 0, "top_p": null}').given() == {"top_k": 0}
    assert SamplingRequest.model_validate_json('{"temperature": 1}').given() == {"temperature": 1}


def test_layers_are_limited_in_number_and_place() -> None:
    layer = {"image": "aaaa"}
    body = {"image": "aaaa", "mask": "bbbb", "layers": [layer] * 64}
    assert ComposeRequest.model_validate(body).layers[63].mask is None
    for layers in ([layer] * 65, [{**layer, "left": -1}], [{**layer, "top": 2.5}], [{**layer, "right": 1}]):
        with pytest.raises(ValidationError):
            ComposeRequest.model_validate({**body, "layers": layers})
    with pytest.raises(ValidationError):
        ComposeRequest.model_validate({**body, "quality": 0})


def test_every_model_of_the_interface_says_what_it_is() -> None:
    models = [
        each for each in vars(schema).values() if isinstance(each, type) and issubclass(each, BaseModel)
    ]
    models.remove(BaseModel)
    assert SampleAnswer in models
    for model in models:
        assert model.__doc__
        assert model.model_config["extra"] == "forbid"
