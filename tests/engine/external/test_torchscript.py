"""Model files in TorchScript: every convention, every fault."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.external.model_files import (
    COLOR,
    Odd,
    TinyLama,
    TinyMigan,
    TinyStackedLama,
    box_hole,
    inside,
    photo,
    script,
)
from twofold.engine.load import load
from twofold.errors import CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize(
    ("module", "file", "prefix"),
    [
        (TinyLama, "big-lama.pt", ""),
        (TinyLama, "big-lama.jit", "lama:"),
        (TinyMigan, "migan_traced.pt", ""),
        (TinyMigan, "x.torchscript", "migan:"),
        (TinyStackedLama, "generator.PT", "lama:"),
    ],
)
@pytest.mark.parametrize("size", [(64, 64), (70, 91), (30, 200)])
def test_each_convention_paints_the_hole(tmp_path: Path, module, file, prefix, size):
    inpainter = load(f"{prefix}{script(module(), tmp_path / file)}", device="cpu")
    image, hole = photo(*size), box_hole(*size)
    filled = inpainter.fill(image, hole).image
    assert np.array_equal(filled[~hole], image[~hole])
    # A picture that is scaled comes back soft at the rim of its hole.
    middle = inside(hole, 4) if module is TinyMigan else hole
    assert middle.any()
    assert np.abs(filled[middle].astype(int) - COLOR).max() <= 1
    assert inpainter.name == Path(file).stem


def test_a_pair_cannot_be_migan(tmp_path: Path):
    file = script(TinyLama(), tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match="as migan: it takes image, mask, and known are"):
        load(f"migan:{file}")


def test_the_first_answers_and_later_ones_are_the_same(tmp_path: Path):
    inpainter = load(script(TinyLama(), tmp_path / "m.pt"))
    image, hole = photo(64, 64), box_hole(64, 64)
    first, *others = (inpainter.fill(image, hole).image for _ in range(4))
    assert all(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ("small", r"answered \[1, 3, 32, 32\] to a picture of 64x64"),
        ("nan", "not finite"),
        ("raise", r"failed on a picture of 64x64 \(.*the graph is on fire"),
    ],
)
def test_bad_answers_name_file_and_cause(tmp_path: Path, how, word):
    inpainter = load(script(Odd(how), tmp_path / "odd.pt"))
    with pytest.raises(CheckpointError, match=word) as caught:
        inpainter.fill(photo(40, 40), box_hole(40, 40))
    assert "odd.pt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_of_another_size_says_why_it_failed(tmp_path: Path):
    class Other(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, 1:] + torch.zeros(1, 3, 256, 256)

    inpainter = load(script(Other(), tmp_path / "migan256.pt"))
    with pytest.raises(CheckpointError, match=r"migan256\.pt failed on a picture of 512x512 \(.*256"):
        inpainter.fill(photo(40, 40), box_hole(40, 40))


@pytest.mark.parametrize("kind", ["text", "state", "cut"])
def test_what_is_no_program_is_refused_in_one_sentence(tmp_path: Path, kind):
    file = tmp_path / "weights.pt"
    if kind == "text":
        file.write_text("no model")
    elif kind == "state":
        torch.save({"weight": torch.zeros(3)}, file)
    else:
        script(TinyLama(), file)
        file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match=r"weights\.pt is damaged or not a TorchScript") as caught:
        load(file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 350


def test_the_fingerprint_is_file_digest_and_versions(tmp_path: Path):
    one = load(script(TinyLama(), tmp_path / "m.pt"), device="cpu").fingerprint
    module = TinyLama()
    module.paint = module.paint * 0.5  # the values themselves belong to all tests
    other = load(script(module, tmp_path / "m.pt"), device="cpu").fingerprint
    assert one != other
    assert one.startswith("lama m.pt ")
    assert one.endswith(f"torch {torch.__version__}, cpu")


def test_opening_warns_of_nothing(tmp_path: Path):
    file = script(TinyLama(), tmp_path / "m.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(file).fill(photo(16, 16), box_hole(16, 16))
