"""Lines as events: their names and milliseconds, whose they are, and where a shift moves them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accesslog.request import client_address
from gateway.events import MAX_PATH, decode
from gateway.idempotency import hash_ip
from gateway.routes import route_of
from stats.importing import shift
from stats.importing.client import Clients
from stats.importing.clock import spread
from stats.importing.events import EventMaker, path_of
from stats.importing.fingerprint import Fingerprint
from stats.importing.line_format import Entry
from stats.importing.shift import BadShift, Target

NOON = 1_763_900_000_000
LINE = st.binary(max_size=60).filter(lambda line: b"\n" not in line and b"\r" not in line)


def entry(**fields: object) -> Entry:
    values: dict[str, object] = {
        "number": 1,
        "moment": NOON,
        "address": "192.0.2.1",
        "forwarded": None,
        "method": "GET",
        "target": "/",
        "status": 200,
        "size": 5,
        "user_agent": "",
        "host": "",
        "response_time": 0.0,
        **fields,
    }
    return Entry(**values)  # type: ignore[arg-type]


def names(lines: list[bytes]) -> list[str]:
    fingerprint = Fingerprint()
    found = []
    for number, line in enumerate(lines, start=1):
        found.append(fingerprint.name(number))
        fingerprint.add(line)
    return found


@given(st.lists(LINE, min_size=1, max_size=8), st.lists(LINE, max_size=4))
def test_a_grown_log_keeps_the_names_of_its_lines(lines: list[bytes], more: list[bytes]) -> None:
    assert names(lines + more)[: len(lines)] == names(lines)


@given(st.lists(LINE, min_size=1, max_size=8))
def test_no_two_lines_of_a_log_have_one_name(lines: list[bytes]) -> None:
    assert len(set(names(lines))) == len(lines)


def test_a_line_that_was_still_being_written_keeps_its_name() -> None:
    assert names([b"one", b"two", b"thr"])[2] == names([b"one", b"two", b"three", b"four"])[2]


def test_two_logs_that_begin_alike_part_after_the_first_difference() -> None:
    left, right = names([b"same", b"left", b"same", b"same"]), names([b"same", b"right", b"same", b"same"])

    assert left[:2] == right[:2]
    assert not set(left[2:]) & set(right[2:])


def test_line_breaks_of_either_kind_make_no_difference() -> None:
    assert names([b"a\r\n", b"b\r\n", b"c"]) == names([b"a\n", b"b\n", b"c"])


@given(st.integers(1, 10**7))
def test_a_thousand_lines_of_one_second_have_a_millisecond_each(first: int) -> None:
    found = {spread(NOON, number) for number in range(first, first + 1000)}

    assert found == set(range(NOON, NOON + 1000))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a/b?c=/d", "/a/b"),
        ("/caf%C3%A9", "/café"),
        ("/caf\u00e9", "/café"),
        ("/%ff", "/%FF"),
        ("/\udcff", "/%FF"),
        ("/a%3Fb", "/a?b"),
        ("/a%00b", "/a\u2400b"),
        ("*", "/*"),
        ("index.html", "/index.html"),
        ("http://host.example/x?y", "/x"),
        ("host.example:443", "/host.example:443"),
        ("/" + "x" * 3000, "/" + "x" * (MAX_PATH - 2) + "\u2026"),
    ],
)
def test_a_path_is_what_the_gateway_would_have_stored(target: str, path: str) -> None:
    assert path_of(target) == path


@given(
    st.builds(
        entry,
        target=st.text(max_size=30),
        method=st.text(min_size=1, max_size=30),
        user_agent=st.text(st.characters(), max_size=700),
        host=st.text(st.characters(), max_size=300),
        address=st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
        forwarded=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
        status=st.integers(0, 999),
        size=st.integers(0, 10**18),
        response_time=st.floats(0, 1e12),
    )
)
def test_any_entry_makes_an_event_that_can_be_counted(made: Entry) -> None:
    event = decode(EventMaker().encoded(made, NOON + 7, "log-:1"))

    assert event.timestamp == NOON + 7
    assert "?" not in event.path or "%3F" in made.target


def test_an_event_has_the_route_and_the_client_of_a_live_one() -> None:
    event = decode(
        EventMaker().encoded(entry(target="/orders/17?x", status=404, response_time=1.23456), NOON, "log-:1")
    )

    assert event.route == route_of("/orders/17", None, 404)
    assert event.client_ip_hash == hash_ip("192.0.2.1")
    assert (event.response_time, event.response_bytes, event.request_id) == (1.235, 5, "log-:1")


@pytest.mark.parametrize(
    ("address", "forwarded", "client"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("::ffff:192.0.2.1", None, "192.0.2.1"),
        ("Host.Example", None, client_address("host.example")),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # of a peer that nobody trusts
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2", "198.51.100.7"),  # not the first
        ("10.0.0.1", "-", "10.0.0.1"),
        ("", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("", "198.51.100.7, garbage", "unknown"),
        ("", "-", "unknown"),
        ("-", None, "unknown"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
    ],
)
def test_the_client_is_who_it_would_be_live(
    address: str, forwarded: str | None, client: str, settings: object
) -> None:
    settings.TRUSTED_PROXIES = ("10.0.0.0/8",)  # type: ignore[attr-defined]

    assert Clients().hash_of(address, forwarded) == hash_ip(client)


def test_another_key_gives_another_hash(settings: object) -> None:
    settings.CLIENT_HASH_KEY = "one"  # type: ignore[attr-defined]
    one = Clients().hash_of("192.0.2.1", None)
    settings.CLIENT_HASH_KEY = "two"  # type: ignore[attr-defined]

    assert Clients().hash_of("192.0.2.1", None) != one


def test_a_shift_to_a_day_keeps_the_time_of_day() -> None:
    first = int(datetime(1995, 8, 1, 6, 0, 0, tzinfo=UTC).timestamp()) * 1000

    moved = first + shift.to_day(first, date(2025, 8, 1))

    assert datetime.fromtimestamp(moved / 1000, UTC) == datetime(2025, 8, 1, 6, 0, 0, tzinfo=UTC)


def test_a_shift_to_now_moves_the_latest_line_to_this_second() -> None:
    now = datetime(2025, 11, 23, 12, 13, 20, 999_999, tzinfo=UTC)

    assert 807_303_121_000 + shift.to_now(807_303_121_000, now) == NOON


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2025-13-01", "2001-09-09", "2025-11-24", "1995-08-01", "9999-12-31"]
)
def test_a_target_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadShift):
        Target.parse(text, date(2025, 11, 23))


def test_a_span_is_kept(settings: object, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path  # type: ignore[attr-defined]
    assert shift.recorded("abc") is None

    shift.record("abc", -86_400_000)

    assert shift.recorded("abc") == -86_400_000
    assert (tmp_path / "imports").stat().st_mode & 0o777 == 0o700
