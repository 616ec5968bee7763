"""Facts are read back as they were written, whatever is in them."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.events import MAX_PATH, MAX_REQUEST_ID, InvalidEvent, encode
from gateway.facts import USUAL_BYTES, Facts, are_facts, decode, decode_lines, write_down

texts = st.one_of(
    st.text(st.characters()),
    st.text(st.characters(), min_size=1, max_size=3).map(lambda text: text * 2000),
)
every = st.builds(
    Facts,
    arrival=st.integers(10**12, 10**13 - 1),
    duration=st.integers(0, 2**53),
    status=st.integers(-(2**31), 2**31),
    response_bytes=st.integers(0, 2**40),
    method=texts,
    path=texts,
    pattern=st.none() | texts,
    client_ip_hash=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    request_id=texts,
    host=texts,
    user_agent=texts,
    request_start=texts,
    country=texts,
    from_edge=st.booleans(),
)
PLAIN = Facts(1763925000123, 1500, 200, 5, "GET", "/a", None, "0" * 16, "id", "h", "ua", "", "")


@given(every)
@example(msgspec.structs.replace(PLAIN, path="/\ud800"))
@example(msgspec.structs.replace(PLAIN, path="/" + "x" * 9000))
def test_what_is_written_is_read_and_what_is_bounded_is_bounded(facts):
    written = write_down(facts)
    kept = decode(written)

    assert kept == facts.bounded()
    assert are_facts(written)
    assert b"\n" not in written
    assert kept.bounded() == kept
    assert len(written) <= USUAL_BYTES or len(kept.path) <= MAX_PATH


@given(st.lists(every, max_size=4))
def test_lines_that_are_decoded_together_give_what_each_gives(several):
    written = [write_down(facts) for facts in several]

    together = decode_lines(b"".join(line + b"\n" for line in written), len(written))

    assert together is None or together == [decode(line) for line in written]


def test_usual_lines_are_decoded_together():
    accented = msgspec.structs.replace(PLAIN, path="/\u00fc", user_agent='"\U0001f600"')
    lines = write_down(PLAIN) + b"\n" + write_down(accented) + b"\n"
    assert decode_lines(lines, 2) == [PLAIN, accented]
    assert decode_lines(b"", 0) == []


def test_lines_of_which_one_holds_what_can_not_be_stored_are_not_decoded_together():
    """PostgreSQL's text holds no NUL: one would make its whole batch fail."""
    usual, odd = write_down(PLAIN) + b"\n", msgspec.structs.replace(PLAIN, user_agent="a\x00b")
    assert decode_lines(usual + write_down(odd) + b"\n", 2) is None
    assert decode(write_down(odd)).user_agent == "a\u2400b"


@pytest.mark.parametrize("odd", [b"", b"{}", b"[", b"null", b"\xff", b"[]", b"\0" * 9])
def test_lines_of_which_one_is_none_are_not_decoded_together(odd):
    usual = write_down(PLAIN) + b"\n"
    assert decode_lines(usual + odd + b"\n" + usual, 3) is None
    assert decode_lines(usual[:-1] + usual, 1) is None


def test_usual_facts_are_written_as_they_are():
    assert decode(write_down(PLAIN)) == PLAIN
    assert json.loads(write_down(PLAIN))[5] == "/a"


def test_an_event_is_written_as_such(make_event):
    event = make_event(path="/" + "x" * (MAX_PATH - 1))
    assert write_down(event) == encode(event)
    assert not are_facts(encode(event))


def test_what_a_later_version_adds_is_passed_over():
    assert decode(msgspec.json.encode([*msgspec.structs.astuple(PLAIN), "more"])) == PLAIN


def test_a_text_that_is_too_long_is_cut_when_it_is_read():
    kept = decode(write_down(msgspec.structs.replace(PLAIN, request_id="x" * 500)))
    assert kept.request_id == "x" * (MAX_REQUEST_ID - 1) + "\u2026"


def test_what_an_older_version_wrote_came_from_no_edge():
    assert decode(write_down(PLAIN).removesuffix(b",false]") + b"]") == PLAIN


@pytest.mark.parametrize("payload", [b"[", b"[]", b"[1]", b'["x"]', b"\xff", b"{}", b"", b"[" * 100_000])
def test_garbage_is_no_facts(payload):
    with pytest.raises(InvalidEvent, match="no facts of a request"):
        decode(payload)
