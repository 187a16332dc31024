"""Digests of files and of lines."""

from __future__ import annotations

import hashlib

from twofold.engine.fingerprints import file_digest, text_digest, twofold_version


def test_the_digest_of_a_file_is_the_start_of_its_sha256(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"abc" * 100_000)
    assert file_digest(file) == hashlib.sha256(b"abc" * 100_000).hexdigest()[:16]


def test_the_digest_of_several_files_depends_on_each_and_on_their_order(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"1")
    b.write_bytes(b"2")
    assert len({file_digest(a), file_digest(b), file_digest(a, b), file_digest(b, a)}) == 4


def test_lines_are_told_apart():
    assert text_digest(["a", "b"]) != text_digest(["ab"]) != text_digest(["b", "a"])
    assert len(text_digest([])) == 16


def test_the_version_is_that_of_the_package():
    import twofold

    assert twofold_version() == f"twofold {twofold.__version__}"
