"""A folder of small made-up photographs, and the tiny run on it."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(5)
    for number in range(6):
        coarse = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((90, 80), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder
