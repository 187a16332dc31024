"""From a name to an inpainter, and the shortest way to a filled picture."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import twofold
from engine.fakes import Palette, PaletteConfig, PaletteOptions
from twofold.checkpoints import released
from twofold.checkpoints.format import save_weights
from twofold.families import FAMILIES, Family
from twofold.network import FilledBatch


@dataclass(frozen=True)
class FlatConfig:
    size: int = 32


class Flat(nn.Module):
    """Answers everything with one colour."""

    size_multiple = 32
    diverse = False

    def __init__(self, config: FlatConfig) -> None:
        super().__init__()
        self.native_size = config.size
        self.largest_size = config.size
        self.level = nn.Parameter(torch.zeros(1))

    def fill(
        self, image: torch.Tensor, hole: torch.Tensor, seeds: Sequence[int], *, progress: object = None
    ) -> FilledBatch:
        return FilledBatch(self.level.expand(image.shape))


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Path]:
    FAMILIES["flat"] = Family(lambda: FlatConfig, Flat)
    write(tmp_path / "flat", 1.0)
    yield tmp_path / "flat"
    del FAMILIES["flat"]


def write(folder: Path, level: float) -> None:
    folder.mkdir(exist_ok=True)
    network = Flat(FlatConfig())
    network.level.data.fill_(level)
    save_weights(
        folder / "model.safetensors",
        family="flat",
        config=FlatConfig(),
        state=network.state_dict(),
        name="flat-test",
    )


IMAGE = np.zeros((40, 50, 3), np.uint8)
HOLE = np.zeros((40, 50), np.bool_)
HOLE[10:20, 10:20] = True


def test_folder_file_and_bundled_name_load_alike(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(released, "WEIGHTS_FOLDER", model.parent)
    for name in (model, str(model), model / "model.safetensors", "flat"):
        painter = twofold.load(name, device="cpu")
        assert painter.name == "flat-test"
        filled = painter.fill(IMAGE, HOLE).image
        assert (filled[HOLE] == 255).all()
        assert (filled[~HOLE] == 0).all()


def test_inpaint_gives_the_filled_array(model: Path) -> None:
    filled = twofold.inpaint(IMAGE, HOLE, model=model)
    assert isinstance(filled, np.ndarray)
    np.testing.assert_array_equal(filled, twofold.load(model).fill(IMAGE, HOLE).image)


def test_inpaint_notices_that_its_model_was_replaced(model: Path) -> None:
    assert (twofold.inpaint(IMAGE, HOLE, model=model)[HOLE] == 255).all()
    write(model, -1.0)
    os.utime(model / "model.safetensors", ns=(1, 1))
    assert (twofold.inpaint(IMAGE, HOLE, model=model)[HOLE] == 0).all()


def test_unknown_model_lists_what_there_is(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(released, "WEIGHTS_FOLDER", model.parent)
    with pytest.raises(twofold.CheckpointError, match=r"'medfe-huge'.*flat.*opencv-telea"):
        twofold.load("medfe-huge")


def test_classical_methods_are_models_too() -> None:
    pytest.importorskip("cv2")
    assert twofold.load("opencv-telea").name == "opencv-telea"
    assert twofold.inpaint(IMAGE, HOLE, model="opencv-telea").shape == IMAGE.shape


@pytest.fixture
def palette(tmp_path: Path) -> Iterator[Path]:
    FAMILIES["palette"] = Family(lambda: PaletteConfig, Palette)
    (tmp_path / "palette").mkdir()
    save_weights(
        tmp_path / "palette" / "model.safetensors",
        family="palette",
        config=PaletteConfig(),
        state=Palette().state_dict(),
        name="palette-test",
    )
    yield tmp_path / "palette"
    del FAMILIES["palette"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, {"temperature": 1.0, "top_k": 0}),
        ({"temperature": 0.5}, {"temperature": 0.5, "top_k": 0}),
        ({}, {"temperature": 1.0, "top_k": 0}),
        (PaletteOptions(0.25, 7), {"temperature": 0.25, "top_k": 7}),
    ],
)
def test_options_replace_those_of_a_model_that_samples(
    palette: Path, options: object, expected: dict[str, float]
) -> None:
    result = twofold.load(palette, options=options).fill(IMAGE, HOLE, samples=2)
    assert result.options == expected
    assert twofold.load(palette).fill(IMAGE, HOLE).options == {"temperature": 1.0, "top_k": 0}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"heat": 1.0}, "palette-test takes no option 'heat'; it takes temperature, top_k"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"temperature": "hot"}, "cannot be used"),
        (FlatConfig(), "takes no options of type FlatConfig; give PaletteOptions"),
    ],
)
def test_options_that_do_not_fit_are_refused(palette: Path, options: object, word: str) -> None:
    with pytest.raises(twofold.InputError, match=word):
        twofold.load(palette, options=options)


def test_models_with_one_best_answer_take_no_options(model: Path) -> None:
    for name in (model, "opencv-telea"):
        with pytest.raises(
            twofold.InputError, match=r"(flat-test|opencv-telea) gives one best answer and takes"
        ):
            twofold.load(name, options={"temperature": 0.5})
