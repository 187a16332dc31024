"""The journal survives kills, and the newest run's word counts."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from twofold.batch.journal import Journal, key_of
from twofold.batch.naming import Task
from twofold.batch.storage import STATE, LocalStorage, RemoteStorage, open_storage

A, B = Task("a.jpg", "a_mask.png", "a.png"), Task("b.jpg", "b_mask.png", "b.png")


@pytest.fixture(params=["local", "memory"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> LocalStorage | RemoteStorage:
    if request.param == "memory":
        pytest.importorskip("fsspec")
        return open_storage(f"memory://{uuid.uuid4().hex}")
    return open_storage(str(tmp_path))


def reopen(out: LocalStorage | RemoteStorage, shard: tuple[int, int] = (1, 1)) -> Journal:
    return Journal(open_storage(out.text), shard)


def made(out: LocalStorage | RemoteStorage, tmp_path: Path, task: Task, content: bytes = b"123") -> None:
    (tmp_path / "new").write_bytes(content)
    out.put(tmp_path / "new", task.out)


def test_done_is_what_is_there_in_its_size_and_made_alike(
    out: LocalStorage | RemoteStorage, tmp_path: Path
) -> None:
    with reopen(out) as journal:
        journal.add(A, "key", (3,), "a note", 0.5)
    again = reopen(out)
    assert again.records["a.png"].note == "a note"
    assert not again.done(A, "key", [A.out], out)
    made(out, tmp_path, A)
    assert again.done(A, "key", [A.out], out)
    assert not again.done(A, "another", [A.out], out)
    assert not again.done(A, "key", ["a-1.png", "a-2.png"], out)
    assert not again.done(B, "key", [B.out], out)
    made(out, tmp_path, A, b"1234")
    assert not again.done(A, "key", [A.out], out)


def test_a_torn_line_is_left_out_and_the_next_one_is_whole(tmp_path: Path) -> None:
    out = LocalStorage(tmp_path)
    with reopen(out) as journal:
        journal.add(A, "a", (1,), "", 0)
        journal.add(B, "b", (1,), "", 0)
    file = tmp_path / STATE / "journal-1-of-1.jsonl"
    whole = file.read_bytes()
    start = whole.index(b'{"run": 1, "out": "b.png"')
    for length in range(start, len(whole)):
        file.write_bytes(whole[:length])
        with reopen(out) as journal:
            cut = length < len(whole) - 1  # only the end of the line is missing then
            assert set(journal.records) == ({"a.png"} if cut else {"a.png", "b.png"})
            journal.add(B, "new", (2,), "", 0)
        assert reopen(out).records["b.png"].key == "new"


def test_failures_and_outdated_outputs_are_not_done(
    out: LocalStorage | RemoteStorage, tmp_path: Path
) -> None:
    for task in (A, B):
        made(out, tmp_path, task)
    with reopen(out) as journal:
        journal.add(A, "key", (3,), "", 0)
        journal.add(B, "key", (3,), "", 0)
    with reopen(out) as journal:
        assert journal.run == 2
        journal.void([A])
        journal.fail(B, "no")
    again = reopen(out)
    assert again.run == 3
    assert not again.done(A, "key", [A.out], out)
    assert not again.done(B, "key", [B.out], out)


def test_the_newest_run_counts_whatever_its_journal(tmp_path: Path) -> None:
    out = LocalStorage(tmp_path)
    with Journal(out, (2, 2)) as journal:
        journal.add(A, "old", (3,), "", 0)
    with Journal(out, (1, 1)) as journal:
        assert journal.run == 2
        journal.add(A, "new", (3,), "", 0)
    assert Journal(out, (3, 3)).records["a.png"].key == "new"


def test_shards_read_no_journal_of_their_siblings(tmp_path: Path) -> None:
    out = LocalStorage(tmp_path)
    with Journal(out, (1, 2)) as journal:
        journal.add(A, "key", (3,), "", 0)
    assert not Journal(out, (2, 2)).records
    assert Journal(out, (1, 2)).records
    assert Journal(out, (1, 1)).records


def test_a_store_without_appending_gets_parts_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setattr("twofold.batch.journal._LINES_A_FILE", 1)
    out = open_storage(f"memory://{uuid.uuid4().hex}")
    with reopen(out) as journal:
        for number in range(12):
            journal.add(A, f"key{number}", (3,), "", 0)
    assert isinstance(out, RemoteStorage)
    assert len(out.inside(STATE)) == 12
    assert reopen(out).records["a.png"].key == "key11"


def test_a_key_changes_with_all_that_an_output_depends_on() -> None:
    settings = {"seed": 0, "samples": 1, "options": {}}
    plain = key_of(A, ("1-1", "2-2"), fingerprint="f", settings=settings)
    assert plain == key_of(A, ("1-1", "2-2"), fingerprint="f", settings=dict(reversed(settings.items())))
    others = [
        key_of(A._replace(image="c.jpg"), ("1-1", "2-2"), fingerprint="f", settings=settings),
        key_of(A._replace(mask="c.jpg"), ("1-1", "2-2"), fingerprint="f", settings=settings),
        key_of(A, ("1-2", "2-2"), fingerprint="f", settings=settings),
        key_of(A, ("1-1", "2-1"), fingerprint="f", settings=settings),
        key_of(A, ("1-1", "2-2"), fingerprint="g", settings=settings),
        key_of(A, ("1-1", "2-2"), fingerprint="f", settings=settings | {"seed": 1}),
        key_of(A, ("1-1", "2-2"), fingerprint="f", settings=settings | {"options": {"top_k": 2}}),
    ]
    assert len({plain, *others}) == 8
