from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from twofold.data.folder import PhotoFolder, read_photo
from twofold.data.pairs import DataConfig, TrainingPairs
from twofold.data.smooth import rtv_smooth
from twofold.data.structures import SmoothConfig, StructureCache, prepare
from twofold.errors import InputError

pytest.importorskip("numba")


@pytest.fixture
def calls(monkeypatch):
    """Counts the smoothings that are really computed."""
    counted = []

    def counting(image, **options):
        if image.shape != (2, 2, 3):  # the trial with which prepare() begins
            counted.append(options)
        return rtv_smooth(image, **options)

    monkeypatch.setattr("twofold.data.structures.rtv_smooth", counting)
    return counted


def test_a_target_is_the_smoothed_photo_rounded_to_8_bits(photos, tmp_path):
    photo = read_photo(photos / "0.png")
    target = StructureCache(tmp_path / "cache").smoothed(photo)
    expected = rtv_smooth(photo.astype(np.float32) / 255) * 255
    assert target.dtype == np.uint8
    assert np.abs(target - expected).max() <= 0.5 + 1e-3


def test_a_target_is_computed_once_and_comes_back_bit_for_bit(photos, tmp_path, calls):
    photo = read_photo(photos / "0.png")
    first = StructureCache(tmp_path / "cache").smoothed(photo)
    again = StructureCache(tmp_path / "cache").smoothed(photo)
    assert np.array_equal(first, again)
    assert len(calls) == 1


def test_other_pixels_and_other_options_are_other_entries(photos, tmp_path):
    photo = read_photo(photos / "2.png")
    changed = photo.copy()
    changed[0, 0, 0] ^= 1
    cache = StructureCache(tmp_path)
    other = StructureCache(tmp_path, SmoothConfig(sigma=2.0))
    turned = photo.reshape(photo.shape[0] * 2, -1, 3)  # the same bytes in another shape
    assert len({cache.entry(photo), cache.entry(changed), other.entry(photo), cache.entry(turned)}) == 4


@pytest.mark.parametrize("damage", [b"", b"hello", None])
def test_a_damaged_entry_is_computed_anew(photos, tmp_path, calls, damage):
    photo = read_photo(photos / "0.png")
    cache = StructureCache(tmp_path / "cache")
    first = cache.smoothed(photo)
    entry = cache.entry(photo)
    entry.write_bytes(entry.read_bytes()[:-60] if damage is None else damage)
    assert not cache.holds(photo)
    assert np.array_equal(cache.smoothed(photo), first)
    assert cache.holds(photo)
    assert len(calls) == 2


def test_many_at_once_leave_one_whole_entry_and_no_leftovers(photos, tmp_path):
    photo = read_photo(photos / "3.png")
    cache = StructureCache(tmp_path / "cache")
    with ThreadPoolExecutor(8) as pool:
        targets = list(pool.map(lambda _: cache.smoothed(photo), range(16)))
    assert all(np.array_equal(target, targets[0]) for target in targets)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [cache.entry(photo)]


def test_a_failed_write_leaves_nothing_behind(photos, tmp_path, monkeypatch):
    def full_disk(self, file, **_):
        file.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        StructureCache(tmp_path / "cache").smoothed(read_photo(photos / "3.png"))
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("workers", [1, 2])
def test_preparing_computes_all_once_and_names_the_broken(photos, tmp_path, workers):
    (photos / "3.png").write_bytes(b"hello")
    cache, seen = StructureCache(tmp_path / "cache"), []
    first = prepare(
        PhotoFolder(photos), cache, short_side=36, workers=workers, progress=lambda *now: seen.append(now)
    )
    assert (first.computed, first.found) == (6, 0)
    assert [path.name for path in first.broken] == ["3.png"]
    assert seen == [(done, 7) for done in range(1, 8)]
    again = prepare(PhotoFolder(photos), cache, short_side=36, workers=workers)
    assert (again.computed, again.found) == (0, 6)


def test_training_finds_what_was_prepared(photos, tmp_path, calls):
    config = DataConfig(folder=photos, size=32, structures=tmp_path / "cache")
    prepare(PhotoFolder(photos), StructureCache(tmp_path / "cache"), short_side=config.short_side)
    assert len(calls) == 7
    pairs = TrainingPairs(config)
    for n in range(14):
        assert pairs[n]["structure"].shape == (3, 32, 32)
    assert len(calls) == 7


def test_no_workers_and_a_file_for_a_folder_are_refused(photos, tmp_path):
    with pytest.raises(InputError, match="workers is 0"):
        prepare(PhotoFolder(photos), StructureCache(tmp_path / "cache"), short_side=36, workers=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        StructureCache(tmp_path / "file")
