"""Broken, absurd and hostile weights files: refused in a sentence, in time, or loaded and whole."""

from __future__ import annotations

import json
import random
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from fuzz.corpus import flips, truncations
from fuzz.limits import within
from twofold.checkpoints.format import Weights, build_network, check_state, load_weights, save_weights
from twofold.dsi.config import tiny as tiny_dsi
from twofold.errors import CheckpointError
from twofold.medfe.build import build_medfe
from twofold.medfe.config import tiny as tiny_medfe

DOCUMENT: dict[str, Any] = {"format": "twofold/1", "family": "medfe", "name": "x", "config": {}, "about": {}}


def file_of(header: bytes | dict[str, Any], data: bytes = bytes(8), length: int | None = None) -> bytes:
    """A safetensors file of any header, with our document beside its tensors."""
    if isinstance(header, dict):
        header = json.dumps({"__metadata__": {"twofold": json.dumps(DOCUMENT)}} | header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def tensor(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def twice(entry: str) -> bytes:
    document = json.dumps(json.dumps(DOCUMENT))
    return f'{{"__metadata__": {{"twofold": {document}}}, {entry}, {entry}}}'.encode()


HEADERS: dict[str, bytes] = {
    "of 2^63 bytes": file_of({}, length=2**63),
    "of 2^64 - 1 bytes": file_of({}, length=2**64 - 1),
    "of 2^32 bytes": file_of({}, length=2**32),
    "of no bytes": file_of(b""),
    "longer than the file": file_of({}, length=10_000),
    "of one byte": b"\x01",
    "of JSON that is a list": file_of(b"[]"),
    "of JSON that is cut off": file_of(b'{"a"'),
    "of no UTF-8": file_of(b'{"\xff\xfe": 1}'),
    "nested 100000 deep": file_of(b"[" * 100_000),
    "nested 100000 deep in a tensor": file_of(b'{"a":' * 100_000),
    "of a huge number": file_of(b'{"a": ' + b"9" * 100_000 + b"}"),
    "with tensors that overlap": file_of({"a": tensor(), "b": tensor()}),
    "with a gap": file_of({"a": tensor(offsets=(8, 16))}, bytes(16)),
    "with a tensor outside": file_of({"a": tensor(offsets=(2**40, 2**40 + 8))}),
    "with offsets at the end of the numbers": file_of({"a": tensor(offsets=(2**64 - 8, 2**64 - 1))}),
    "with offsets the wrong way": file_of({"a": tensor(offsets=(8, 0))}),
    "with negative offsets": file_of({"a": tensor(offsets=(-8, 0))}),
    "with an unknown type": file_of({"a": tensor("F33")}),
    "with a type that is a number": file_of({"a": tensor(5)}),
    "with a type of another size": file_of({"a": tensor("F64")}),
    "with a negative shape": file_of({"a": tensor(shape=(-2,))}),
    "with a shape of fractions": file_of({"a": tensor(shape=(0.5, 4))}),
    "with a shape that overflows": file_of({"a": tensor(shape=(2**40, 2**40))}),
    "with a shape that overflows to its size": file_of({"a": tensor(shape=(2**63, 4))}),
    "with a huge shape of nothing": file_of({"a": tensor(shape=(0, 2**62), offsets=(0, 0))}, b""),
    "with one tensor twice": file_of(twice('"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}')),
    "with half of a tensor's fields": file_of({"a": {"dtype": "F32"}}),
    "with metadata that are no text": file_of({"__metadata__": {"twofold": 3}}),
    "with metadata that are a list": file_of({"__metadata__": []}),
    "with values that are not numbers": file_of({"a": tensor()}, struct.pack("<2f", float("nan"), 1)),
    "with values that are infinite": file_of({"a": tensor()}, struct.pack("<2f", float("inf"), 1)),
    "with small types": file_of({"a": tensor("F8_E4M3", (8,))}),
    "with smaller types": file_of({"a": tensor("F4", (16,))}),
    "with complex numbers": file_of({"a": tensor("C64", (1,))}),
    "with bools": file_of({"a": tensor("BOOL", (8,))}, bytes(range(8))),
    "with unsigned numbers": file_of({"a": tensor("U64", (1,))}),
    "with 60000 tensors": file_of({f"{i}": tensor(shape=(0,), offsets=(0, 0)) for i in range(60_000)}, b""),
}
DOCUMENTS: dict[str, Any] = {
    "nested 100000 deep": "[" * 100_000,
    "nested 100000 deep in a field": '{"format":' * 100_000,
    "of a huge number": "9" * 100_000,
    "of a number": "3",
    "of nothing": "",
    "of lone surrogates": '{"format": "\\ud800"}',
    "with a format that is a list": json.dumps(DOCUMENT | {"format": []}),
    "with a family that is a list": json.dumps(DOCUMENT | {"family": []}),
    "with a config that is a list": json.dumps(DOCUMENT | {"config": []}),
    "with an unknown family": json.dumps(DOCUMENT | {"family": "os.system"}),
}


def loaded_or_refused(path: Path) -> str:
    """Load a file and build its network, within two seconds; what is said of it."""
    try:
        with within(2, path):
            build_network(load_weights(path))
    except CheckpointError as error:
        said = str(error)
        assert "\n" not in said
        assert "; " in said
        return said
    return ""


@pytest.mark.parametrize("what", HEADERS)
def test_headers_that_cannot_be_are_refused(tmp_path: Path, what: str) -> None:
    (tmp_path / "w").write_bytes(HEADERS[what])
    assert loaded_or_refused(tmp_path / "w")


def test_a_header_of_100_megabytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "w").open("wb") as file:
        file.write(struct.pack("<Q", 99_000_000) + b"{")
        file.truncate(100_000_000)
    assert "its header would have 99000000 bytes" in loaded_or_refused(tmp_path / "w")


@pytest.mark.parametrize("what", DOCUMENTS)
def test_documents_that_cannot_be_are_refused(tmp_path: Path, what: str) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "w", metadata={"twofold": DOCUMENTS[what]})
    assert loaded_or_refused(tmp_path / "w")


# --- configurations -----------------------------------------------------------------------------

NUMBERS = [-1, 0, 7, 60_000, 65_536, 10**9, 2**63, 10**400, float("nan"), float("inf"), 1e300]
OTHERS = [
    None,
    "8",
    True,
    [],
    [8],
    [[8] * 3] * 3,
    {},
    [10**9] * 6,
    [60_000] * 6,
    [1] * 60_000,
    [-1] * 6,
    "x" * 10**5,
]
BOMBS: list[tuple[str, dict[str, Any]]] = [
    ("medfe", {"residual_blocks": 60_000}),
    ("medfe", {"encoder_channels": [60_000] * 6, "fill_channels": 60_000}),
    ("medfe", {"fill_depth": 60_000, "fill_kernels": [3] * 1000}),
    ("medfe", {"fill_kernels": [60_001]}),
    ("medfe", {"detail_channels": 65_536}),
    ("dsi", {"vqvae": {"codes": 65_536, "code_size": 65_536}}),
    ("dsi", {"vqvae": {"channels": 65_536, "residual_channels": 65_536, "residual_blocks": 65_536}}),
    ("dsi", {"structure": {"groups": 65_536, "layers": 65_536}}),
    ("dsi", {"structure": {"heads": 65_536, "key_channels": 65_536, "value_channels": 65_536}}),
    ("dsi", {"structure": {"condition_dilations": [1] * 60_000}}),
    ("dsi", {"structure": {"out_layers": 65_536, "channels": 65_536}}),
    ("dsi", {"texture": {"discriminator_channels": [65_536] * 1000}}),
    ("dsi", {"texture": {"channels": 65_536}}),
]


def refusal(family: str, config: dict[str, Any], state: dict[str, torch.Tensor]) -> str:
    """What is said of weights with this configuration; nothing if they are taken."""
    try:
        with within(2, config):
            build_network(Weights(family, config, state, "w"))
    except CheckpointError as error:
        said = str(error)
        assert "\n" not in said
        return said
    return ""


@pytest.mark.parametrize(("family", "changes"), BOMBS)
def test_configurations_of_networks_without_end_are_refused_before_they_are_built(
    family: str, changes: dict[str, Any]
) -> None:
    config: dict[str, Any] = json.loads(json.dumps(asdict(tiny_medfe() if family == "medfe" else tiny_dsi())))
    for name, value in changes.items():
        config[name] = config[name] | value if isinstance(value, dict) else value
    assert refusal(family, config, {"a": torch.zeros(1)})


@pytest.mark.parametrize("family", ["medfe", "dsi"])
def test_any_one_field_changed_is_refused_or_taken(family: str) -> None:
    config: dict[str, Any] = json.loads(json.dumps(asdict(tiny_medfe() if family == "medfe" else tiny_dsi())))
    parts = [config, *(part for part in config.values() if isinstance(part, dict))]
    choose = random.Random(family)
    refused = 0
    for part in parts:
        for name, good in list(part.items()):
            for value in choose.sample([*NUMBERS, *OTHERS], 7):
                part[name] = value
                refused += bool(refusal(family, config, {"a": torch.zeros(1)}))
            part[name] = good
    assert refused > 100


# --- a real file, broken ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "w"
    config = tiny_medfe()
    save_weights(path, family="medfe", config=config, state=build_medfe(config).state_dict(), name="w")
    return path.read_bytes()


def test_weights_cut_off_anywhere_are_refused(whole: bytes, tmp_path: Path) -> None:
    for data in truncations(whole, 60):
        (tmp_path / "w").write_bytes(data)
        assert "is damaged or not a safetensors file" in loaded_or_refused(tmp_path / "w")


def test_weights_with_a_flipped_header_are_refused_or_loaded(whole: bytes, tmp_path: Path) -> None:
    length = 8 + int.from_bytes(whole[:8], "little")
    refused = 0
    for start in range(0, length, 120):  # flips reach 120 bytes far
        for part in flips(whole[start:length], 3, seed=start):
            (tmp_path / "w").write_bytes(whole[:start] + part + whole[length:])
            refused += bool(loaded_or_refused(tmp_path / "w"))
    assert refused > length // 120


def test_weights_of_the_wrong_kind_of_numbers_are_named() -> None:
    network = torch.nn.Conv2d(1, 1, 1)
    state = {
        "weight": torch.zeros(1, 1, 1, 1, dtype=torch.int64),
        "bias": torch.zeros(1, dtype=torch.complex64),
    }
    with pytest.raises(CheckpointError, match="2 mistyped: weight of int64, bias of complex64"):
        check_state("network", network.state_dict(), state, "file")


def test_trying_a_configuration_leaves_torch_as_it_was() -> None:
    from torch.nn.modules import module

    hooks = dict(module._global_parameter_registration_hooks)
    refusal("medfe", {"residual_blocks": 60_000}, {"a": torch.zeros(1)})
    assert dict(module._global_parameter_registration_hooks) == hooks
    assert torch.nn.Conv2d(1, 1, 1).weight.device.type == "cpu"
    assert bool(torch.nn.Linear(50, 50).weight.std() > 0)
