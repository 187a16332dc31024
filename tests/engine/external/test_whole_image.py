"""What inpainters of whole pictures share; the classical methods and the model files test the rest."""

from __future__ import annotations

import numpy as np
import pytest

from engine.external.model_files import box_hole, photo
from twofold.engine.external.whole_image import WholePicture
from twofold.errors import InputError


class Counting(WholePicture):
    """Paints the number of its call, and remembers what it was shown."""

    name = "counting"

    def __init__(self, seeded: bool) -> None:
        self._seeded = seeded
        self.seeds: list[int] = []
        self.shown: list[np.ndarray] = []

    def _fill(self, known, hole, seed):
        self.seeds.append(seed)
        self.shown.append(known)
        return np.full_like(known, len(self.seeds))


@pytest.mark.parametrize("seeded", [False, True])
def test_seeded_models_are_asked_for_each_sample_others_once(seeded):
    model, hole = Counting(seeded), box_hole(20, 30)
    result = model.fill(photo(20, 30), hole, samples=3, seed=4)
    assert len(model.seeds) == len(set(model.seeds)) == (3 if seeded else 1)
    assert [int(sample.image[hole].max()) for sample in result.samples] == (
        [1, 2, 3] if seeded else [1, 1, 1]
    )
    again = Counting(seeded)
    again.fill(photo(20, 30), hole, samples=1, seed=4)
    assert again.seeds == model.seeds[:1]


def test_the_hole_is_black_to_the_model():
    model, hole = Counting(False), box_hole(20, 30)
    model.fill(photo(20, 30, 4, "uint16"), hole)
    assert model.shown[0].shape == (20, 30, 3)
    assert model.shown[0].dtype == np.uint8
    assert not model.shown[0][hole].any()
    assert model.shown[0][~hole].any(axis=-1).all()


@pytest.mark.parametrize("options", [{"samples": 0}, {"seed": -1}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InputError, match="at least 1 sample"):
        Counting(False).fill(photo(8, 8), box_hole(8, 8), **options)


def test_a_model_that_tells_no_fingerprint_has_none():
    assert Counting(False).fingerprint is None


@pytest.mark.parametrize(
    ("given", "word"), [({"options": {"top_k": 3}}, "options"), ({"detail": "none"}, "detail")]
)
def test_what_only_networks_can_do_is_refused(given, word):
    with pytest.raises(InputError, match=f"counting .* {word}"):
        Counting(False).fill(photo(8, 8), box_hole(8, 8), **given)


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_opencv_come_back_in_its_order(channels):
    image, hole = photo(20, 30, channels), box_hole(20, 30)
    swapped = np.ascontiguousarray(image[..., [2, 1, 0, 3][:channels]])
    model = Counting(False)
    filled = model.fill(swapped, hole, channels="BGR").image
    np.testing.assert_array_equal(model.shown[0][~hole], image[~hole][:, :3])
    np.testing.assert_array_equal(filled[~hole], swapped[~hole])
    with pytest.raises(InputError, match="channels is 'GBR'"):
        model.fill(image, hole, channels="GBR")
