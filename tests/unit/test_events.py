"""An event is what its schema says, or an error that names the field."""

from __future__ import annotations

import json
import math
import time

import msgspec
import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway import events
from gateway.events import (
    InvalidEvent,
    TrafficEvent,
    UndecodableEvent,
    decode,
    decode_batch,
    encode,
    encode_batch,
    fields_of,
    split_batch,
    storable,
)
from gateway.idempotency import FIRST_TIMESTAMP, LAST_TIMESTAMP, generate_idempotent_id

FIELDS = {
    "idempotent_id": "1763900000000-0123abcd",
    "timestamp": 1763900000000,
    "path": "/a",
    "route": "/a",
    "method": "GET",
    "status": 200,
    "response_time": 1.5,
    "client_ip_hash": "0123456789abcdef",
    "request_id": "r",
    "host": "h",
    "user_agent": "u",
    "response_bytes": 5,
    "country": "SE",
    "v": 1,
}


def encoded(**changes: object) -> bytes:
    return json.dumps({**FIELDS, **changes}).encode()


def without(field: str) -> bytes:
    return json.dumps({name: value for name, value in FIELDS.items() if name != field}).encode()


def text(limit: int, least: int = 0) -> st.SearchStrategy[str]:
    """Any text, made storable as capture does it."""
    return st.text(min_size=least, max_size=60).map(lambda value: storable(value, limit))


@st.composite
def traffic_events(draw: st.DrawFn) -> TrafficEvent:
    timestamp = draw(st.integers(FIRST_TIMESTAMP, LAST_TIMESTAMP))
    path, request_id = draw(text(events.MAX_PATH, 1)), draw(text(events.MAX_REQUEST_ID, 1))
    client = draw(st.from_regex(r"\A[0-9a-f]{16}\Z"))
    return TrafficEvent(
        idempotent_id=generate_idempotent_id(timestamp, client, path, request_id),
        timestamp=timestamp,
        path=path,
        route=draw(text(events.MAX_ROUTE, 1)),
        method=draw(text(events.MAX_METHOD, 1)),
        status=draw(st.integers(100, 599)),
        response_time=draw(st.floats(0, events.MAX_RESPONSE_TIME)),
        client_ip_hash=client,
        request_id=request_id,
        host=draw(text(events.MAX_HOST)),
        user_agent=draw(text(events.MAX_USER_AGENT)),
        response_bytes=draw(st.integers(0, events.MAX_BYTES)),
        country=draw(st.sampled_from(["", "SE", "T1"])),
    )


@given(traffic_events())
def test_an_event_comes_back_as_it_was(event):
    assert decode(encode(event)) == event
    assert decode(encode(event).decode()) == event
    assert decode(msgspec.Raw(encode(event))) == event


@given(st.lists(traffic_events(), max_size=5))
def test_a_batch_comes_apart_into_what_it_was_made_of(batch):
    parts = [encode(event) for event in batch]
    assert decode_batch(encode_batch(parts)) == decode_batch(encode_batch(parts).decode()) == batch
    assert split_batch(encode_batch(parts)) == parts
    assert split_batch(encode_batch(parts).decode()) == parts


def test_a_batch_is_readable_json(make_event):
    event = make_event(path="/商品")
    (found,) = json.loads(encode_batch([encode(event)]))
    assert found == msgspec.to_builtins(event)
    assert "/商品" in encode(event).decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timestamp", FIRST_TIMESTAMP),
        ("timestamp", LAST_TIMESTAMP),
        ("path", "p" * events.MAX_PATH),
        ("route", "r" * events.MAX_ROUTE),
        ("method", "M" * events.MAX_METHOD),
        ("status", 100),
        ("status", 599),
        ("response_time", 0),
        ("response_time", events.MAX_RESPONSE_TIME),
        ("request_id", "i" * events.MAX_REQUEST_ID),
        ("host", ""),
        ("host", "h" * events.MAX_HOST),
        ("user_agent", "u" * events.MAX_USER_AGENT),
        ("response_bytes", 0),
        ("response_bytes", events.MAX_BYTES),
        ("country", ""),
        ("country", "T1"),
    ],
)
def test_a_value_on_its_bound_is_taken(field, value):
    changes = {field: value}
    if field == "timestamp":
        changes["idempotent_id"] = f"{value}-0123abcd"
    payload = encoded(**changes)
    assert getattr(decode(payload), field) == value
    assert decode_batch(encode_batch([payload, payload])) == [decode(payload)] * 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("idempotent_id", ""),
        ("idempotent_id", "1763900000000-0123ABCD"),
        ("idempotent_id", "1763900000000-0123abcd\n"),
        ("idempotent_id", None),
        ("timestamp", FIRST_TIMESTAMP - 1),
        ("timestamp", LAST_TIMESTAMP + 1),
        ("timestamp", "1763900000000"),
        ("timestamp", 10**30),
        ("path", ""),
        ("path", "p" * (events.MAX_PATH + 1)),
        ("path", 5),
        ("route", ""),
        ("route", "r" * (events.MAX_ROUTE + 1)),
        ("method", ""),
        ("method", "M" * (events.MAX_METHOD + 1)),
        ("status", 99),
        ("status", 600),
        ("status", True),
        ("status", 200.5),
        ("response_time", -0.001),
        ("response_time", events.MAX_RESPONSE_TIME * 1.01),
        ("response_time", "fast"),
        ("client_ip_hash", "192.168.1.1"),
        ("client_ip_hash", "0123456789ABCDEF"),
        ("client_ip_hash", "0123456789abcdef\n"),
        ("request_id", ""),
        ("request_id", "i" * (events.MAX_REQUEST_ID + 1)),
        ("host", "h" * (events.MAX_HOST + 1)),
        ("user_agent", "u" * (events.MAX_USER_AGENT + 1)),
        ("user_agent", None),
        ("response_bytes", -1),
        ("response_bytes", events.MAX_BYTES + 1),
        ("country", "S"),
        ("country", "se"),
        ("country", "SWE"),
        ("country", "SE\n"),
        ("v", "1"),
        ("v", True),
        ("v", None),
    ],
)
def test_a_value_beyond_its_bound_names_its_field(field, value):
    with pytest.raises(InvalidEvent) as caught:
        decode(encoded(**{field: value}))
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    assert not isinstance(caught.value, UndecodableEvent)
    assert decode_batch(encode_batch([encoded(), encoded(**{field: value}), encoded()])) is None


REQUIRED = [name for name in FIELDS if name not in ("host", "user_agent", "response_bytes", "country", "v")]


@pytest.mark.parametrize("field", REQUIRED)
def test_a_missing_field_is_named(field):
    with pytest.raises(InvalidEvent) as caught:
        decode(without(field))
    assert (str(caught.value), caught.value.field) == (f"{field}: required, but missing", field)


@pytest.mark.parametrize("field", [name for name in FIELDS if name not in REQUIRED])
def test_an_optional_field_has_a_default(field):
    assert getattr(decode(without(field)), field) == {"response_bytes": 0, "v": 1}.get(field, "")


@pytest.mark.parametrize("version", [0, 2, -1, 99])
def test_an_unknown_version_says_so_whatever_else_is_wrong(version):
    with pytest.raises(InvalidEvent) as caught:
        decode(json.dumps({"v": version, "other": []}).encode())
    assert str(caught.value) == f"v: {version} is no known schema version (known: 1)"
    assert caught.value.field == "v"


def test_an_id_of_another_time_is_refused():
    with pytest.raises(InvalidEvent) as caught:
        decode(encoded(timestamp=1763900000001))
    assert caught.value.field == "idempotent_id"
    assert decode_batch(encode_batch([encoded(), encoded(timestamp=1763900000001)])) is None


def test_two_values_in_one_do_not_pass_for_two():
    hashes = [FIELDS["client_ip_hash"] + "\n" + FIELDS["client_ip_hash"], ""]
    assert decode_batch(encode_batch([encoded(client_ip_hash=value) for value in hashes])) is None


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"{}", b"[1]", b"[NaN]", b'["\\ud800"]', b"\xff", b"[[]]" * 9]
)
def test_what_is_no_array_of_events_is_no_batch_of_events(payload):
    assert decode_batch(payload) is None


@pytest.mark.parametrize("field", ["path", "route", "method", "request_id", "host", "user_agent"])
@pytest.mark.parametrize("form", [bytes, bytes.decode, msgspec.Raw])
def test_a_nul_is_refused_with_its_field(field, form):
    with pytest.raises(InvalidEvent) as caught:
        decode(form(encoded(**{field: "a\x00b"})))
    assert (str(caught.value), caught.value.field) == (f"{field}: holds a NUL character", field)


def test_an_escape_that_only_looks_like_a_nul_is_taken():
    assert decode(encoded(path="/\\u0000")).path == "/\\u0000"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"{} {}",
        b"\xff\xfe",
        b'{"path": "\xff"}',
        b'{"path": "\\ud800"}',
        '{"path": "\ud800"}',
        b"[" * 100_000,
        b"NaN",
    ],
)
def test_what_is_no_json_object_is_undecodable(payload):
    with pytest.raises(UndecodableEvent):
        decode(payload)


@given(st.one_of(st.binary(), st.text()))
@example(b'{"a":' * 5000)
def test_any_payload_is_an_event_or_an_invalid_event(payload):
    with pytest.raises(InvalidEvent):
        decode(payload)
    fields_of(payload)


def outcome(payload: bytes) -> TrafficEvent | InvalidEvent:
    try:
        return decode(payload)
    except InvalidEvent as error:
        return error


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(FIELDS)), json_values)
def test_any_value_of_a_field_is_taken_or_refused_with_a_field(field, value):
    found = outcome(encoded(**{field: value}))
    if isinstance(found, UndecodableEvent):
        assert "\\ud" in encoded(**{field: value}).decode()  # JSON that writes a lone surrogate
    elif isinstance(found, InvalidEvent):
        assert found.field in (field, "idempotent_id")
        assert str(found).startswith(f"{found.field}: ")
    else:
        assert decode(encode(found)) == found


@pytest.mark.parametrize("payload", [b"", b"{}", b"null", b"[1", b"[" * 100_000, "[\ud800]", b"[1] 2"])
def test_what_is_no_json_array_is_no_batch(payload):
    with pytest.raises(UndecodableEvent, match="batch is no JSON array"):
        split_batch(payload)


def test_a_batch_comes_apart_though_one_event_is_invalid():
    assert split_batch(b'[{"v":9}, 5 ,"x"]') == [b'{"v":9}', b"5", b'"x"']


@pytest.mark.parametrize(
    "broken",
    [
        b'{"status":NaN}',
        b'{"status":01}',
        b'{"path":"\\ud800"}',
        b'{"path":"\\x41, ] }"}',
        b'{"path":"a\nb"}',
        b'{"path":"\xff"}',
        b'{"status":}',
        b'{"status":1]',
        b"{'status': 1}",
        b"undefined",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'"\\""x',
    ],
    ids=lambda broken: broken[:20].decode("ascii", "replace"),
)
def test_a_batch_comes_apart_though_one_event_is_no_json(broken):
    before, after = b'{"path":"\\\\"}', b'{"path":"],[{\\"","v":1}'

    batch = b"[" + before + b" ,\n" + broken + b"," + after + b"]\n"

    assert split_batch(batch) == [before, broken, after]
    # Its halves come apart in the same way.
    assert split_batch(encode_batch([broken, after])) == [broken, after]


@pytest.mark.parametrize(("payload", "parts"), [(b"[1,]", [b"1"]), (b"[1,,NaN]", [b"1", b"NaN"])])
def test_a_gap_in_a_batch_is_nothing(payload, parts):
    assert split_batch(payload) == parts


@pytest.mark.parametrize(
    "payload", [b'[1,"', b"[" + b'\\"' * 500_000 + b"]", b'["' * 500_000, b"]" * 500_000]
)
def test_what_cannot_be_split_is_soon_known_as_such(payload):
    started = time.perf_counter()
    with pytest.raises(UndecodableEvent):
        split_batch(payload)
    assert time.perf_counter() - started < 2.0


@given(st.lists(st.text() | st.binary(), max_size=4))
def test_whatever_comes_apart_comes_apart_again(parts):
    raw = [part.encode("utf-8", "replace") if isinstance(part, str) else part for part in parts]
    try:
        events = split_batch(encode_batch(raw))
    except UndecodableEvent:
        return
    assert split_batch(encode_batch(events)) == events


def test_fields_can_be_read_of_an_invalid_event():
    assert fields_of(b'{"v": 9, "path": 1}') == {"v": 9, "path": 1}
    assert fields_of(b"[]") is None
    assert fields_of(b"{") is None


@pytest.mark.parametrize(
    ("received", "stored"),
    [
        ("plain", "plain"),
        ("", ""),
        ("商品", "商品"),
        ("a\x00b", "a␀b"),
        ("a\udcffb", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ("\udc80a\ud83d", "\ufffda\ufffd"),
        ("0123456789", "0123456789"),
        ("0123456789a", "012345678…"),
        ("\udcff" * 10, "\ufffd" * 10),
        ("\udcff" * 11, "\ufffd" * 9 + "…"),
        ("\x00" * 11, "␀" * 9 + "…"),
    ],
)
def test_what_was_changed_is_visible(received, stored):
    assert storable(received, 10) == stored


@given(st.text(st.characters()), st.integers(1, 50))
def test_storable_keeps_the_bound_and_changes_nothing_twice(value, limit):
    stored = storable(value, limit)
    assert len(stored) <= limit
    assert storable(stored, limit) == stored
    stored.encode()
    if value.isprintable() and len(value) <= limit:
        assert stored == value


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=st.text(st.characters(), min_size=1))
@example(value="".join(map(chr, (0, 1, 0x1F, 0x7F, 0x85, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0x10FFFF))))
@example(value="\\u0000 \\ud800 \"'%s{}")
def test_any_text_survives_the_way_into_postgresql(db, value):
    path = storable(value, events.MAX_PATH)
    sent = TrafficEvent(**{**FIELDS, "path": path, "user_agent": storable(value, events.MAX_USER_AGENT)})

    received = decode(encode(sent))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT %s::text, %s::text, %s::json ->> 'path'",
            [received.path, received.user_agent, encode(sent).decode()],
        )
        assert cursor.fetchone() == (sent.path, sent.user_agent, sent.path)
        cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS held (path text) ON COMMIT DROP")
        cursor.execute("TRUNCATE held")
        cursor.execute("INSERT INTO held VALUES (%s)", [received.path])
        cursor.execute("SELECT path FROM held")
        assert cursor.fetchone() == (path,)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_response_time_that_is_no_number_does_not_pass(make_event, value):
    with pytest.raises(InvalidEvent) as caught:
        decode(encode(make_event(response_time=value)))
    assert caught.value.field == "response_time"
