"""The rules of an evaluation, and the papers' rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from twofold.cli.evaluate import ProtocolName
from twofold.errors import InputError, TrainingError
from twofold.evaluate.papers import PROTOCOLS
from twofold.evaluate.protocol import Protocol
from twofold.evaluate.results import hash_of_items

PROTOCOL = Protocol(size=64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for index in range(9):
        where = root / ("a" if index % 2 else "b")
        where.mkdir(exist_ok=True)
        pixels = np.random.default_rng(index).integers(
            0, 256, (64 + index, 70 + 3 * index, 3), dtype=np.uint8
        )
        Image.fromarray(pixels).save(where / f"{index}.png")
    return root


def test_same_seed_gives_the_same_keys_and_another_seed_other_holes(folder):
    keys = [item.key for item in PROTOCOL.items(folder)]
    assert [item.key for item in Protocol(size=64).items(folder)] == keys
    others = Protocol(size=64, seed=1).items(folder)
    assert not set(keys) & {item.key for item in others}
    assert np.array_equal(others[0].image, PROTOCOL.items(folder)[0].image)


def test_crops_and_holes_of_the_first_release_have_not_changed(folder):
    items = Protocol(size=64).items(folder)
    found = hash_of_items((item.photo, item.key) for item in items)
    assert found == "71b2d162425873e9cbe7eade3ae80fa588befbb200e422b5cc01b7a8ba6ae2be"


def test_limit_takes_the_first_photographs_unchanged(folder):
    few = Protocol(size=64, limit=3).items(folder)
    assert [item.key for item in few] == [item.key for item in PROTOCOL.items(folder)[:3]]


def test_samples_and_metrics_do_not_change_the_cases(folder):
    keys = [item.key for item in Protocol(size=64, samples=4, metrics=("l1",)).items(folder)]
    assert keys == [item.key for item in PROTOCOL.items(folder)]


@pytest.mark.parametrize(
    ("options", "tag"),
    [
        ({}, "own/centre-256/free-form-10-50/seed-0/v1"),
        ({"samples": 6}, "own/centre-256/free-form-10-50/seed-0/samples-6/v1"),
        ({"masks": ("centre",), "seed": 2}, "own/centre-256/centre/seed-2/v1"),
        ({"masks": ("thin", "object"), "ratios": ()}, "own/centre-256/thin+object/seed-0/v1"),
        ({"crop": "square", "size": 512}, "own/square-512/free-form-10-50/seed-0/v1"),
    ],
)
def test_tag_says_what_figures_depend_on(options, tag):
    assert Protocol(**options).tag == tag


def test_tag_and_description_name_a_folder_of_masks_without_its_place(tmp_path):
    (tmp_path / "brushed").mkdir()
    protocol = Protocol(masks=(str(tmp_path / "brushed"),))
    assert protocol.tag == "own/centre-256/folder:brushed-10-50/seed-0/v1"
    assert not any(str(tmp_path) in line for line in protocol.description)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 16}, "size is 16"),
        ({"seed": -1}, "seed -1"),
        ({"limit": 0}, "limit 0"),
        ({"samples": 0}, "samples is 0"),
        ({"crop": "round"}, "crop is 'round'"),
        ({"masks": ("stars",)}, "masks is 'stars', which is no folder"),
        ({"masks": "centre"}, "give tuples of names"),
        ({"masks": ()}, "masks is empty"),
        ({"ratios": ((0.4, 0.2),)}, "ratios hold"),
        ({"metrics": ()}, "no metric is given"),
        ({"metrics": ("psnr", "beauty")}, "'beauty' is no metric"),
    ],
)
def test_values_that_cannot_work_are_refused_at_once(options, message):
    with pytest.raises(InputError, match=message):
        Protocol(**options)


def test_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(TrainingError):
        PROTOCOL.items(tmp_path)


def test_protocols_go_by_their_names_here_and_on_the_command_line():
    assert [protocol.name for protocol in PROTOCOLS.values()] == list(PROTOCOLS)
    assert tuple(PROTOCOLS) == get_args(ProtocolName)
    assert PROTOCOLS["own"] == Protocol()


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name != "own"])
def test_every_paper_says_what_it_did_and_what_is_not_known_and_gives_cases(name, folder):
    protocol = PROTOCOLS[name]
    assert protocol.did.endswith(".")
    assert protocol.unknown.endswith(".")
    assert any(protocol.did in line for line in protocol.description)
    items = replace(protocol, size=64, limit=2).items(folder)
    for item in items:
        assert item.image.shape == (64, 64, 3)
        assert 0 < item.ratio < 1
