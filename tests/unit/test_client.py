"""Who sent a request is believed only from trusted peers, and nothing a request holds raises."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.client import (
    MAX_ORIGINS,
    UNKNOWN,
    Origin,
    Origins,
    country_of,
    origins,
    parse_address,
    parse_request_start,
    request_id_of,
)
from gateway.idempotency import hash_ip

ARRIVAL = 1_763_925_000_123  # ms
PROXY = "127.0.0.1"
STRANGER = "198.51.100.7"


def meta(peer: str | None = PROXY, **headers: str) -> dict[str, str]:
    """`META` of a request; `x_real_ip="…"` is the header X-Real-IP."""
    found = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return found if peer is None else {"REMOTE_ADDR": peer, **found}


def origin_of(found: dict[str, str]) -> Origin:
    peer, connecting, real, forwarded = (found.get(name) for name in Origins.NAMES)
    return origins[peer, connecting, real, forwarded]


def hash_of(*args, **headers) -> str:
    return origin_of(meta(*args, **headers)).client_ip_hash


EVERYTHING = {
    "cf_connecting_ip": "203.0.113.1",
    "x_real_ip": "203.0.113.2",
    "x_forwarded_for": "203.0.113.3",
    "cf_ray": "8f1e-abc",
    "x_request_id": "mine",
    "cf_ipcountry": "SE",
    "x_request_start": str(ARRIVAL - 5),
}


def test_what_a_stranger_says_is_ignored():
    assert origin_of(meta(STRANGER, **EVERYTHING)) == Origin(hash_ip(STRANGER), is_trusted=False)


def test_what_a_trusted_proxy_says_is_believed():
    assert origin_of(meta(PROXY, **EVERYTHING)) == Origin(hash_ip("203.0.113.1"), is_trusted=True)


def test_what_is_remembered_of_an_address_goes_with_the_settings(settings):
    believed = hash_of(PROXY, x_real_ip="203.0.113.2")
    settings.TRUSTED_PROXIES = []
    assert hash_of(PROXY, x_real_ip="203.0.113.2") == hash_ip(PROXY) != believed
    settings.TRUSTED_PROXIES = ["127.0.0.0/8"]
    settings.CLIENT_HASH_KEY = "another"
    assert hash_of(PROXY, x_real_ip="203.0.113.2") == hash_ip("203.0.113.2") != believed


def test_headers_of_any_length_are_not_remembered():
    origins.clear()
    for name in ("x_forwarded_for", "x_real_ip", "cf_connecting_ip"):
        hash_of(PROXY, **{name: "x" * 8000})
    assert hash_of(PROXY, x_forwarded_for="x" * 8000 + ", 203.0.113.3") == hash_ip("203.0.113.3")
    assert not origins


def test_no_more_than_some_addresses_are_remembered():
    origins.clear()
    for number in range(MAX_ORIGINS + 5):
        address = f"10.0.{number // 256}.{number % 256}"
        assert hash_of(PROXY, x_real_ip=address) == hash_of(PROXY, x_real_ip=address) == hash_ip(address)
    assert len(origins) == 5


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"])
def test_loopback_is_trusted_by_default(peer):
    assert hash_of(peer, x_real_ip="203.0.113.2") == hash_ip("203.0.113.2")


@pytest.mark.parametrize("peer", ["10.0.0.1", "128.0.0.1", "::2", "::ffff:10.0.0.1", "127.0.0.1.example"])
def test_nobody_else_is_trusted_by_default(peer):
    assert hash_of(peer, x_real_ip="203.0.113.2") != hash_ip("203.0.113.2")


def test_trusted_proxies_are_a_setting(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "2001:db8::/32"]
    assert hash_of("10.3.2.1", x_real_ip="203.0.113.2") == hash_ip("203.0.113.2")
    assert hash_of("2001:db8::9", x_real_ip="203.0.113.2") == hash_ip("203.0.113.2")
    assert hash_of("127.0.0.1", x_real_ip="203.0.113.2") == hash_ip("127.0.0.1")


@pytest.mark.parametrize(
    ("leave_out", "expected"),
    [
        ([], "203.0.113.1"),
        (["cf_connecting_ip"], "203.0.113.2"),
        (["cf_connecting_ip", "x_real_ip"], "203.0.113.3"),
        (["cf_connecting_ip", "x_real_ip", "x_forwarded_for"], PROXY),
    ],
)
def test_the_headers_of_an_address_have_an_order(leave_out, expected):
    headers = {name: value for name, value in EVERYTHING.items() if name not in leave_out}
    assert hash_of(PROXY, **headers) == hash_ip(expected)


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("203.0.113.3", "203.0.113.3"),
        ("1.1.1.1, 203.0.113.3", "203.0.113.3"),
        ("1.1.1.1, 203.0.113.3, 10.0.0.5, 10.0.0.6", "203.0.113.3"),
        ("10.0.0.4,10.0.0.5", "10.0.0.4"),
        ("garbage, 203.0.113.3", "203.0.113.3"),
        ("203.0.113.3, garbage", UNKNOWN),
        ("203.0.113.3, garbage, 10.0.0.5", UNKNOWN),
        ("203.0.113.3,", UNKNOWN),
        (" , ", UNKNOWN),
        ("[2001:db8::7]:4711, 10.0.0.5:80", "2001:db8::7"),
        ('"203.0.113.3:99"', "203.0.113.3"),
        ("unknown", UNKNOWN),
    ],
)
def test_forwarded_for_is_read_from_the_right_past_trusted_hops(settings, forwarded, expected):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert hash_of("10.0.0.9", x_forwarded_for=forwarded) == hash_ip(expected)


@pytest.mark.parametrize("header", ["cf_connecting_ip", "x_real_ip", "x_forwarded_for"])
@pytest.mark.parametrize("value", ["garbage", "999.1.1.1", "1.2.3", "::g", "fe80::%", "\x00", "' OR 1=1"])
def test_garbage_from_a_proxy_is_an_unknown_client_not_the_proxy(header, value):
    assert hash_of(PROXY, **{header: value}) == hash_ip(UNKNOWN)


@pytest.mark.parametrize("peer", [None, "", "unix:", "unix:/run/x.sock", "garbage", "localhost"])
def test_a_peer_without_an_address_is_unknown_and_not_trusted(peer):
    assert hash_of(peer, **EVERYTHING) == hash_ip(UNKNOWN)


@pytest.mark.parametrize("peer", [None, "", "unix:", "unix:/run/x.sock"])
def test_unix_sockets_can_be_trusted(settings, peer):
    settings.TRUSTED_PROXIES = ["unix"]
    assert hash_of(peer, **EVERYTHING) == hash_ip("203.0.113.1")
    assert hash_of(peer) == hash_ip(UNKNOWN)
    assert hash_of("127.0.0.1", **EVERYTHING) == hash_ip("127.0.0.1")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1:443", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
        ("", None),
        (":", None),
        ("[", None),
        ("]", None),
        ("192.0.2.1:80:80", None),
        ("192.0.2.01", None),
        ("３.0.0.1", None),
        ("192.0.2.1/32", None),
    ],
)
def test_an_address_may_carry_a_port_and_brackets(text, address):
    assert parse_address(text) == address


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_address_is_read_with_and_without_a_port(address, port):
    with_port = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    assert parse_address(with_port) == parse_address(str(address)) is not None


def test_a_request_id_comes_from_cf_ray_then_x_request_id_then_nowhere():
    assert request_id_of(meta(cf_ray="ray", x_request_id="xid")) == ("ray", True)
    assert request_id_of(meta(x_request_id=" xid ")) == ("xid", False)
    assert request_id_of(meta(cf_ray="  ", x_request_id="xid")) == ("xid", False)
    assert request_id_of(meta()) == ("", False)


@pytest.mark.parametrize("configured", [["CF-Ray", "X-Request-ID"], ["cf-ray", "x-request-id"]])
def test_another_header_can_be_switched_on_as_the_edge_s(settings, configured):
    settings.TRAFFIC_EDGE_ID_HEADERS = configured
    for header in ("cf_ray", "x_request_id"):
        assert request_id_of(meta(**{header: "xid"})) == ("xid", True)


def test_cf_ray_can_be_switched_off_as_the_edge_s(settings):
    settings.TRAFFIC_EDGE_ID_HEADERS = []
    assert request_id_of(meta(cf_ray="ray")) == ("ray", False)


@pytest.mark.parametrize(
    ("said", "country"),
    [("SE", "SE"), ("se", "SE"), ("T1", "T1"), ("XX", ""), ("SWE", ""), ("", ""), ("å", ""), ("--", "")],
)
def test_a_country_is_two_characters_or_nothing(said, country):
    assert country_of(said) == country


@pytest.mark.parametrize("prefix", ["", "t="])
@pytest.mark.parametrize(
    ("value", "started"),
    [
        ("1763925000", ARRIVAL - 123),
        ("1763925000.1", ARRIVAL - 23),
        ("1763925000.123", ARRIVAL),
        ("1763925000.123456", ARRIVAL),
        ("1763925000123", ARRIVAL),
        ("1763925000123.9", ARRIVAL),
        ("1763925000123456", ARRIVAL),
        ("1763925000123000", ARRIVAL),
    ],
)
def test_a_start_may_be_in_seconds_milliseconds_or_microseconds(prefix, value, started):
    assert parse_request_start(prefix + value, ARRIVAL) == started


@given(st.integers(10**12, 10**13 - 1))
def test_every_millisecond_is_read_exactly_in_every_unit(started):
    written = (f"{started // 1000}.{started % 1000:03d}", str(started), f"{started}000", f"{started}999")
    assert {parse_request_start(text, started) for text in written} == {started}


@pytest.mark.parametrize("distance", [-60_000, -1, 0, 1, 60_000])
def test_a_start_within_a_minute_of_the_arrival_counts(distance):
    assert parse_request_start(f"t={ARRIVAL + distance}", ARRIVAL) == ARRIVAL + distance


@pytest.mark.parametrize("distance", [-60_001, 60_001, -(10**9), 10**12])
def test_a_start_further_away_does_not(distance):
    assert parse_request_start(str(ARRIVAL + distance), ARRIVAL) is None


@pytest.mark.parametrize(
    "value",
    ["soon", "-1763925000", "t=", ".", "1e9", "nan", "inf", "1763925000,1", "1.2.3", "٣", "9" * 400, "t"],
)
def test_an_unreadable_start_does_not(value):
    assert parse_request_start(value, ARRIVAL) is None


values = st.one_of(
    st.text(st.characters()),
    st.ip_addresses().map(str),
    st.from_regex(r"[0-9.:\[\]%, a-f]{0,40}"),
    st.integers().map(str),
)
headers = st.sampled_from(sorted(f"HTTP_{name.upper()}" for name in EVERYTHING))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(headers, values),
    st.one_of(st.sampled_from([PROXY, "", "unix:"]), values),
    st.integers(0, 2**63),
)
@example({"HTTP_X_REQUEST_START": "9" * 32, "HTTP_X_FORWARDED_FOR": ",,,"}, "[::1", 0)
def test_no_headers_raise(found, peer, arrival):
    found = {"REMOTE_ADDR": peer, **found}
    assert re.fullmatch("[0-9a-f]{16}", origin_of(found).client_ip_hash)
    assert request_id_of(found)[0] == request_id_of(found)[0].strip()
    assert re.fullmatch("(?:[A-Z0-9]{2})?", country_of(found.get("HTTP_CF_IPCOUNTRY", "")))
    started = parse_request_start(found.get("HTTP_X_REQUEST_START", ""), arrival)
    assert started is None or abs(started - arrival) <= 60_000
