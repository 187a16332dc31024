"""Server-sent events on the wire."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.serve.api.sse import COMMENT, encode_event
from twofold.serve.jobs.job import SILENCE, Event

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_is_sent_is_one_event_on_two_lines(data: dict[str, object]) -> None:
    name, content, *rest = encode_event(Event("sample", data)).split(b"\n")
    assert rest == [b"", b""]
    assert name == b"event: sample"
    assert json.loads(content.removeprefix(b"data: ")) == data


def test_numbers_that_json_does_not_have_are_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_event(Event("sample", {"score": float("nan")}))


def test_silence_is_filled_with_comments() -> None:
    assert encode_event(Event(SILENCE)) == COMMENT
    assert COMMENT.startswith(b":")
    assert COMMENT.endswith(b"\n\n")
