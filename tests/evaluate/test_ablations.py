"""The example of ablations gives all variants one budget, goes on where it stopped, and counts right."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from twofold.checkpoints.format import save_weights
from twofold.evaluate.results import Report, Row
from twofold.medfe.build import build_medfe
from twofold.medfe.config import MedfeConfig, small, tiny

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ablations():
    spec = importlib.util.spec_from_file_location("ablations", ROOT / "examples" / "ablations.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["ablations"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["ablations"]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        pixels = rng.integers(0, 256, (9, 9, 3), np.uint8)
        Image.fromarray(pixels).resize((80, 72)).save(folder / f"{number}.png")
    return folder


def test_variants_of_one_seed_differ_in_their_network_alone(ablations):
    budget = ablations.Budget(size=192)
    runs = {
        name: ablations.run_of(name, budget, Path("photos"), Path("out"), Path("structures"))
        for name in ablations.VARIANTS
    }
    whole = runs["whole"]
    assert whole.recipe.network == replace(small(), native_size=192)
    for name, run in runs.items():
        assert run.data == whole.data
        seed = ablations.VARIANTS[name].seed
        assert replace(run.loop, out=whole.loop.out, seed=whole.loop.seed) == whole.loop
        assert replace(run.recipe, network=whole.recipe.network) == whole.recipe
        assert (run.recipe.network == whole.recipe.network) == (name in ("whole", "another-seed"))
        assert (seed == 0) == (name != "another-seed")


def test_every_switch_of_the_network_has_a_variant(ablations):
    # The switches are the fields that are plain booleans about the paper's parts.
    additions = {"residual_output"}
    switches = {one.name for one in fields(MedfeConfig) if one.type is bool} - additions
    tried = {switch for variant in ablations.VARIANTS.values() for switch in variant.switches}
    assert switches == tried


def test_official_mode_needs_larger_crops(ablations):
    with pytest.raises(ValueError, match="at least 192"):
        ablations.network_of(ablations.VARIANTS["official"], ablations.Budget(size=128))


def test_a_part_of_a_trained_network_is_taken_out_and_the_rest_answers_as_before(ablations):
    """A network whose texture half is nothing: without that branch it must give the same picture."""
    torch.manual_seed(0)
    whole = build_medfe(tiny()).eval()
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.normal_(0, 0.1)
        for name, halves in ablations.JOINED.items():
            weight = whole.get_parameter(name)
            kept, gone = weight.chunk(2, dim=1)
            gone.zero_()
            assert len(halves) == 2
            assert kept.abs().sum() > 0
    config = replace(tiny(), texture_branch=False, range_propagation=False)
    part = build_medfe(config).eval()
    state = ablations.inherited(whole.state_dict(), config)
    part.load_state_dict(state)  # complains of what is missing and of what is left over
    image, hole = torch.rand(1, 3, 64, 64) * 2 - 1, torch.zeros(1, 1, 64, 64)
    hole[..., 16:40, 20:44] = 1
    with torch.inference_mode():
        torch.testing.assert_close(part(image, hole).image, whole(image, hole).image)


@pytest.mark.parametrize("gone", ["structure_branch", "spatial_propagation"])
def test_the_other_half_is_kept_where_the_first_part_is_taken_out(ablations, gone):
    whole = build_medfe(tiny())
    config = replace(tiny(), **{gone: False})
    state = ablations.inherited(whole.state_dict(), config)
    build_medfe(config).load_state_dict(state)
    (name,) = (name for name, switches in ablations.JOINED.items() if gone in switches)
    weight = whole.get_parameter(name)
    assert torch.equal(state[name], weight[:, weight.shape[1] // 2 :])


def test_parts_that_the_trained_network_lacks_are_left_to_begin_fresh(ablations):
    config = replace(tiny(), non_local=True)
    state = ablations.inherited(build_medfe(tiny()).state_dict(), config)
    missing = build_medfe(config).state_dict().keys() - state.keys()
    assert {name.rsplit(".", 2)[0] for name in missing} == {"equalization.propagate"}


def report(values: dict[str, list[float]]) -> Report:
    rows = [
        Row(
            model,
            f"{number}.png",
            f"key {number}",
            "free-form",
            0.3,
            {"psnr": one, "lpips": 0.2, "l1-hole": 5.0},
        )
        for model, scores in values.items()
        for number, one in enumerate(scores)
    ]
    return Report("own", (), ("psnr", "lpips", "l1-hole"), tuple(rows))


def test_differences_are_paired_with_the_whole_network_photograph_by_photograph(ablations):
    whole = [20.0, 30.0, 25.0, 21.0]
    found = ablations.figures(report({"whole": whole, "no-range": [one - 0.5 for one in whole]}), "no-range")
    # Unpaired, the spread of the photographs would hide a difference that every one of them shows.
    assert found["psnr"]["mean"] == pytest.approx(23.5)
    for key in ("difference", "difference_low", "difference_high"):
        assert found["psnr"][key] == pytest.approx(-0.5)
        assert found["lpips"][key] == 0


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (-0.3, -0.1, "23.50; **−0.200** [−0.300, −0.100]"),
        (-0.3, 0.1, "23.50; −0.200 [−0.300, +0.100]"),
        (0.0, 0.0, "23.50; −0.200 [+0.000, +0.000]"),
    ],
)
def test_a_difference_is_bold_only_if_its_interval_leaves_zero_out(ablations, low, high, shown):
    figure = {"mean": 23.5, "difference": -0.2, "difference_low": low, "difference_high": high}
    assert ablations.cell("psnr", figure, whole=False) == shown
    assert ablations.cell("psnr", figure, whole=True) == "23.50"


def test_a_run_that_was_stopped_goes_on_and_ends_in_the_same_table(ablations, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(ablations, "MEASURED", ("psnr", "l1-hole"))  # LPIPS needs weights
    given = [str(photos), str(photos), "OUT", "--preset", "tiny", "--size", "64", "--steps", "3"]
    given += ["--batch-size", "1", "--photographs", "3", "--variants", "whole", "no-range"]
    given += ["--structures", str(tmp_path / "structures")]

    def call(out: str, *more: str) -> dict[str, dict[str, float]]:
        arguments = [str(tmp_path / out) if one == "OUT" else one for one in given]
        monkeypatch.setattr(sys, "argv", ["ablations.py", *arguments, *more])
        ablations.main()
        document = json.loads((tmp_path / out / "ablations.json").read_text())
        assert document["budget"] == asdict(ablations.Budget("tiny", 64, 3, 1, 3))
        return {row["name"]: row for row in document["variants"]}

    with pytest.raises(SystemExit, match="not finished"):
        call("stopped", "--minutes-per-variant", "0")
    assert ablations.steps_done(tmp_path / "stopped" / "no-range") == 1
    stopped, straight = call("stopped"), call("straight")
    assert list(stopped) == ["whole", "no-range"]
    for name, row in straight.items():
        assert stopped[name]["figures"] == row["figures"]
        assert row["processor_seconds_per_step"] > 0
    assert straight["no-range"]["parameters"] < straight["whole"]["parameters"]
    assert straight["no-range"]["figures"]["psnr"]["difference"] != 0


def test_variants_that_begin_trained_are_held_against_what_they_began_with(
    ablations, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(ablations, "MEASURED", ("psnr",))
    start = tmp_path / "trained.safetensors"
    torch.manual_seed(3)
    config = replace(tiny(), native_size=64)
    save_weights(start, family="medfe", config=config, state=build_medfe(config).state_dict(), name="x")
    out = tmp_path / "out"
    given = [str(photos), str(photos), str(out), "--preset", "tiny", "--size", "64", "--steps", "1"]
    given += ["--batch-size", "1", "--photographs", "3", "--variants", "whole", "no-texture"]
    monkeypatch.setattr(sys, "argv", ["ablations.py", *given, "--start", str(start)])
    ablations.main()
    document = json.loads((out / "ablations.json").read_text())
    rows = {row["name"]: row for row in document["variants"]}
    assert list(rows) == ["whole", "no-texture", "start"]
    # One step of warm-up moves the whole network next to nothing from where it began.
    assert rows["start"]["figures"]["psnr"]["difference"] == pytest.approx(0, abs=0.05)
    assert rows["start"]["parameters"] == rows["whole"]["parameters"] > rows["no-texture"]["parameters"]
    assert "| the weights that all began with |" in (out / "ablations.md").read_text()
    assert ablations.Budget(**document["budget"]).mark == "ablations 64 trained"


def test_the_table_replaces_the_one_of_the_page_and_nothing_else(ablations, tmp_path):
    figure = {"mean": 24.0, "difference": 0.0, "difference_low": 0.0, "difference_high": 0.0}
    row = {"name": "whole", "label": "whole network", "parameters": 1234, "processor_seconds_per_step": 0.5}
    row["figures"] = dict.fromkeys(ablations.MEASURED, figure)
    document = {"budget": {"size": 64}, "variants": [row]}
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- ablations 64 -->\nold\n<!-- end of ablations 64 -->\nafter\n")
    ablations.publish(document, page)
    shown = "| whole network | 1,234 | 0.50 | 24.00 | 24.000 | 24.00 |"
    assert ablations.table(document).splitlines()[-1] == shown
    before, *lines, after = page.read_text().splitlines()
    assert (before, after) == ("before", "after")
    assert lines[1:-1] == ablations.table(document).splitlines()
    with pytest.raises(SystemExit, match="no block <!-- ablations 128 -->"):
        ablations.publish({"budget": {"size": 128}, "variants": [row]}, page)
