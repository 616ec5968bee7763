"""Who sent a request is believed only from trusted peers, and nothing a request holds raises."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.client import UNKNOWN, identify, parse_address, parse_request_start
from gateway.events import MAX_REQUEST_ID

ARRIVAL = 1_763_925_000_123  # ms
PROXY = "127.0.0.1"
STRANGER = "198.51.100.7"


def meta(peer: str | None = PROXY, **headers: str) -> dict[str, str]:
    """`META` of a request; `x_real_ip="…"` is the header X-Real-IP."""
    found = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return found if peer is None else {"REMOTE_ADDR": peer, **found}


def address_of(*args, **headers) -> str:
    return identify(meta(*args, **headers), ARRIVAL).address


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
    client = identify(meta(STRANGER, **EVERYTHING), ARRIVAL)

    assert client.address == STRANGER
    assert uuid.UUID(client.request_id).version == 4
    assert (client.from_edge, client.country, client.started, client.start_ignored) == (
        False,
        "",
        None,
        False,
    )


def test_what_a_trusted_proxy_says_is_believed():
    client = identify(meta(PROXY, **EVERYTHING), ARRIVAL)

    assert (client.address, client.request_id, client.from_edge) == ("203.0.113.1", "8f1e-abc", True)
    assert (client.country, client.started, client.start_ignored) == ("SE", ARRIVAL - 5, False)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"])
def test_loopback_is_trusted_by_default(peer):
    assert address_of(peer, x_real_ip="203.0.113.2") == "203.0.113.2"


@pytest.mark.parametrize("peer", ["10.0.0.1", "128.0.0.1", "::2", "::ffff:10.0.0.1", "127.0.0.1.example"])
def test_nobody_else_is_trusted_by_default(peer):
    assert address_of(peer, x_real_ip="203.0.113.2") != "203.0.113.2"


def test_trusted_proxies_are_a_setting(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "2001:db8::/32"]
    assert address_of("10.3.2.1", x_real_ip="203.0.113.2") == "203.0.113.2"
    assert address_of("2001:db8::9", x_real_ip="203.0.113.2") == "203.0.113.2"
    assert address_of("127.0.0.1", x_real_ip="203.0.113.2") == "127.0.0.1"


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
    assert address_of(PROXY, **headers) == expected


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
    assert address_of("10.0.0.9", x_forwarded_for=forwarded) == expected


@pytest.mark.parametrize("header", ["cf_connecting_ip", "x_real_ip", "x_forwarded_for"])
@pytest.mark.parametrize("value", ["garbage", "999.1.1.1", "1.2.3", "::g", "fe80::%", "\x00", "' OR 1=1"])
def test_garbage_from_a_proxy_is_an_unknown_client_not_the_proxy(header, value):
    assert address_of(PROXY, **{header: value}) == UNKNOWN


@pytest.mark.parametrize("peer", [None, "", "unix:", "unix:/run/x.sock", "garbage", "localhost"])
def test_a_peer_without_an_address_is_unknown_and_not_trusted(peer):
    assert address_of(peer, **EVERYTHING) == UNKNOWN


@pytest.mark.parametrize("peer", [None, "", "unix:", "unix:/run/x.sock"])
def test_unix_sockets_can_be_trusted(settings, peer):
    settings.TRUSTED_PROXIES = ["unix"]
    assert address_of(peer, **EVERYTHING) == "203.0.113.1"
    assert address_of(peer) == UNKNOWN
    assert address_of("127.0.0.1", **EVERYTHING) == "127.0.0.1"


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
    def id_of(**headers):
        client = identify(meta(PROXY, **headers), ARRIVAL)
        return client.request_id, client.from_edge

    assert id_of(cf_ray="ray", x_request_id="xid") == ("ray", True)
    assert id_of(x_request_id=" xid ") == ("xid", False)
    assert id_of(cf_ray="  ", x_request_id="xid") == ("xid", False)
    fresh, from_edge = id_of()
    assert uuid.UUID(fresh).version == 4
    assert not from_edge
    assert id_of()[0] != fresh


@pytest.mark.parametrize("configured", [["CF-Ray", "X-Request-ID"], ["cf-ray", "x-request-id"]])
def test_another_header_can_be_switched_on_as_the_edge_s(settings, configured):
    settings.TRAFFIC_EDGE_ID_HEADERS = configured
    for header in ("cf_ray", "x_request_id"):
        client = identify(meta(PROXY, **{header: "xid"}), ARRIVAL)
        assert (client.request_id, client.from_edge) == ("xid", True)


def test_cf_ray_can_be_switched_off_as_the_edge_s(settings):
    settings.TRAFFIC_EDGE_ID_HEADERS = []
    client = identify(meta(PROXY, cf_ray="ray"), ARRIVAL)
    assert (client.request_id, client.from_edge) == ("ray", False)


def test_a_long_request_id_is_cut_visibly():
    request_id = identify(meta(PROXY, cf_ray="x" * 500), ARRIVAL).request_id
    assert request_id == "x" * (MAX_REQUEST_ID - 1) + "…"


@pytest.mark.parametrize(
    ("value", "country"),
    [("SE", "SE"), ("se", "SE"), ("T1", "T1"), ("XX", ""), ("SWE", ""), ("", ""), ("å", ""), ("--", "")],
)
def test_a_country_is_two_characters_or_nothing(value, country):
    assert identify(meta(PROXY, cf_ipcountry=value), ARRIVAL).country == country


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
    client = identify(meta(PROXY, x_request_start=f"t={ARRIVAL + distance}"), ARRIVAL)
    assert (client.started, client.start_ignored) == (ARRIVAL + distance, False)


@pytest.mark.parametrize("distance", [-60_001, 60_001, -(10**9), 10**12])
def test_a_start_further_away_is_ignored_and_said_so(distance):
    client = identify(meta(PROXY, x_request_start=str(ARRIVAL + distance)), ARRIVAL)
    assert (client.started, client.start_ignored) == (None, True)


@pytest.mark.parametrize(
    "value",
    ["soon", "-1763925000", "t=", ".", "1e9", "nan", "inf", "1763925000,1", "1.2.3", "٣", "9" * 400, "t"],
)
def test_an_unreadable_start_is_ignored_and_said_so(value):
    client = identify(meta(PROXY, x_request_start=value), ARRIVAL)
    assert (client.started, client.start_ignored) == (None, True)


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
    client = identify({"REMOTE_ADDR": peer, **found}, arrival)

    assert client.address == UNKNOWN or parse_address(client.address) == client.address
    assert 1 <= len(client.request_id) <= MAX_REQUEST_ID
    client.request_id.encode()
    assert re.fullmatch("(?:[A-Z0-9]{2})?", client.country)
    assert client.started is None or abs(client.started - arrival) <= 60_000
