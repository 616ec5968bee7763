"""An edited payload is taken if the consumer would take it, as the event that was received."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.events import InvalidEvent, TrafficEvent, decode, encode
from stats.dead_letters import InvalidPayload, check_payload

Make = Callable[..., TrafficEvent]


def payload(event: TrafficEvent, **changes: Any) -> str:
    """The event as JSON with some fields changed, however wrong that makes them; None leaves one out."""
    fields = {**msgspec.to_builtins(event), **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def refusal(mended: str, received: str) -> str:
    with pytest.raises(InvalidPayload) as refused:
        check_payload(mended, received)
    return str(refused.value)


def test_a_mended_field_is_taken(make_event: Make) -> None:
    event = make_event()

    check_payload(encode(event).decode(), payload(event, status=9_999))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"status": 9_999}, "status: Expected `int` <= 599"),
        ({"status": "200"}, "status: Expected `int`, got `str`"),
        ({"path": None}, "path: required, but missing"),
        ({"client_ip_hash": "x" * 16}, "client_ip_hash: Expected `str` matching regex"),
        ({"user_agent": "a\x00b"}, "user_agent: holds a NUL character"),
        ({"v": 2}, "v: 2 is no known schema version"),
    ],
)
def test_what_the_consumer_would_bury_again_is_refused_with_its_field(
    make_event: Make, changes: dict[str, Any], named: str
) -> None:
    event = make_event()

    assert refusal(payload(event, **changes), payload(event, status=9_999)).startswith(named)


@pytest.mark.parametrize("text", ["", "{", "17", '"a"', "null", "[]", "\ud800", "[1, 2", "{}{}"])
def test_what_is_no_event_is_refused(make_event: Make, text: str) -> None:
    assert refusal(text, encode(make_event()).decode())


def test_id_and_time_stay_as_they_were_received(make_event: Make) -> None:
    event, other = make_event(), make_event()
    received = payload(event, status=9_999)

    assert refusal(encode(other).decode(), received) == f"idempotent_id: must stay {event.idempotent_id}"


def test_a_time_that_the_id_contradicts_may_be_mended_to_what_the_id_says(make_event: Make) -> None:
    event = make_event()

    check_payload(encode(event).decode(), payload(event, timestamp=event.timestamp + 1))


def test_a_time_stays_where_the_id_cannot_be_read(make_event: Make) -> None:
    event, other = make_event(), make_event()
    received = payload(event, idempotent_id="torn")

    check_payload(encode(event).decode(), received)
    assert refusal(encode(other).decode(), received) == f"timestamp: must stay {event.timestamp}"


def test_of_what_could_not_be_read_at_all_everything_may_be_given(make_event: Make) -> None:
    check_payload(encode(make_event()).decode(), "{torn")


def test_a_batch_names_the_event_that_is_wrong_and_keeps_its_number_and_order(make_event: Make) -> None:
    one, two = make_event(), make_event()
    received = f"[{payload(one, status=9_999)}, {payload(two)}]"

    check_payload(f"[{payload(one)}, {payload(two)}]", received)
    assert refusal(f"[{payload(one)}, {payload(two, status=7)}]", received).startswith("event 2: status: ")
    assert refusal(f"[{payload(two)}, {payload(one)}]", received).startswith(
        "event 1: idempotent_id: must stay"
    )
    assert refusal(f"[{payload(one)}]", received) == "payload: holds 1 events, and 2 were received"


EVENT = TrafficEvent(
    idempotent_id="1763900000001-0000000a",
    timestamp=1_763_900_000_001,
    path="/a",
    route="/a",
    method="GET",
    status=200,
    response_time=1.0,
    client_ip_hash="0" * 16,
    request_id="r",
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def is_the_event(text: str) -> bool:
    """Whether the consumer would count it, as the event that was received."""
    try:
        found = decode(text)
    except InvalidEvent:
        return False
    return (found.idempotent_id, found.timestamp) == (EVENT.idempotent_id, EVENT.timestamp)


@given(name=st.sampled_from(EVENT.__struct_fields__), value=VALUES)
def test_whatever_is_written_into_a_field_is_taken_just_if_the_consumer_would(name: str, value: Any) -> None:
    mended = json.dumps({**msgspec.to_builtins(EVENT), name: value})
    try:
        check_payload(mended, encode(EVENT).decode())
        is_taken = True
    except InvalidPayload:
        is_taken = False

    assert is_taken is is_the_event(mended)
