"""Running inpainters over a protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from twofold.engine.external.classical import CLASSICAL, Classical
from twofold.errors import InputError
from twofold.evaluate import compare, networks, sets
from twofold.evaluate.compare import Output, evaluate
from twofold.evaluate.protocol import Protocol
from twofold.evaluate.report import markdown
from twofold.features.alexnet import AlexNet
from twofold.features.lpips import LPIPS
from twofold.inpainter import Result, Sample
from twofold.metrics.fidelity import psnr

METRICS = ("psnr", "lpips")
PROTOCOL = Protocol(size=32, metrics=METRICS)


class Painter:
    """Answers with one grey everywhere, also where it must not."""

    def __init__(self, name: str = "inpainter", grey: int = 128) -> None:
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
    monkeypatch.setattr(networks, "pretrained_lpips", lambda net: lpips)
    Counting.asked = 0
    return lpips


def test_inpainters_see_no_pixel_of_the_hole(folder):
    inpainter = Painter()
    evaluate(folder, [inpainter], protocol=PROTOCOL)
    assert len(inpainter.seen) == 5
    for image, mask, _ in inpainter.seen:
        assert mask.any()
        assert not image[mask].any()


def test_answers_are_composited_before_they_are_measured(folder):
    report = evaluate(folder, [Painter(grey=0)], protocol=PROTOCOL)
    for item, row in zip(PROTOCOL.items(folder), report.rows, strict=True):
        assert row.scores["psnr"] == pytest.approx(psnr(item.damaged, item.image))
        assert row.photo == item.photo
        assert row.key == item.key
        assert (row.kind, row.ratio) == (item.kind, item.ratio)


def test_lpips_is_the_distance_of_composite_and_truth(folder, random_lpips):
    item = PROTOCOL.items(folder)[1]
    row = evaluate(folder, [Painter(grey=0)], protocol=PROTOCOL).rows[1]

    def tensor(pixels: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32)) / 127.5 - 1

    theirs = float(random_lpips(tensor(item.damaged), tensor(item.image)))
    assert row.scores["lpips"] == pytest.approx(theirs, rel=1e-5)
    assert theirs > 0


def test_only_diverse_models_are_asked_for_several_answers(folder, monkeypatch):
    asked = []
    plain = Painter("plain")
    fill = plain.fill
    monkeypatch.setattr(
        plain, "fill", lambda *a, samples=1, **kw: asked.append(samples) or fill(*a, samples=samples, **kw)
    )
    sampler = Sampler("sampler")
    report = evaluate(
        folder, [sampler, plain], protocol=Protocol(size=32, metrics=METRICS, limit=2, samples=3)
    )
    assert [samples for *_, samples in sampler.seen] == [3, 3]
    assert asked == [1, 1]
    assert report.samples == 3
    assert [row.scores["diversity-hole"] > 0 for row in report.rows] == [True, True, False, False]
    for row in report.rows[2:]:
        assert row.scores["best psnr"] == row.scores["psnr"]
        assert row.scores["best lpips"] == row.scores["lpips"]


def test_diverse_models_give_their_first_answer_when_one_is_asked_for(folder):
    sampler, inpainter = Sampler("a"), Painter("b")
    report = evaluate(folder, [sampler, inpainter], protocol=Protocol(size=32, metrics=METRICS, limit=1))
    assert report.rows[0].scores == report.rows[1].scores
    assert list(report.rows[0].scores) == ["psnr", "lpips"]


def test_cached_answers_serve_evaluations_of_several_samples(folder, tmp_path):
    evaluate(folder, [Counting()], protocol=PROTOCOL, out=Output(cache=tmp_path))
    report = evaluate(
        folder,
        [Counting()],
        protocol=Protocol(size=32, metrics=METRICS, samples=4),
        out=Output(cache=tmp_path),
    )
    assert Counting.asked == 5
    assert {row.scores["diversity-hole"] for row in report.rows} == {0.0}


def test_models_keep_their_order_and_the_protocol_gives_the_seed(folder):
    inpainters = [Painter("zebra"), Painter("ape", 3)]
    report = evaluate(folder, inpainters, protocol=Protocol(size=32, metrics=METRICS, seed=9, limit=2))
    assert report.models == ["zebra", "ape"]
    assert [row.photo for row in report.rows] == ["0.png", "1.png"] * 2
    assert {seed for inpainter in inpainters for _, _, seed in inpainter.seen} == {9}


def test_progress_is_told_after_each_answer(folder):
    told = []
    protocol = Protocol(size=32, metrics=METRICS, limit=2)
    evaluate(folder, [Painter("x"), Painter("y")], protocol=protocol, progress=lambda *a: told.append(a))
    assert told == [("x", 1, 2), ("y", 1, 2), ("x", 2, 2), ("y", 2, 2)]


def test_cached_answers_are_not_computed_again_and_score_the_same(folder, tmp_path):
    first = evaluate(folder, [Counting()], protocol=PROTOCOL, out=Output(cache=tmp_path))
    assert Counting.asked == 5
    again = evaluate(folder, [Counting()], protocol=PROTOCOL, out=Output(cache=tmp_path))
    assert Counting.asked == 5
    assert again == first
    assert again.timings == first.timings


def test_another_seed_is_another_cache_entry(folder, tmp_path):
    evaluate(
        folder, [Counting()], protocol=Protocol(size=32, metrics=METRICS, limit=1), out=Output(cache=tmp_path)
    )
    evaluate(
        folder,
        [Counting()],
        protocol=Protocol(size=32, metrics=METRICS, limit=1, seed=1),
        out=Output(cache=tmp_path),
    )
    assert Counting.asked == 2


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not an archive"])
def test_damaged_cache_entries_are_computed_anew(folder, tmp_path, damage):
    first = evaluate(folder, [Counting()], protocol=PROTOCOL, out=Output(cache=tmp_path))
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.write_bytes(damage)
    again = evaluate(folder, [Counting()], protocol=PROTOCOL, out=Output(cache=tmp_path))
    assert Counting.asked == 10
    assert [row.scores for row in again.rows] == [row.scores for row in first.rows]


def test_cache_entry_of_another_hole_is_not_used(folder, tmp_path):
    evaluate(folder, [Counting()], protocol=PROTOCOL, out=Output(cache=tmp_path))
    for path in tmp_path.rglob("*.npz"):
        np.savez(path, fills=np.zeros((1, 1, 3), np.uint8), seconds=0.0, memory=0)
    evaluate(folder, [Counting()], protocol=PROTOCOL, out=Output(cache=tmp_path))
    assert Counting.asked == 10


def test_answers_of_models_without_a_fingerprint_are_not_kept(folder, tmp_path):
    inpainter = Painter()
    for _ in range(2):
        evaluate(folder, [inpainter], protocol=PROTOCOL, out=Output(cache=tmp_path))
    assert len(inpainter.seen) == 10
    assert not list(tmp_path.rglob("*.npz"))


def test_classical_methods_are_built_by_name_and_named_in_the_versions(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(CLASSICAL, "counting", Counting)
    report = evaluate(folder, ["counting"], tmp_path, protocol=PROTOCOL)
    assert report.models == ["counting"]
    assert f"numpy {np.__version__}" in report.versions["counting"]
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == markdown(report)
    assert {path.name for path in tmp_path.iterdir()} >= {"report.html", "report.json", "rows.csv", "cache"}


def test_second_model_of_a_name_is_reported_as_it_was_given(folder, monkeypatch):
    monkeypatch.setattr(compare, "load", lambda name, *, device: Painter("medfe", len(name)))
    report = evaluate(folder, ["first", "runs/second"], protocol=Protocol(size=32, metrics=METRICS, limit=1))
    assert report.models == ["medfe", "runs/second"]
    assert report.rows[0].scores != report.rows[1].scores


def test_device_is_passed_on_to_loading(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(compare, "load", lambda name, *, device: asked.append((name, device)) or Painter())
    evaluate(folder, ["medfe"], protocol=Protocol(size=32, metrics=METRICS, limit=1), device="cpu")
    assert asked == [("medfe", "cpu")]


def test_no_model_and_one_given_twice_are_refused(folder, monkeypatch):
    with pytest.raises(InputError, match="no model"):
        evaluate(folder, [], protocol=PROTOCOL)
    monkeypatch.setitem(CLASSICAL, "counting", Counting)
    with pytest.raises(InputError, match="counting is given twice"):
        evaluate(folder, ["counting", "counting"], protocol=PROTOCOL)


class Leaving(Counting):
    """Is killed at its third item."""

    def _fill(self, known, hole, seed):
        if Counting.asked == 2:
            raise KeyboardInterrupt
        return super()._fill(known, hole, seed)


def test_a_run_that_was_broken_off_goes_on_and_ends_in_the_same_bytes(folder, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        evaluate(folder, [Leaving()], tmp_path / "broken", protocol=PROTOCOL)
    assert not (tmp_path / "broken" / "report.json").exists()
    evaluate(folder, [Counting()], tmp_path / "broken", protocol=PROTOCOL)
    assert Counting.asked == 5  # two before, three after
    evaluate(folder, [Counting()], tmp_path / "whole", protocol=PROTOCOL)
    for name in ("report.md", "report.json", "report.html", "rows.csv", "figures.csv"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_more_metrics_are_computed_from_the_answers_that_are_there(folder, tmp_path):
    few = evaluate(folder, [Counting()], protocol=PROTOCOL, out=Output(cache=tmp_path))
    protocol = Protocol(size=32, metrics=("l1", "psnr", "rim"))
    more = evaluate(folder, [Counting()], protocol=protocol, out=Output(cache=tmp_path))
    assert Counting.asked == 5
    assert list(more.rows[0].scores) == ["l1", "psnr", "rim"]
    assert [row.scores["psnr"] for row in more.rows] == [row.scores["psnr"] for row in few.rows]


def test_networks_see_each_answer_once_and_their_features_are_kept(folder, tmp_path, monkeypatch):
    seen = []

    def embedding(features):
        seen.append(1)
        (first, *_) = features.values()
        return first.mean(dim=(2, 3))

    monkeypatch.setattr(sets, "vgg_embedding", embedding)
    protocol = Protocol(size=32, metrics=("psnr", "vgg-fd", "vgg-kd"))
    first = evaluate(folder, [Counting(), Painter()], protocol=protocol, out=Output(cache=tmp_path))
    assert seen == [1] * 15  # five photographs, five answers each
    again = evaluate(folder, [Counting(), Painter()], protocol=protocol, out=Output(cache=tmp_path))
    assert seen == [1] * 20  # the inpainter tells no fingerprint
    assert again.sets == first.sets
    assert [(one.model, one.metric) for one in first.sets] == [
        (model, name) for model in ("counting", "inpainter") for name in ("vgg-fd", "vgg-kd")
    ]
    assert any("fewer than 2,048" in warning for warning in first.warnings)


def test_diversity_of_one_answer_is_left_out_and_said_so(folder):
    report = evaluate(folder, [Painter()], protocol=Protocol(size=32, metrics=("psnr", "diversity"), limit=1))
    assert report.metrics == ("psnr",)
    assert report.warnings[0].startswith("diversity: not measured")


def test_pages_hold_the_pictures_of_the_worst_and_best_cases(folder, tmp_path):
    evaluate(folder, [Counting()], Output(tmp_path, pictures=2), protocol=PROTOCOL)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/webp") >= 2 * 3
    evaluate(folder, [Counting()], Output(tmp_path / "plain", page=False), protocol=PROTOCOL)
    assert not (tmp_path / "plain" / "report.html").exists()
