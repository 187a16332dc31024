"""``twofold fill`` into a folder: many samples, what is written of them, and what a break leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.fakes import Palette, PaletteConfig, Plain
from twofold.cli import fill as fill_module
from twofold.cli.main import main
from twofold.engine import load as load_module
from twofold.engine.network_inpainter import AT_ONCE
from twofold.engine.torch_inpainter import TorchInpainter
from twofold.pixels import read_photo

HOLE = np.zeros((40, 50), np.bool_)
HOLE[10:20, 15:40] = True


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Palette:
    network = Palette(PaletteConfig(10**6))

    def load(name: str, *, device: str, options: dict[str, float] | None, **usual: object) -> TorchInpainter:
        assert usual == {"detail": "auto", "max_memory": None, "precision": "fp32", "engine": "auto"}
        return TorchInpainter(network, name, device=device, options=options)

    monkeypatch.setattr(load_module, "load", load)
    return network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "beach.png")
    Image.fromarray(HOLE.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    return tmp_path


def fill(folder: Path, out: str, *arguments: str, photo: str = "beach.png", mask: str = "mask.png") -> int:
    given = [str(folder / photo), str(folder / mask), "-o", f"{folder}/{out}", "--model", "palette"]
    return main(["fill", *given, *arguments])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_folder_holds_pictures_structures_sheet_and_record(
    folder: Path, network: Palette, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fill(folder, "out", "--samples", "3", "--seed", "7", "--temperature", "0.5") == 0
    files = [f"beach-{number}{kind}.png" for number in (1, 2, 3) for kind in ("", "-structure")]
    files += ["beach-sheet.png", "beach-samples.json"]
    assert names(folder / "out") == set(files)
    shown = capsys.readouterr()
    assert shown.out.split() == [str(folder / "out" / name) for name in files]
    result = TorchInpainter(Palette(network.config), "palette", device="cpu").fill(
        folder / "beach.png", HOLE, samples=3, seed=7
    )
    for number, sample in enumerate(result.samples, start=1):
        np.testing.assert_array_equal(read_photo(folder / "out" / f"beach-{number}.png").pixels, sample.image)
        structure = read_photo(folder / "out" / f"beach-{number}-structure.png").pixels
        np.testing.assert_array_equal(structure, sample.structure)
    record = json.loads((folder / "out" / "beach-samples.json").read_text())
    assert record["model"] == "palette"
    assert record["seed"] == 7
    assert record["options"] == {"temperature": 0.5, "top_k": 0}
    assert record["ranking"] == [index + 1 for index in result.ranking]
    second = record["samples"][1]
    assert second == {
        "sample": 2,
        "file": "beach-2.png",
        "structure": "beach-2-structure.png",
        "rank": result.ranking.index(1) + 1,
        "log_likelihood": result.samples[1].log_likelihood,
        "score": result.samples[1].score,
        "attempt": 0,
        "duplicate_of": None,
    }
    lines = shown.err.splitlines()
    assert len(lines) == 4
    assert [int(line.split()[1]) for line in lines[1:]] == record["ranking"]
    assert f"{result.best.score:.3f}" in lines[1]


def test_sheet_shows_photo_hole_and_every_sample(folder: Path, network: Palette) -> None:
    assert fill(folder, "out", "--samples", "3") == 0
    sheet = read_photo(folder / "out" / "beach-sheet.png").pixels
    parts = [read_photo(folder / "beach.png").pixels]
    parts.append(np.where(HOLE[..., None], np.uint8(128), parts[0]))
    parts += [read_photo(folder / "out" / f"beach-{number}.png").pixels for number in (1, 2, 3)]
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (40, 50, 3))[:, :, 0]
    places = []
    for part in parts:
        corner = (windows[:, :, 0, 0] == part[0, 0]).all(axis=2)
        found = [place for place in np.argwhere(corner).tolist() if (windows[tuple(place)] == part).all()]
        assert len(found) == 1
        places += found
    assert places == sorted(places)


def test_duplicates_are_named_in_record_and_ranking(
    folder: Path, network: Palette, capsys: pytest.CaptureFixture[str]
) -> None:
    network.config = PaletteConfig(1)
    assert fill(folder, "out", "--samples", "2") == 0
    record = json.loads((folder / "out" / "beach-samples.json").read_text())
    assert [sample["duplicate_of"] for sample in record["samples"]] == [None, 1]
    assert "hardly differs from sample 1" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["new", "new.d/", "there.d", "there.d/", "."])
def test_a_folder_is_a_name_without_ending_or_with_a_slash_or_one_that_exists(
    folder: Path, network: Palette, out: str
) -> None:
    (folder / "there.d").mkdir()
    assert fill(folder, out) == 0
    assert {"beach-1.png", "beach-1-structure.png", "beach-samples.json"} <= names(folder / out)
    assert "beach-sheet.png" not in names(folder / out)  # of one sample


def test_files_of_an_earlier_run_are_replaced(folder: Path, network: Palette) -> None:
    assert fill(folder, "out", "--seed", "1") == 0
    before = (folder / "out" / "beach-1.png").read_bytes()
    assert fill(folder, "out", "--seed", "2") == 0
    assert (folder / "out" / "beach-1.png").read_bytes() != before
    assert json.loads((folder / "out" / "beach-samples.json").read_text())["seed"] == 2
    assert fill(folder, "out", "--seed", "1") == 0
    assert (folder / "out" / "beach-1.png").read_bytes() == before


@pytest.mark.parametrize(
    ("photo", "dtype", "ending"),
    [
        ("beach.png", np.uint8, "png"),
        ("in.jpg", np.uint8, "png"),
        ("in.bmp", np.uint8, "png"),
        ("in.webp", np.uint8, "webp"),
        ("in.TIF", np.uint8, "TIF"),
        ("grey.tif", np.uint16, "tif"),
    ],
)
def test_pictures_keep_the_ending_of_a_photo_without_loss(
    folder: Path, network: Palette, photo: str, dtype: type, ending: str
) -> None:
    if photo != "beach.png":
        shape = (40, 50) if dtype == np.uint16 else (40, 50, 3)
        Image.fromarray(np.zeros(shape, dtype)).save(folder / photo)
    assert fill(folder, "out", photo=photo) == 0
    path = folder / "out" / f"{Path(photo).stem}-1.{ending}"
    after = read_photo(path).pixels
    assert after.dtype == dtype
    np.testing.assert_array_equal(after[~HOLE], read_photo(folder / photo).pixels[~HOLE])


def test_a_model_without_structure_or_figures_writes_pictures_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                "fill",
                *(str(folder / n) for n in ("beach.png", "mask.png")),
                "-o",
                str(folder / "out"),
                "--model",
                "opencv-telea",
                "--samples",
                "2",
            ]
        )
        == 0
    )
    assert names(folder / "out") == {"beach-1.png", "beach-2.png", "beach-sheet.png", "beach-samples.json"}
    record = json.loads((folder / "out" / "beach-samples.json").read_text())
    assert [sample["structure"] for sample in record["samples"]] == [None, None]
    assert record["options"] == {}
    assert capsys.readouterr().err == ""


def test_the_mask_is_never_overwritten(
    folder: Path, network: Palette, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = folder / "beach-2.png"
    (folder / "mask.png").rename(mask)
    before = mask.read_bytes()
    assert fill(folder, ".", "--samples", "2", mask="beach-2.png") == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert mask.read_bytes() == before
    assert names(folder) == {"beach.png", "beach-2.png"}


@pytest.mark.parametrize("out", ["out", "many.png"])
def test_ctrl_c_leaves_the_finished_pictures_whole(
    folder: Path, network: Palette, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    place, stem = (folder / "out", "beach") if out == "out" else (folder, "many")

    def stop_in_second_chunk(call: int) -> None:
        if (place / f"{stem}-{AT_ONCE}.png").exists():
            raise KeyboardInterrupt

    network.before = stop_in_second_chunk
    assert fill(folder, out, "--samples", str(AT_ONCE + 2)) == 130
    shown = capsys.readouterr()
    assert shown.err == "twofold: interrupted\n"
    written = [Path(line) for line in shown.out.split()]
    pictures = [path for path in written if "structure" not in path.name]
    assert pictures == [place / f"{stem}-{number}.png" for number in range(1, AT_ONCE + 1)]
    assert set(written) == set(place.iterdir()) - {folder / "beach.png", folder / "mask.png"}
    network.before = lambda call: None
    assert fill(folder, "again", "--samples", str(AT_ONCE + 2)) == 0
    for number, path in enumerate(pictures, start=1):
        np.testing.assert_array_equal(
            read_photo(path).pixels, read_photo(folder / "again" / f"beach-{number}.png").pixels
        )


def test_ctrl_c_before_anything_is_known_leaves_no_folder(folder: Path, network: Palette) -> None:
    def stop(call: int) -> None:
        raise KeyboardInterrupt

    network.before = stop
    assert fill(folder, "out") == 130
    assert names(folder) == {"beach.png", "mask.png"}


@pytest.mark.parametrize("option", ["--temperature", "--top-k", "--top-p"])
@pytest.mark.parametrize("model", ["medfe-small", "opencv-telea"])
def test_models_with_one_best_answer_refuse_sampling_options(
    folder: Path, capsys: pytest.CaptureFixture[str], option: str, model: str
) -> None:
    files = [str(folder / "beach.png"), str(folder / "mask.png")]
    assert main(["fill", *files, "-o", str(folder / "out"), "--model", model, option, "1"]) == 2
    shown = capsys.readouterr()
    assert shown.err == (
        f"twofold: {model} gives one best answer and takes no sampling options; "
        "use a model that samples, such as dsi-small\n"
    )
    assert names(folder) == {"beach.png", "mask.png"}


def test_progress_is_drawn_on_a_terminal_only(
    folder: Path, network: Palette, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with fill_module._progress() as progress:
        assert progress is None
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert fill(folder, "out.png") == 0
    shown = capsys.readouterr()
    assert "filling" in shown.err
    assert shown.out == f"{folder}/out.png\n"


def test_one_best_answer_is_not_ranked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Plain()
    monkeypatch.setattr(load_module, "load", lambda name, **_: TorchInpainter(network, name, device="cpu"))
    assert fill(folder, "out.png", "--samples", "1") == 0
    assert capsys.readouterr().err == ""
