"""Payloads that somebody tampered with: dead letters with a reason, for which nobody else waits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import queue
from gateway.events import MAX_BYTES, MAX_RESPONSE_TIME, TrafficEvent, encode, encode_batch
from gateway.models import QueuedBatch
from stats.consumer import drain
from stats.models import DeadLetter, Event, PathStatsHourly

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

MEGABYTE = 1_000_000
FIELDS = [name for name in TrafficEvent.__struct_fields__ if name != "v"]


@pytest.fixture(autouse=True)
def impatient(settings, store):
    settings.TRAFFIC_RETRY_DELAY = 0.01
    settings.TRAFFIC_LEASE = 0.2


def put(*payloads: str, events: int = 1) -> None:
    queue.enqueue([(payload, events) for payload in payloads])


def drain_until_empty(seconds: float = 20.0) -> None:
    ends_at = time.monotonic() + seconds
    while QueuedBatch.objects.exists():
        assert time.monotonic() < ends_at, "the queue is blocked"
        drain()
        time.sleep(0.01)


def tampered(event: TrafficEvent, field: str, literal: str) -> str:
    """The event's JSON with `literal`, which need be no JSON, in place of one value."""
    parts = {**json.loads(encode(event)), field: None}
    written = {name: literal if name == field else json.dumps(value) for name, value in parts.items()}
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in written.items()) + "}"


def rolled_up() -> int:
    return sum(PathStatsHourly.objects.values_list("requests", flat=True))


def reasons() -> dict[str, str]:
    return {letter.payload: letter.reason for letter in DeadLetter.objects.all()}


@pytest.fixture
def among_neighbours(make_event) -> Callable[..., list[DeadLetter]]:
    """Puts payloads between two innocent batches and drains: those have counted, and nothing waits."""

    def run(*payloads: str, events: int = 1, counted: int = 0) -> list[DeadLetter]:
        queue.send([encode(make_event())])
        put(*payloads, events=events)
        queue.send([encode(make_event())])
        drain_until_empty()
        assert Event.objects.count() == rolled_up() == 2 + counted
        return list(DeadLetter.objects.order_by("id"))

    return run


@pytest.mark.parametrize(
    ("field", "literal", "error"),
    [
        ("status", '"200"', "status: "),
        ("status", "200.5", "status: "),
        ("status", "true", "status: "),
        ("status", "null", "status: "),
        ("status", "99", "status: "),
        ("status", "1" + "0" * 300, "status: "),
        ("timestamp", '"1763900000001"', "timestamp: "),
        ("timestamp", "-1", "timestamp: "),
        ("timestamp", "1763900000002", "idempotent_id: "),
        ("response_time", '"12.5"', "response_time: "),
        ("response_time", "-0.1", "response_time: "),
        ("response_time", "1e300", "response_time: "),
        ("response_bytes", "9223372036854775808", "response_bytes: "),
        ("response_bytes", "1e3", "response_bytes: "),
        ("client_ip_hash", '"192.0.2.1"', "client_ip_hash: "),
        ("idempotent_id", '"1763900000001-0123456g"', "idempotent_id: "),
        ("idempotent_id", '"1763900000001-01234567\\n"', "idempotent_id: "),
        ("path", '""', "path: "),
        ("path", '["/a"]', "path: "),
        ("path", '"/a\\u0000b"', "path: holds a NUL"),
        ("country", '"deu"', "country: "),
        ("v", "2", "v: 2 is no known schema version"),
        ("v", "0", "v: 0 is no known schema version"),
        ("v", '"1"', "v: "),
        ("v", "true", "v: "),
        ("v", "null", "v: "),
        ("v", '{"a": [1]}', "v: "),
    ],
)
def test_a_wrong_value_is_one_dead_letter_that_names_the_field(
    among_neighbours, make_event, field, literal, error
):
    victim, companion = make_event(), make_event()
    payload = tampered(victim, field, literal)

    (letter,) = among_neighbours(f"[{payload},{encode(companion).decode()}]", events=2, counted=1)

    assert letter.reason in ("schema", "too_old")
    assert letter.error.startswith(error)
    assert letter.payload == payload
    assert letter.deliveries == 1


@pytest.mark.parametrize(
    "literal", ["NaN", "-Infinity", "Infinity", "01", "+1", ".5", "1.", "0x1", "'a'", "undefined", ""]
)
def test_what_is_no_json_is_one_dead_letter_and_its_neighbours_in_the_batch_count(
    among_neighbours, make_event, literal
):
    payload = tampered(make_event(), "status", literal)
    batch = [encode(make_event()).decode(), payload, encode(make_event()).decode()]

    (letter,) = among_neighbours(f"[{','.join(batch)}]", events=3, counted=2)

    assert (letter.reason, letter.payload) == ("undecodable", payload)


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00\\ud800", "\\ud83d", "\\u12", "\\uzzzz", "\\x41"])
def test_an_invalid_escape_is_one_dead_letter_and_its_neighbours_in_the_batch_count(
    among_neighbours, make_event, escape
):
    payload = tampered(make_event(), "path", f'"/{escape}"')
    batch = [encode(make_event()).decode(), payload, encode(make_event()).decode()]

    (letter,) = among_neighbours(f"[{','.join(batch)}]", events=3, counted=2)

    assert (letter.reason, letter.payload) == ("undecodable", payload)


def test_a_string_without_an_end_is_a_dead_letter_with_the_whole_batch(among_neighbours, make_event):
    payload = "[" + tampered(make_event(), "path", '"/\\"') + "]"

    (letter,) = among_neighbours(payload)

    assert (letter.reason, letter.payload) == ("undecodable", payload)


@pytest.mark.parametrize(
    "payload",
    ["", " ", "null", "17", '"text"', "{}", "[", "]", "[,]", "[]]", "[1]x", "\ufeff[]", "<xml/>", "\u2603"],
)
def test_what_is_no_batch_is_a_dead_letter(among_neighbours, payload):
    (letter,) = among_neighbours(payload)

    assert (letter.reason, letter.payload) == ("undecodable", payload)


@pytest.mark.parametrize("payload", ["[]", " [ ] "])
def test_an_empty_batch_is_nothing(among_neighbours, payload):
    assert among_neighbours(payload) == []


@pytest.mark.parametrize("part", ["null", "17", '"text"', "[]", "[[]]", "true"])
def test_an_event_that_is_no_object_is_a_dead_letter(among_neighbours, make_event, part):
    (letter,) = among_neighbours(f"[{encode(make_event()).decode()},{part}]", events=2, counted=1)

    assert (letter.reason, letter.payload) == ("undecodable", part)


def test_a_batch_truncated_anywhere_is_one_dead_letter(among_neighbours, make_event):
    whole = f"[{encode(make_event()).decode()},{encode(make_event()).decode()}]"
    cuts = [whole[:end] for end in range(0, len(whole), 25)]

    letters = among_neighbours(*cuts, events=2)

    assert sorted(letter.payload for letter in letters) == sorted(cuts)
    assert {letter.reason for letter in letters} == {"undecodable"}


def test_of_duplicate_keys_the_last_one_counts(among_neighbours, make_event):
    event = make_event(status=201)
    twice = encode(event).decode().replace('"status":201', '"status":404,"status":500,"status":201')

    assert among_neighbours(f"[{twice}]", counted=1) == []
    assert Event.objects.get(idempotent_id=event.idempotent_id).status == 201


def test_each_of_duplicate_keys_must_be_valid(among_neighbours, make_event):
    twice = encode(make_event()).decode().replace('"status":200', '"status":"x","status":200')

    (letter,) = among_neighbours(f"[{twice}]")

    assert (letter.reason, letter.payload) == ("schema", twice)


def test_unknown_fields_are_left_out(among_neighbours, make_event):
    event = tampered(make_event(), "extra\\u0000", '{"a": [null, 1e5, "\\ud83d\\ude00"]}')

    assert among_neighbours(f"[{event}]", counted=1) == []


@pytest.mark.parametrize("field", ["path", "user_agent", "idempotent_id", "v", "unknown"])
def test_a_field_of_ten_megabytes_holds_nobody_up_and_stays_out_of_the_error(
    among_neighbours, make_event, caplog, field
):
    huge = tampered(make_event(), field, '"' + "x" * 10 * MEGABYTE + '"')

    letters = among_neighbours(f"[{huge}]", counted=int(field == "unknown"))

    assert [len(letter.payload) for letter in letters] == [len(huge)] * (field != "unknown")
    assert all(letter.reason == "schema" and len(letter.error) < 500 for letter in letters)
    assert len(caplog.text) < 10_000


@pytest.mark.parametrize("depth", [500, 900, 980, 1_000, 5_000, 1_000_000])
@pytest.mark.parametrize("field", ["status", "v", "unknown"])
def test_nesting_however_deep_is_at_most_one_dead_letter(among_neighbours, make_event, field, depth):
    nested = "[" * depth + "]" * depth
    queue.send([encode(make_event())])
    put(f"[{tampered(make_event(), field, nested)}]")
    drain_until_empty()

    counted = Event.objects.count() - 1
    assert counted + DeadLetter.objects.count() == 1
    assert rolled_up() == 1 + counted
    assert all(len(letter.error) < 500 and letter.deliveries == 1 for letter in DeadLetter.objects.all())


@pytest.mark.parametrize("said", [1, 30_000])
def test_a_batch_of_ten_megabytes_counts_whatever_it_says_of_its_size(among_neighbours, make_event, said):
    events = [encode(make_event(user_agent="x" * 100)) for _ in range(24_000)]
    payload = encode_batch(events).decode()
    assert len(payload) > 9 * MEGABYTE

    assert among_neighbours(payload, events=said, counted=24_000) == []


def test_many_bad_events_in_one_batch_are_as_many_dead_letters(among_neighbours, make_event):
    bad = [tampered(make_event(), "status", str(number)) for number in range(2_000, 4_000)]
    good = [encode(make_event()).decode() for _ in range(10)]

    letters = among_neighbours(f"[{','.join([*bad, *good])}]", events=2_010, counted=10)

    assert sorted(letter.payload for letter in letters) == sorted(bad)


def test_the_largest_values_cannot_poison_the_hour_they_are_added_to(among_neighbours, make_event):
    largest = [make_event(response_bytes=MAX_BYTES, response_time=MAX_RESPONSE_TIME) for _ in range(100)]
    for event in largest:
        put(f"[{encode(event).decode()}]")

    assert among_neighbours(counted=100) == []
    (hour,) = PathStatsHourly.objects.all()
    assert hour.response_bytes == 100 * MAX_BYTES + 200


@pytest.mark.parametrize(
    "columns",
    [
        {"events": 0},
        {"events": 2_000_000_000},
        {"deliveries": 1_000_000},
        {"max_deliveries": 0},
        {"created_at": "1970-01-01T00:00Z"},
        {"created_at": "2999-01-01T00:00Z"},
        {"origin": -1},
        {"claim": "00000000-0000-0000-0000-000000000000"},
        {"first_failed_at": "2999-01-01T00:00Z"},
        {"last_error": "x" * MEGABYTE},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_a_row_tampered_with_counts_or_is_a_dead_letter(make_event, columns):
    put(f"[{encode(make_event()).decode()}]")
    QueuedBatch.objects.update(**columns)
    queue.send([encode(make_event())])

    drain_until_empty()

    assert Event.objects.count() + DeadLetter.objects.count() == 2
    assert Event.objects.count() == rolled_up() >= 1


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**30), 10**30)
    | st.integers(10**12, 2 * 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
    | st.text(alphabet="\x00\ud800\udfff\n\u2028ab/-0", max_size=20)
    | st.sampled_from(["GET", "/a", "DE", "1763900000001-01234567", "0123456789abcdef", "200"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.sampled_from([*FIELDS, "v"]), ANY_JSON), min_size=1, max_size=20))
def test_any_json_in_place_of_any_field_counts_as_sent_or_is_one_dead_letter(store, make_event, changes):
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE stats_event, stats_pathstatshourly, stats_deadletter, gateway_queuedbatch")
    events = [make_event() for _ in changes]
    sent = [
        tampered(event, field, json.dumps(value))
        for event, (field, value) in zip(events, changes, strict=True)
    ]
    neighbours = [make_event() for _ in changes]
    for payload, neighbour in zip(sent, neighbours, strict=True):
        put(f"[{payload}]", f"[{encode(neighbour).decode()}]")

    drain()

    assert not QueuedBatch.objects.exists()
    dead = reasons()
    stored = {event.request_id: event for event in Event.objects.all()} | {
        event.idempotent_id: event for event in Event.objects.all()
    }
    assert_each_has_one_end(events, changes, sent, dead, stored)
    assert all(neighbour.idempotent_id in stored for neighbour in neighbours)
    assert Event.objects.count() + DeadLetter.objects.count() == 2 * len(changes)
    assert rolled_up() == Event.objects.count()


def assert_each_has_one_end(
    events: Sequence[TrafficEvent],
    changes: Sequence[tuple[str, Any]],
    sent: Sequence[str],
    dead: dict[str, str],
    stored: dict[str, Event],
) -> None:
    for event, (field, value), payload in zip(events, changes, sent, strict=True):
        found = stored.get(event.idempotent_id) or stored.get(event.request_id)
        assert (payload in dead) != (found is not None), payload
        if found is not None and field != "v":
            assert getattr(found, field) == value
            others = [name for name in FIELDS if name != field]
            assert [getattr(found, name) for name in others] == [getattr(event, name) for name in others]
