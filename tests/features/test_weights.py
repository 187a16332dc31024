"""Where feature weights are looked for, in which order, and what is refused."""

from __future__ import annotations

import hashlib
import io
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch

from twofold.errors import CheckpointError, InputError
from twofold.features import weights
from twofold.features.alexnet import pretrained_alexnet
from twofold.features.inception import WEIGHTS
from twofold.features.weights import TRUNKS, Published, Trunk, load_state, load_trunk, locate

SMALL = Trunk(
    file="small-00000000.pth",
    url="https://example.invalid/small-00000000.pth",
    copies=("small.npz",),
    places=(0, 3),
    shapes=((4, 3, 3, 3), (2, 4, 1, 1)),
)


@pytest.fixture(autouse=True)
def small_trunk(monkeypatch, tmp_path):
    """A network of two tiny convolutions, an empty cache, and no way to the world."""

    def unplugged(*_args, **_kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setitem(TRUNKS, "small", SMALL)
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TWOFOLD_FEATURES", raising=False)
    monkeypatch.setattr(urllib.request, "urlopen", unplugged)


def tensors(value: float) -> dict[str, torch.Tensor]:
    state = {}
    for place, shape in zip(SMALL.places, SMALL.shapes, strict=True):
        state[f"features.{place}.weight"] = torch.full(shape, value)
        state[f"features.{place}.bias"] = torch.full(shape[:1], value)
    return state


def write_pth(path: Path, value: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tensors(value) | {"classifier.0.weight": torch.zeros(2)}, path)
    return path


def write_npz(path: Path, value: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"conv{i}.weight": np.full(shape, value, np.float16) for i, shape in enumerate(SMALL.shapes)}
    arrays |= {f"conv{i}.bias": np.full(shape[:1], value, np.float16) for i, shape in enumerate(SMALL.shapes)}
    np.savez(path, lin0=np.zeros(3), **arrays)
    return path


def test_both_layouts_give_the_same_float32_tensors(tmp_path):
    from_pth = load_trunk("small", write_pth(tmp_path / "a.pth", 0.5))
    from_npz = load_trunk("small", write_npz(tmp_path / "a.npz", 0.5))
    assert list(from_pth) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert from_pth.keys() == from_npz.keys()
    for key, value in from_pth.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, from_npz[key])


def test_explicit_file_wins_then_named_folder_then_cache(tmp_path, monkeypatch):
    write_npz(tmp_path / "cache" / "features" / "small.npz", 3)
    assert load_trunk("small")["0.bias"][0] == 3
    write_npz(tmp_path / "named" / "small.npz", 2)
    monkeypatch.setenv("TWOFOLD_FEATURES", str(tmp_path / "named"))
    assert load_trunk("small")["0.bias"][0] == 2
    assert load_trunk("small", write_pth(tmp_path / "mine.pth", 1))["0.bias"][0] == 1


def test_nothing_found_offline_names_the_file_the_address_and_the_way_out(tmp_path):
    for options in ({}, {"download": False}):
        with pytest.raises(CheckpointError) as caught:
            load_trunk("small", **options)
        message = str(caught.value)
        assert SMALL.file in message
        assert SMALL.url in message
        assert "TWOFOLD_FEATURES" in message
        assert str(tmp_path / "cache" / "features") in message
    assert not list((tmp_path / "cache").rglob("*.part"))


def serve(monkeypatch, content: bytes) -> Trunk:
    """Publish ``content`` under a file name that promises the SHA-256 of it."""
    name = f"small-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    trunk = Trunk(name, SMALL.url, (), SMALL.places, SMALL.shapes)
    monkeypatch.setitem(TRUNKS, "small", trunk)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_a, **_k: io.BytesIO(content))
    return trunk


def test_download_is_checked_kept_and_not_repeated(tmp_path, monkeypatch):
    content = write_pth(tmp_path / "origin.pth", 0.25).read_bytes()
    trunk = serve(monkeypatch, content)
    assert load_trunk("small")["1.bias"][0] == 0.25
    kept = tmp_path / "cache" / "features" / trunk.file
    assert [path.name for path in kept.parent.iterdir()] == [trunk.file]
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_a, **_k: pytest.fail("fetched twice"))
    assert load_trunk("small")["1.bias"][0] == 0.25


def test_download_with_the_wrong_checksum_is_thrown_away(tmp_path, monkeypatch):
    serve(monkeypatch, b"what was promised")
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_a, **_k: io.BytesIO(b"something else"))
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_trunk("small")
    assert list((tmp_path / "cache" / "features").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a state dict", b"PK\x03\x04 broken archive"])
@pytest.mark.parametrize("name", ["bad.pth", "bad.npz"])
def test_damaged_file_is_a_checkpoint_error_that_names_it(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        load_trunk("small", path)


def test_absent_file_missing_tensor_and_wrong_shape_are_told_apart(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        load_trunk("small", tmp_path / "nowhere.pth")
    state = tensors(0)
    del state["features.3.bias"]
    torch.save(state, tmp_path / "short.pth")
    with pytest.raises(CheckpointError, match=r"features\.3\.bias is missing"):
        load_trunk("small", tmp_path / "short.pth")
    torch.save(tensors(0) | {"features.0.weight": torch.zeros(4, 3, 5, 5)}, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=r"\(4, 3, 5, 5\)"):
        load_trunk("small", tmp_path / "odd.pth")


def test_pickles_that_hold_more_than_tensors_are_refused(tmp_path):
    torch.save({"features.0.weight": Path("x")}, tmp_path / "code.pth")
    with pytest.raises(CheckpointError, match=r"code\.pth"):
        load_trunk("small", tmp_path / "code.pth")


def test_unknown_network_is_refused():
    with pytest.raises(InputError, match="vgg16"):
        load_trunk("resnet")


def test_published_names_carry_eight_digits_of_checksum():
    for published in (TRUNKS["vgg16"], TRUNKS["alexnet"], WEIGHTS):
        assert published.url.endswith("/" + published.file)
        digits = published.file.removesuffix(".pth").rsplit("-", 1)[1]
        assert len(digits) == 8
        assert int(digits, 16) >= 0
    for name in ("vgg16", "alexnet"):
        assert len(TRUNKS[name].places) == len(TRUNKS[name].shapes)


def test_whole_state_dicts_are_found_fetched_and_checked_by_the_same_code(tmp_path, monkeypatch):
    torch.save({"a": torch.ones(2)}, tmp_path / "origin.pth")
    content = (tmp_path / "origin.pth").read_bytes()
    file = f"whole-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    whole = Published(file, f"https://example.invalid/{file}", ("other-name.pth",))
    with pytest.raises(CheckpointError, match="cannot be downloaded"):
        load_state(whole)
    with pytest.raises(CheckpointError, match="nowhere on this machine"):
        load_state(whole, download=False)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_a, **_k: io.BytesIO(content))
    assert torch.equal(load_state(whole)["a"], torch.ones(2))
    assert locate(whole) == tmp_path / "cache" / "features" / file
    torch.save({"a": torch.zeros(2)}, tmp_path / "other-name.pth")
    monkeypatch.setenv("TWOFOLD_FEATURES", str(tmp_path))
    assert locate(whole) == tmp_path / "other-name.pth"
    assert torch.equal(load_state(whole)["a"], torch.zeros(2))


def test_state_dict_that_is_none_or_absent_is_a_checkpoint_error(tmp_path):
    whole = Published("whole-00000000.pth", "https://example.invalid/whole-00000000.pth", ())
    with pytest.raises(CheckpointError, match="does not exist"):
        load_state(whole, tmp_path / "nowhere.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(CheckpointError, match=r"tensor\.pth cannot be read.*a Tensor, not a state dict"):
        load_state(whole, tmp_path / "tensor.pth")


def test_importing_reads_and_fetches_nothing(tmp_path):
    assert weights.cache_folder() == tmp_path / "cache" / "features"
    assert not (tmp_path / "cache").exists()
    with pytest.raises(CheckpointError):
        pretrained_alexnet()
