"""Running inpainters over a protocol."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from twofold.engine.classical import CLASSICAL, Classical
from twofold.errors import InputError
from twofold.evaluate import compare
from twofold.evaluate.compare import evaluate, measure
from twofold.evaluate.protocol import Case, Protocol
from twofold.features.alexnet import AlexNet
from twofold.features.lpips import LPIPS
from twofold.inpainter import Result, Sample
from twofold.metrics.fidelity import psnr

PROTOCOL = Protocol(size=32)


class Painter:
    """Answers with one grey everywhere, also where it must not."""

    def __init__(self, name: str = "painter", grey: int = 128) -> None:
        self.name, self.grey = name, grey
        self.seen: list[tuple[np.ndarray, np.ndarray, int]] = []

    def fill(self, image, mask, *, samples=1, seed=0) -> Result:
        self.seen.append((image, mask, seed))
        return Result([Sample(np.full_like(image, self.grey))], self.name, seed)


class Sampler(Painter):
    """Answers with another grey for each sample."""

    diverse = True

    def fill(self, image, mask, *, samples=1, seed=0) -> Result:
        self.seen.append((image, mask, samples))
        answers = [Sample(np.full_like(image, self.grey + 20 * i), index=i) for i in range(samples)]
        return Result(answers, self.name, seed)


class Counting(Classical):
    """A classical method that counts how often it is asked."""

    name, package, module = "counting", "numpy", "numpy"
    asked = 0

    def _fill(self, known, hole, seed):
        Counting.asked += 1
        return np.full_like(known, seed % 256)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for index in range(5):
        pixels = np.random.default_rng(index).integers(0, 256, (32, 33, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{index}.png")
    return root


@pytest.fixture(autouse=True)
def random_lpips(monkeypatch) -> LPIPS:
    torch.manual_seed(0)
    lpips = LPIPS("alex", AlexNet())
    monkeypatch.setattr(compare, "pretrained_lpips", lambda net: lpips)
    Counting.asked = 0
    return lpips


def test_inpainters_see_no_pixel_of_the_hole(folder):
    painter = Painter()
    evaluate(folder, [painter], protocol=PROTOCOL)
    assert len(painter.seen) == 5
    for image, mask, _ in painter.seen:
        assert mask.any()
        assert not image[mask].any()


def test_answers_are_composited_before_they_are_measured(folder):
    report = evaluate(folder, [Painter(grey=0)], protocol=PROTOCOL)
    for case, row in zip(PROTOCOL.cases(folder), report.rows, strict=True):
        assert row.scores["psnr"] == pytest.approx(psnr(case.damaged, case.image))
        assert row.photo == case.photo
        assert row.key == case.key
        assert row.bucket == case.bucket


def test_lpips_is_the_distance_of_composite_and_truth(folder, random_lpips):
    case = PROTOCOL.cases(folder)[1]
    row = measure(Painter(grey=0), case, random_lpips)

    def tensor(pixels: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32)) / 127.5 - 1

    theirs = float(random_lpips(tensor(case.damaged), tensor(case.image)))
    assert row.scores["lpips"] == pytest.approx(theirs, rel=1e-5)
    assert theirs > 0


def test_a_perfect_answer_has_infinite_psnr_and_no_distance(random_lpips):
    image = np.full((32, 32, 3), 128, np.uint8)
    hole = np.zeros((32, 32), np.bool_)
    hole[4:9, 4:9] = True
    row = measure(Painter(), Case("a.png", image, hole, (0.01, 0.1)), random_lpips)
    assert row.scores == {"psnr": math.inf, "lpips": 0.0}


def test_only_diverse_models_are_asked_for_several_answers(folder, monkeypatch):
    asked = []
    plain = Painter("plain")
    fill = plain.fill
    monkeypatch.setattr(
        plain, "fill", lambda *a, samples=1, **kw: asked.append(samples) or fill(*a, samples=samples, **kw)
    )
    sampler = Sampler("sampler")
    report = evaluate(folder, [sampler, plain], protocol=Protocol(size=32, limit=2, samples=3))
    assert [samples for *_, samples in sampler.seen] == [3, 3]
    assert asked == [1, 1]
    assert report.samples == 3
    assert [row.scores["diversity"] > 0 for row in report.rows] == [True, True, False, False]
    for row in report.rows[2:]:
        assert row.scores["best psnr"] == row.scores["psnr"]
        assert row.scores["best lpips"] == row.scores["lpips"]


def test_several_answers_are_scored_as_each_alone_would_be(folder, random_lpips):
    case = PROTOCOL.cases(folder)[1]
    alone = [measure(Painter(grey=100 + 20 * i), case, random_lpips).scores for i in range(3)]
    scores = measure(Sampler(grey=100), case, random_lpips, samples=3).scores
    assert list(scores) == ["psnr", "lpips", "best psnr", "best lpips", "diversity"]
    assert scores["psnr"] == pytest.approx(np.mean([one["psnr"] for one in alone]))
    assert scores["lpips"] == pytest.approx(np.mean([one["lpips"] for one in alone]))
    assert scores["best psnr"] == max(one["psnr"] for one in alone)
    assert scores["best lpips"] == min(one["lpips"] for one in alone)


def test_diverse_models_give_their_first_answer_when_one_is_asked_for(folder):
    sampler, painter = Sampler("a"), Painter("b")
    report = evaluate(folder, [sampler, painter], protocol=Protocol(size=32, limit=1))
    assert report.rows[0].scores == report.rows[1].scores
    assert list(report.rows[0].scores) == ["psnr", "lpips"]


def test_cached_answers_serve_evaluations_of_several_samples(folder, tmp_path):
    evaluate(folder, [Counting()], protocol=PROTOCOL, cache=tmp_path)
    report = evaluate(folder, [Counting()], protocol=Protocol(size=32, samples=4), cache=tmp_path)
    assert Counting.asked == 5
    assert {row.scores["diversity"] for row in report.rows} == {0.0}


def test_models_keep_their_order_and_the_protocol_gives_the_seed(folder):
    painters = [Painter("zebra"), Painter("ape", 3)]
    report = evaluate(folder, painters, protocol=Protocol(size=32, seed=9, limit=2))
    assert report.models == ["zebra", "ape"]
    assert [row.photo for row in report.rows] == ["0.png", "1.png"] * 2
    assert {seed for painter in painters for _, _, seed in painter.seen} == {9}


def test_progress_is_told_after_each_answer(folder):
    told = []
    protocol = Protocol(size=32, limit=2)
    evaluate(folder, [Painter("x"), Painter("y")], protocol=protocol, progress=lambda *a: told.append(a))
    assert told == [("x", 1, 2), ("x", 2, 2), ("y", 1, 2), ("y", 2, 2)]


def test_cached_answers_are_not_computed_again_and_score_the_same(folder, tmp_path):
    first = evaluate(folder, [Counting()], protocol=PROTOCOL, cache=tmp_path)
    assert Counting.asked == 5
    again = evaluate(folder, [Counting()], protocol=PROTOCOL, cache=tmp_path)
    assert Counting.asked == 5
    assert again == first


def test_another_seed_is_another_cache_entry(folder, tmp_path):
    evaluate(folder, [Counting()], protocol=Protocol(size=32, limit=1), cache=tmp_path)
    evaluate(folder, [Counting()], protocol=Protocol(size=32, limit=1, seed=1), cache=tmp_path)
    assert Counting.asked == 2


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not an archive"])
def test_damaged_cache_entries_are_computed_anew(folder, tmp_path, damage):
    first = evaluate(folder, [Counting()], protocol=PROTOCOL, cache=tmp_path)
    for path in tmp_path.rglob("*.npz"):
        path.write_bytes(damage)
    again = evaluate(folder, [Counting()], protocol=PROTOCOL, cache=tmp_path)
    assert Counting.asked == 10
    assert [row.scores for row in again.rows] == [row.scores for row in first.rows]


def test_cache_entry_of_another_hole_is_not_used(folder, tmp_path):
    evaluate(folder, [Counting()], protocol=PROTOCOL, cache=tmp_path)
    for path in tmp_path.rglob("*.npz"):
        np.savez(path, fill=np.zeros((1, 3), np.uint8), seconds=0.0)
    evaluate(folder, [Counting()], protocol=PROTOCOL, cache=tmp_path)
    assert Counting.asked == 10


def test_only_classical_methods_are_cached(folder, tmp_path):
    painter = Painter()
    for _ in range(2):
        evaluate(folder, [painter], protocol=PROTOCOL, cache=tmp_path)
    assert len(painter.seen) == 10
    assert not list(tmp_path.rglob("*.npz"))


def test_classical_methods_are_built_by_name_and_named_in_the_versions(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(CLASSICAL, "counting", Counting)
    report = evaluate(folder, ["counting"], tmp_path, protocol=PROTOCOL)
    assert report.models == ["counting"]
    assert report.versions["counting"] == f"numpy {np.__version__}"
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == report.markdown()


def test_second_model_of_a_name_is_reported_as_it_was_given(folder, monkeypatch):
    monkeypatch.setattr(compare, "load", lambda name, *, device: Painter("medfe", len(name)))
    report = evaluate(folder, ["first", "runs/second"], protocol=Protocol(size=32, limit=1))
    assert report.models == ["medfe", "runs/second"]
    assert report.rows[0].scores != report.rows[1].scores


def test_device_is_passed_on_to_loading(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(compare, "load", lambda name, *, device: asked.append((name, device)) or Painter())
    evaluate(folder, ["medfe"], protocol=Protocol(size=32, limit=1), device="cpu")
    assert asked == [("medfe", "cpu")]


def test_no_model_and_one_given_twice_are_refused(folder, monkeypatch):
    with pytest.raises(InputError, match="no model"):
        evaluate(folder, [], protocol=PROTOCOL)
    monkeypatch.setitem(CLASSICAL, "counting", Counting)
    with pytest.raises(InputError, match="counting is given twice"):
        evaluate(folder, ["counting", "counting"], protocol=PROTOCOL)
