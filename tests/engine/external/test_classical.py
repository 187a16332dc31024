"""The classical methods behind the contract of all inpainters."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from PIL import Image

from twofold.engine.external.classical import CLASSICAL
from twofold.errors import InputError, MaskError, MissingExtraError
from twofold.inpainter import Inpainter


@pytest.fixture(params=CLASSICAL)
def method(request):
    kind = CLASSICAL[request.param]
    pytest.importorskip(kind.module)
    return kind()


def photo(height: int = 48, width: int = 40, seed: int = 0) -> np.ndarray:
    """A smooth picture with some grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    channels = [120 + 80 * np.sin(y / 9 + c) + 40 * np.cos(x / (5 + c)) for c in range(3)]
    grain = rng.normal(0, 4, (height, width, 3))
    return (np.stack(channels, axis=2) + grain).clip(0, 255).astype(np.uint8)


def hole_of(height: int = 48, width: int = 40) -> np.ndarray:
    hole = np.zeros((height, width), np.bool_)
    hole[10:22, 8:20] = True
    hole[40:, 30:] = True
    return hole


def test_each_method_fulfils_the_contract_under_its_name(method):
    assert isinstance(method, Inpainter)
    assert CLASSICAL[method.name] is type(method)
    assert method.version.startswith(method.package)
    result = method.fill(photo(), hole_of(), samples=2, seed=3)
    assert (len(result.samples), result.model, result.seed) == (2, method.name, 3)


def test_known_pixels_stay_bit_identical_and_the_hole_is_filled(method):
    image, hole = photo(), hole_of()
    before = image.copy()
    filled = method.fill(image, hole).image
    assert np.array_equal(filled[~hole], image[~hole])
    assert np.array_equal(image, before)
    # Black would be far off: the picture is nowhere dark over a whole region.
    error = np.abs(filled[hole].astype(float) - image[hole])
    assert error.mean() < 40
    assert (filled[hole].sum(axis=1) > 0).mean() > 0.99


def test_content_of_the_hole_never_leaks_into_the_answer(method):
    image, hole = photo(), hole_of()
    poisoned = image.copy()
    poisoned[hole] = np.random.default_rng(1).integers(0, 256, (int(hole.sum()), 3))
    assert np.array_equal(method.fill(image, hole).image, method.fill(poisoned, hole).image)


def test_a_constant_picture_is_filled_with_its_colour(method):
    image = np.broadcast_to(np.array([200, 60, 90], np.uint8), (40, 40, 3)).copy()
    hole = hole_of(40, 40)
    filled = method.fill(image, hole).image
    assert np.abs(filled.astype(int) - image).max() <= 3  # Telea rounds down pixel by pixel


def test_same_seed_gives_the_same_pictures(method):
    image, hole = photo(), hole_of()
    first = method.fill(image, hole, samples=2, seed=7)
    method.fill(photo(seed=5), hole, seed=8)
    again = method.fill(image, hole, samples=2, seed=7)
    for a, b in zip(first.samples, again.samples, strict=True):
        assert np.array_equal(a.image, b.image)


def test_patchmatch_takes_every_colour_of_its_fill_near_the_known_ones():
    pytest.importorskip("patchmatch")
    rng = np.random.default_rng(0)
    image = rng.choice(np.array([[20, 20, 20], [220, 220, 220]], np.uint8), (64, 64)).astype(np.uint8)
    hole = np.zeros((64, 64), np.bool_)
    hole[20:44, 20:44] = True
    deviation = CLASSICAL["patchmatch"]().fill(image, hole).image[hole].astype(float).std()
    # A method that only diffuses colours would leave far less texture in the middle.
    assert deviation > 30


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 1), (32, 32, 3), (32, 32, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_shape_and_depth_of_the_picture_are_kept(shape, dtype):
    pytest.importorskip("cv2")
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    hole = np.zeros((32, 32), np.bool_)
    hole[8:16, 8:16] = True
    filled = CLASSICAL["opencv-telea"]().fill(image, hole).image
    assert filled.shape == shape
    assert filled.dtype == dtype
    assert np.array_equal(filled[~hole], image[~hole])
    if shape[-1] == 4:
        assert np.array_equal(filled[..., 3], image[..., 3])


def test_pillow_pictures_and_files_are_read_like_arrays(tmp_path):
    pytest.importorskip("cv2")
    image, hole = photo(), hole_of()
    Image.fromarray(image).save(tmp_path / "photo.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")
    method = CLASSICAL["opencv-ns"]()
    expected = method.fill(image, hole).image
    assert np.array_equal(method.fill(tmp_path / "photo.png", tmp_path / "mask.png").image, expected)
    white = hole.astype(np.uint8) * 255
    assert np.array_equal(method.fill(Image.fromarray(image), white).image, expected)


def test_an_empty_mask_gives_the_picture_back_and_a_full_one_is_refused(method):
    image = photo()
    assert np.array_equal(method.fill(image, np.zeros((48, 40), np.bool_)).image, image)
    with pytest.raises(MaskError, match="whole image"):
        method.fill(image, np.ones((48, 40), np.bool_))


def test_one_known_pixel_is_enough_to_answer(method):
    hole = np.ones((24, 24), np.bool_)
    hole[3, 4] = False
    image = photo(24, 24)
    filled = method.fill(image, hole).image
    assert np.array_equal(filled[3, 4], image[3, 4])


@pytest.mark.parametrize("options", [{"samples": 0}, {"seed": -1}])
def test_options_out_of_range_are_refused(method, options):
    with pytest.raises(InputError, match="at least 1 sample"):
        method.fill(photo(), hole_of(), **options)


@pytest.mark.parametrize("name", CLASSICAL)
def test_missing_package_names_the_extra_to_install(name, monkeypatch):
    def absent(module: str):
        raise ModuleNotFoundError(f"No module named {module!r}")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'twofold\[compare\]'") as caught:
        CLASSICAL[name]()
    assert CLASSICAL[name].package in str(caught.value)


def test_compiled_part_that_does_not_load_is_a_missing_extra(monkeypatch):
    class Broken:
        patchmatch_available = False

    monkeypatch.setitem(sys.modules, "patchmatch", Broken)
    with pytest.raises(MissingExtraError, match="compiled"):
        CLASSICAL["patchmatch"]()


def test_progress_and_samples_are_told_of_as_they_come() -> None:
    told: list[tuple[int, int]] = []
    seen: list[int] = []
    CLASSICAL["opencv-telea"]().fill(
        photo(),
        hole_of(),
        samples=3,
        progress=lambda done, total: told.append((done, total)),
        on_sample=lambda sample: seen.append(sample.index),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert seen == [0, 1, 2]
