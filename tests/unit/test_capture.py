"""Of a request its facts are taken down, and of these the same event is made however often."""

from __future__ import annotations

import time
import uuid

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.capture import event_of, take_down
from gateway.events import MAX_REQUEST_ID, decode, encode
from gateway.facts import decode as decode_facts
from gateway.facts import write_down

factory = RequestFactory()
EDGE = {
    "HTTP_CF_CONNECTING_IP": "203.0.113.1",
    "HTTP_CF_RAY": "8f1e-abc",
    "HTTP_CF_IPCOUNTRY": "SE",
    "HTTP_X_REQUEST_START": "1763925000123",
}


def facts_of(request, status=200, response_bytes=5):
    return take_down(request, time.time_ns(), time.perf_counter(), status, response_bytes)


def taken(**meta):
    return facts_of(factory.get("/", **meta))


def test_what_a_stranger_says_is_not_taken_down():
    facts = taken(REMOTE_ADDR="198.51.100.7", **EDGE)

    assert uuid.UUID(facts.request_id).version == 4
    assert (facts.request_start, facts.country, facts.from_edge) == ("", "", False)


def test_what_a_trusted_proxy_says_is_taken_down_as_it_came():
    facts = taken(REMOTE_ADDR="127.0.0.1", **EDGE)

    assert (facts.request_id, facts.request_start) == ("8f1e-abc", "1763925000123")
    assert (facts.country, facts.from_edge) == ("SE", True)


def test_a_request_without_an_id_gets_one_that_is_written_down():
    """Made with the event, it would be another after a crash, and the request counted twice."""
    one, other = taken(), taken()
    assert uuid.UUID(one.request_id).version == 4
    assert one.request_id != other.request_id
    assert event_of(one).idempotent_id == event_of(one).idempotent_id != event_of(other).idempotent_id


def test_no_address_is_written_down():
    facts = taken(REMOTE_ADDR="127.0.0.1", HTTP_X_REAL_IP="203.0.113.99", HTTP_X_FORWARDED_FOR="203.0.113.99")
    written = write_down(facts)
    assert b"203.0.113" not in written
    assert b"127.0.0.1" not in written


def test_a_clock_before_ids_begin_makes_no_event():
    facts = take_down(factory.get("/"), 5_000_000, 0.0, 200, 0)
    with pytest.raises(ValueError, match="timestamp: 5 does not have 13 digits"):
        event_of(facts)


def test_a_long_request_id_is_cut_visibly():
    facts = taken(HTTP_CF_RAY="x" * 500)
    assert event_of(facts.bounded()).request_id == "x" * (MAX_REQUEST_ID - 1) + "…"


header_names = st.sampled_from(
    [
        *("HTTP_HOST", "HTTP_USER_AGENT", "HTTP_CF_RAY", "HTTP_X_REQUEST_ID", "HTTP_CF_CONNECTING_IP"),
        *("HTTP_X_REAL_IP", "HTTP_X_FORWARDED_FOR", "HTTP_X_REQUEST_START", "HTTP_CF_IPCOUNTRY"),
        "REMOTE_ADDR",
    ]
)
hostile = st.one_of(
    st.text(st.characters()),
    st.text(st.characters(max_codepoint=255)),
    st.text(st.characters(), min_size=1, max_size=3).map(lambda text: text * 1000),
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    headers=st.dictionaries(header_names, hostile),
    path=hostile,
    method=hostile,
    status=st.integers(-5, 1000),
    size=st.integers(0, 2**70),
)
@example(headers={}, path="", method="", status=200, size=0)
def test_whatever_a_request_holds_it_becomes_one_valid_event_however_often(
    headers, path, method, status, size
):
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": "127.0.0.1", **headers}
    request.path, request.method = path, method

    facts = facts_of(request, status, size)
    event = event_of(decode_facts(write_down(facts)))

    assert decode(encode(event)) == event
    assert event_of(decode_facts(write_down(facts))) == event  # whoever finds them again
