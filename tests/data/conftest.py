"""A folder of seven small photographs, no two alike."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

SIZES = ((40, 60), (60, 40), (36, 36), (20, 30), (48, 48), (34, 90), (100, 80))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, (height, width) in enumerate(SIZES):
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder
