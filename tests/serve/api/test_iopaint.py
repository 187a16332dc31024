"""IOPaint's routes: its clients' requests in, raw files out."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image

import twofold
from serve.live import order, pixels_of, png, scene, serving
from twofold.serve.app import create_app
from twofold.serve.settings import Settings

pytest.importorskip("cv2")

SETTINGS = Settings(models=("opencv-telea", "opencv-ns"), drain_seconds=1.0)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with serving(create_app(SETTINGS), SETTINGS) as live, live.client() as client:
        yield client


def expected(number: int, model: str = "opencv-telea") -> np.ndarray:
    return twofold.load(model).fill(*scene(number)).image


def test_the_answer_is_the_file_itself(client: httpx.Client) -> None:
    answer = client.post("/api/v1/inpaint", json=order(1))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-seed"] == "42"
    np.testing.assert_array_equal(pixels_of(answer.content), expected(1))


def test_what_front_ends_send_besides_is_taken(client: httpx.Client) -> None:
    photo, mask = scene(1)
    request = {
        "image": f"data:image/png;base64,{png(photo)}",
        "mask": f"data:image/png;base64,{png(mask)}",
        "hd_strategy": "Crop",
        "hd_strategy_crop_trigger_size": 800,
        "ldm_steps": 20,
        "prompt": "",
        "sd_seed": 7,
        "sd_mask_blur": 11,
        "sd_keep_unmasked_area": True,
        "cv2_flag": "INPAINT_NS",
        "enable_controlnet": False,
        "whatever": {"comes": ["next"]},
    }
    answer = client.post("/api/v1/inpaint", json=request)
    assert answer.headers["x-seed"] == "7"
    np.testing.assert_array_equal(pixels_of(answer.content), expected(1))


def test_minus_one_is_any_seed_and_it_is_told(client: httpx.Client) -> None:
    seeds = {client.post("/api/v1/inpaint", json=order(1, sd_seed=-1)).headers["x-seed"] for _ in range(3)}
    assert len(seeds) > 1
    assert all(int(seed) >= 0 for seed in seeds)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "png", "bmp"])
def test_the_answer_is_of_the_pictures_kind(client: httpx.Client, kind: str) -> None:
    photo, mask = scene(2)
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, kind)
    text = base64.b64encode(buffer.getvalue()).decode()
    shown = "png" if kind == "bmp" else kind
    for sent in (text, f"data:image/{kind};base64,{text}"):
        answer = client.post("/api/v1/inpaint", json={"image": sent, "mask": png(mask)})
        assert answer.headers["content-type"] == f"image/{shown}"
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.format == shown.upper()
            assert image.size == (photo.shape[1], photo.shape[0])


def test_the_mask_is_cut_at_its_half(client: httpx.Client) -> None:
    photo, mask = scene(3)
    grey = np.where(mask > 0, 128, 127).astype(np.uint8)
    answer = client.post("/api/v1/inpaint", json={"image": png(photo), "mask": png(grey)})
    np.testing.assert_array_equal(pixels_of(answer.content), expected(3))


def test_another_size_is_refused_as_there(client: httpx.Client) -> None:
    answer = client.post("/api/v1/inpaint", json={**order(1), "mask": png(np.full((8, 8), 255, np.uint8))})
    assert answer.status_code == 400
    assert "8x8" in answer.json()["detail"]


@pytest.mark.parametrize("seed", [-2, 2**60, "x", None, 1.5])
def test_seeds_that_are_none_are_refused(client: httpx.Client, seed: object) -> None:
    assert client.post("/api/v1/inpaint", json=order(1, sd_seed=seed)).status_code == 422


def test_the_model_can_be_asked_for_and_switched(client: httpx.Client) -> None:
    config = client.get("/api/v1/server-config").json()
    assert [info["name"] for info in config["modelInfos"]] == ["opencv-telea", "opencv-ns"]
    assert config["plugins"] == []
    assert client.get("/api/v1/model").json() == config["modelInfos"][0]
    try:
        switched = client.post("/api/v1/model", json={"name": "opencv-ns"})
        assert switched.json() == client.get("/api/v1/model").json() == config["modelInfos"][1]
        answer = client.post("/api/v1/inpaint", json=order(1))
        np.testing.assert_array_equal(pixels_of(answer.content), expected(1, "opencv-ns"))
        refused = client.post("/api/v1/model", json={"name": "lama"})
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        assert client.get("/api/v1/model").json()["name"] == "opencv-ns"
    finally:
        client.post("/api/v1/model", json={"name": "opencv-telea"})


@pytest.mark.parametrize("text", ["", "!", "data:", "data:image/png;base64", "data:,", "é" * 70, "////"])
def test_what_is_no_picture_is_refused(client: httpx.Client, text: str) -> None:
    answer = client.post("/api/v1/inpaint", json={**order(1), "image": text})
    assert answer.status_code == (400 if text else 422)
