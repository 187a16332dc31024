"""From a name to an inpainter, and the shortest way to a filled picture."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import twofold
from engine.external.model_files import COLOR, lama_onnx
from engine.fakes import Palette, PaletteConfig, PaletteOptions
from twofold.checkpoints import released
from twofold.checkpoints.format import save_weights
from twofold.engine import load as load_module
from twofold.engine.model_name import Typed
from twofold.engine.torch_inpainter import TorchInpainter
from twofold.families import FAMILIES, Family
from twofold.network import FilledBatch


@dataclass(frozen=True)
class FlatConfig:
    size: int = 32


class Flat(nn.Module):
    """Answers everything with one colour."""

    size_multiple = 32
    default_options = None

    def __init__(self, config: FlatConfig) -> None:
        super().__init__()
        self.native_size = config.size
        self.largest_size = config.size
        self.level = nn.Parameter(torch.zeros(1))

    def fill(
        self,
        image: torch.Tensor,
        hole: torch.Tensor,
        seeds: Sequence[int],
        options: object = None,
        *,
        progress: object = None,
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
        inpainter = twofold.load(name, device="cpu")
        assert inpainter.name == "flat-test"
        filled = inpainter.fill(IMAGE, HOLE).image
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


def test_a_name_in_front_is_the_name_in_reports(model: Path) -> None:
    assert twofold.load(f"mine={model}").name == "mine"
    assert twofold.load(f"mine={model}").fill(IMAGE, HOLE).model == "mine"
    named = twofold.load("fast=opencv-telea")
    assert named.name == "fast"
    assert named.fingerprint == twofold.load("opencv-telea").fingerprint
    assert named.fingerprint.startswith("opencv-telea opencv-python")
    file = lama_onnx(model.parent / "lama.onnx")
    assert twofold.load(f"big={file}").fill(IMAGE, HOLE).model == "big"


def test_fingerprint_of_a_network_follows_weights_and_options(palette: Path, model: Path) -> None:
    flat = twofold.load(model, device="cpu").fingerprint
    assert flat == twofold.load(str(model), device="cpu").fingerprint
    assert flat.startswith("flat-test ")
    assert flat.endswith(f", twofold {twofold.__version__}, torch {torch.__version__}, cpu")
    write(model, -1.0)
    assert twofold.load(model, device="cpu").fingerprint != flat
    own = twofold.load(palette).fingerprint
    assert twofold.load(palette, options={}).fingerprint == own
    changed = twofold.load(palette, options={"temperature": 0.5}).fingerprint
    assert "temperature=0.5" in changed
    assert changed != own


def test_a_network_of_unknown_origin_has_no_fingerprint() -> None:
    assert TorchInpainter(Palette(), "palette").fingerprint is None


def test_model_files_of_others_are_kept_until_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lama_onnx(tmp_path / "lama.onnx")
    opened: list[Path] = []
    original = load_module.open_onnx
    monkeypatch.setattr(
        load_module, "open_onnx", lambda path, **rest: opened.append(path) or original(path, **rest)
    )
    for _ in range(3):
        filled = twofold.inpaint(IMAGE, HOLE, model=file)
        assert (filled[HOLE] == COLOR).all()
    assert opened == [file]
    lama_onnx(file, scale=255)
    os.utime(file, ns=(1, 1))
    assert (twofold.inpaint(IMAGE, HOLE, model=str(file))[HOLE] == COLOR).all()
    assert opened == [file, file]


def test_only_who_types_a_command_runs_one(tmp_path: Path) -> None:
    script = tmp_path / "copy.py"
    script.write_text("import shutil, sys; shutil.copy(sys.argv[2], sys.argv[3])")
    template = f"{sys.executable} {script} {{image}} {{mask}} {{out}}"
    assert (twofold.Command(template).fill(IMAGE, HOLE).image[HOLE] == 255).all()
    assert (twofold.load(Typed(f"cmd: {template}")).fill(IMAGE, HOLE).image[HOLE] == 255).all()
    for named in (f"cmd: {template}", f"mine=cmd: {template}", str(Typed(f"cmd: {template}"))):
        with pytest.raises(twofold.InputError, match="commands run only where they are asked for"):
            twofold.load(named)
        with pytest.raises(twofold.InputError, match="commands run only where they are asked for"):
            twofold.inpaint(IMAGE, HOLE, model=named)


def test_commands_take_no_options() -> None:
    command = Typed(f"cmd: {sys.executable} {{image}} {{mask}} {{out}}")
    with pytest.raises(twofold.InputError, match="takes no sampling options"):
        twofold.load(command, options={"temperature": 0.5})


def test_a_saved_network_is_the_network(model: Path, tmp_path: Path) -> None:
    inpainter = twofold.Inpainter.from_pretrained(model)
    (model / "LICENSE").write_text("as you like")
    inpainter.save_pretrained(tmp_path / "new" / "copy")
    assert sorted(path.name for path in (tmp_path / "new" / "copy").iterdir()) == [
        "LICENSE",
        "model.safetensors",
    ]
    again = twofold.Inpainter.from_pretrained(tmp_path / "new" / "copy")
    assert again.fingerprint == inpainter.fingerprint
    for other in (twofold.load("opencv-telea"), TorchInpainter(Palette(), "palette")):
        with pytest.raises(twofold.InputError, match="weights"):
            other.save_pretrained(tmp_path / "other")
    with pytest.raises(twofold.InputError, match="cannot save"):
        inpainter.save_pretrained(model / "model.safetensors")


def test_all_listed_models_load() -> None:
    assert set(twofold.list_models()) >= {"medfe-small", "dsi-small", "opencv-telea", "patchmatch"}
    for name in twofold.list_models():
        assert twofold.load(name).name == name
