"""Weights files: what is saved comes back, what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from twofold.checkpoints import released
from twofold.checkpoints.configs import config_from_dict
from twofold.checkpoints.format import build_network, check_state, load_weights, save_weights
from twofold.checkpoints.released import bundled_models, find_weights
from twofold.dsi.options import SamplingOptions
from twofold.errors import CheckpointError
from twofold.families import FAMILIES, Family
from twofold.medfe.config import MedfeConfig


@dataclass(frozen=True)
class Inner:
    gain: float = 1.0


@dataclass(frozen=True)
class TinyConfig:
    channels: tuple[int, ...]
    kind: Literal["a", "b"] = "a"
    pair: tuple[int, str] = (1, "x")
    inner: Inner = field(default_factory=Inner)
    limit: float | None = None
    flag: bool = False

    def __post_init__(self) -> None:
        if not self.channels:
            raise ValueError("channels must not be empty")


class Tiny(nn.Module):
    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.config = config
        self.conv = nn.Conv2d(3, config.channels[0], 3)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))


@pytest.fixture(autouse=True)
def tiny_family() -> Iterator[None]:
    FAMILIES["tiny"] = Family(lambda: TinyConfig, Tiny)
    yield
    del FAMILIES["tiny"]


def save_tiny(path: Path, **changes: Any) -> Tiny:
    config = TinyConfig((4, 5))
    network = Tiny(config)
    network.count += 7
    arguments = {
        "family": "tiny",
        "config": config,
        "state": network.state_dict(),
        "name": "t",
        "dtype": "float32",
    }
    save_weights(path, **(arguments | changes))
    return network


def test_float32_comes_back_exactly_with_everything_said_about_it(tmp_path: Path) -> None:
    network = save_tiny(tmp_path / "w.safetensors", about={"steps": 3, "data": ["own photos"]})
    weights = load_weights(tmp_path / "w.safetensors")
    assert (weights.family, weights.name, weights.about) == (
        "tiny",
        "t",
        {"steps": 3, "data": ["own photos"]},
    )
    rebuilt = build_network(weights)
    assert isinstance(rebuilt, Tiny)
    assert rebuilt.config == network.config
    assert not rebuilt.training
    for key, value in network.state_dict().items():
        assert torch.equal(rebuilt.state_dict()[key], value)


def test_float16_halves_the_file_and_is_loaded_as_float32(tmp_path: Path) -> None:
    state = {"conv.weight": torch.randn(64, 64, 3, 3), "count": torch.tensor(7)}
    for dtype in ("float16", "float32"):
        save_weights(tmp_path / dtype, family="tiny", config={}, state=state, name="t", dtype=dtype)
    sizes = [(tmp_path / dtype).stat().st_size for dtype in ("float16", "float32")]
    assert sizes[0] == pytest.approx(sizes[1] / 2, rel=0.02)
    loaded = load_weights(tmp_path / "float16").state
    assert loaded["conv.weight"].dtype == torch.float32
    assert torch.equal(loaded["conv.weight"], state["conv.weight"].half().float())
    assert loaded["count"].dtype == torch.int64


def test_tied_and_strided_tensors_can_be_saved(tmp_path: Path) -> None:
    value = torch.randn(4, 6)
    save_weights(
        tmp_path / "w", family="tiny", config={}, state={"a": value, "b": value, "c": value.T}, name="t"
    )
    assert torch.equal(load_weights(tmp_path / "w").state["c"], value.T.half().float())


@pytest.mark.parametrize(("value", "dtype"), [(70000.0, "float16"), (float("nan"), "float32")])
def test_not_finite_is_refused_and_the_old_file_stays(
    tmp_path: Path, value: float, dtype: Literal["float16", "float32"]
) -> None:
    (tmp_path / "w").write_text("old")
    with pytest.raises(CheckpointError, match=r"conv\.bias is not finite"):
        save_tiny(tmp_path / "w", state={"conv.bias": torch.tensor([value])}, dtype=dtype)
    assert (tmp_path / "w").read_text() == "old"


def test_unwritable_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot write"):
        save_tiny(tmp_path / "missing" / "w")


def test_foreign_damaged_newer_and_missing_files_are_told_apart(tmp_path: Path) -> None:
    save_tiny(tmp_path / "good")
    data = (tmp_path / "good").read_bytes()
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").touch()
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    for name, document in {
        "newer": json.dumps({"format": "twofold/2"}),
        "list": "[1]",
        "broken": "{",
        "nameless": json.dumps({"format": "twofold/1", "family": "tiny", "config": {}, "about": {}}),
    }.items():
        save_file({"a": torch.zeros(1)}, tmp_path / name, metadata={"twofold": document})
    expected = {
        "cut": "damaged",
        "text": "damaged",
        "empty": "damaged",
        "foreign": "not written by twofold",
        "newer": "twofold/2",
        "list": "None",
        "broken": "damaged document",
        "nameless": "without a usable name",
        "absent": "no weights file",
    }
    for name, word in expected.items():
        with pytest.raises(CheckpointError, match=word) as caught:
            load_weights(tmp_path / name)
        assert name in str(caught.value)


def test_wrong_tensors_are_named_in_one_error() -> None:
    network = Tiny(TinyConfig((4,)))
    state = {"conv.weight": torch.zeros(5, 3, 3, 3), "count": torch.tensor(0), "other": torch.zeros(1)}
    with pytest.raises(CheckpointError) as caught:
        check_state("Tiny", network.state_dict(), state, "file x")
    message = str(caught.value)
    for part in (
        "file x",
        "1 missing: conv.bias",
        "1 unknown: other",
        "1 misshapen: conv.weight (5, 3, 3, 3) for (4, 3, 3, 3)",
    ):
        assert part in message


def test_many_wrong_names_are_counted_and_the_first_are_shown() -> None:
    state = {f"x{i}": torch.zeros(1) for i in range(9)}
    with pytest.raises(CheckpointError, match=r"9 unknown: x0, x1, x2, x3, x4, \.\.\."):
        check_state("Identity", {}, state, "file")


def test_unknown_family_is_refused(tmp_path: Path) -> None:
    save_tiny(tmp_path / "w", family="other")
    with pytest.raises(CheckpointError, match=r"'other'.*medfe"):
        build_network(load_weights(tmp_path / "w"))


def test_building_leaves_the_global_generator_as_it_was(tmp_path: Path) -> None:
    save_tiny(tmp_path / "w")
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    build_network(load_weights(tmp_path / "w"))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    "config",
    [
        TinyConfig((1, 2)),
        TinyConfig((3,), "b", (2, "y"), Inner(0.5), 1.5, True),
        TinyConfig((3,), limit=None),
    ],
)
def test_config_survives_json(config: TinyConfig) -> None:
    from dataclasses import asdict

    assert config_from_dict(TinyConfig, json.loads(json.dumps(asdict(config)))) == config


def test_medfe_config_survives_json() -> None:
    from dataclasses import asdict

    config = MedfeConfig()
    assert config_from_dict(MedfeConfig, json.loads(json.dumps(asdict(config)))) == config


def test_whole_number_is_a_float_but_not_the_other_way_round() -> None:
    gain = config_from_dict(TinyConfig, {"channels": [1], "inner": {"gain": 2}}).inner.gain
    assert (gain, type(gain)) == (2.0, float)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({}, "needs channels"),
        ({"channels": [1], "extra": 2}, "has no extra"),
        ({"channels": [1.5]}, r"channels\[0\] is 1.5"),
        ({"channels": 3}, "channels is 3"),
        ({"channels": [True]}, r"channels\[0\] is True"),
        ({"channels": []}, "must not be empty"),
        ({"channels": [1], "kind": "c"}, "kind is 'c'"),
        ({"channels": [1], "pair": [1]}, "pair is"),
        ({"channels": [1], "inner": {"gian": 1.0}}, r"TinyConfig\.inner has no gian"),
        ({"channels": [1], "limit": "high"}, "limit is 'high'"),
        ({"channels": [1], "flag": 1}, "flag is 1"),
    ],
)
def test_unfit_config_is_refused_by_field(data: dict[str, Any], word: str) -> None:
    with pytest.raises(CheckpointError, match=word):
        config_from_dict(TinyConfig, data)


def test_weights_are_found_by_name_folder_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(released, "WEIGHTS_FOLDER", tmp_path / "weights")
    for folder in (tmp_path / "weights" / "ours", tmp_path / "mine"):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").touch()
    (tmp_path / "weights" / "unfinished").mkdir()
    assert bundled_models() == ["ours"]
    assert find_weights("ours") == tmp_path / "weights" / "ours" / "model.safetensors"
    assert find_weights(str(tmp_path / "mine")) == tmp_path / "mine" / "model.safetensors"
    assert find_weights(tmp_path / "mine" / "model.safetensors") == tmp_path / "mine" / "model.safetensors"
    with pytest.raises(CheckpointError, match=r"'nothing'.*\(ours\)"):
        find_weights("nothing")
    with pytest.raises(CheckpointError, match=r"holds no model\.safetensors"):
        find_weights(tmp_path / "weights" / "unfinished")


def test_weights_get_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    path = tmp_path / "model.safetensors"
    save_weights(path, family="x", config={}, state={"w": torch.zeros(1)}, name="x")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_options_that_are_gone_are_read_where_they_ask_for_what_is_always_done():
    known = {"temperature": 0.5, "precision": "float32"}
    assert config_from_dict(SamplingOptions, known) == SamplingOptions(temperature=0.5)
    with pytest.raises(CheckpointError, match="SamplingOptions has no precision"):
        config_from_dict(SamplingOptions, {**known, "precision": "bfloat16"})
