"""The same request has the same id, and an address has one hash however it is written."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import timeit
from datetime import UTC, datetime, timedelta

import pytest
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.idempotency import (
    FIRST_TIMESTAMP,
    LAST_TIMESTAMP,
    canonical_address,
    extract_timestamp,
    generate_idempotent_id,
    hash_ip,
    id_prefix,
    is_plain_ipv4,
    is_valid_idempotent_id,
)

VECTORS = [
    (1730956800000, "192.168.1.1", "/api/users", "req-123", "1730956800000-ca81a161"),
    (1730956800001, "192.168.1.1", "/api/users", "req-123", "1730956800001-ca81a161"),
    (1730956800000, "2001:db8::1", "/v1/docs:batchGet", "8f1e-abc", "1730956800000-5d29ab01"),
    (1763925000123, "203.0.113.9", "/商品/列表", "req-ü", "1763925000123-3c3c5e85"),
]

timestamps = st.integers(FIRST_TIMESTAMP, LAST_TIMESTAMP)
encodable = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(("timestamp", "client", "path", "request_id", "expected"), VECTORS)
def test_an_id_is_the_time_and_a_digest(timestamp, client, path, request_id, expected):
    assert generate_idempotent_id(timestamp, client, path, request_id) == expected


@given(timestamps, encodable, encodable, encodable.filter(bool))
def test_every_id_is_valid_repeatable_and_holds_its_time(timestamp, client, path, request_id):
    made = generate_idempotent_id(timestamp, client, path, request_id)

    assert made == generate_idempotent_id(timestamp, client, path, request_id)
    assert is_valid_idempotent_id(made)
    assert extract_timestamp(made) == timestamp
    digest = hashlib.sha256(f"{client}:{path}:{request_id}".encode()).hexdigest()
    assert made == f"{timestamp}-{digest[:8]}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((FIRST_TIMESTAMP - 1, "c", "/", "r"), "timestamp: 999999999999 does not have 13 digits"),
        ((LAST_TIMESTAMP + 1, "c", "/", "r"), "timestamp: 10000000000000 does not have 13 digits"),
        ((-1730956800000, "c", "/", "r"), "timestamp: -1730956800000 does not have 13 digits"),
        ((1730956800000.0, "c", "/", "r"), "timestamp: expected an integer of milliseconds, got float"),
        (("1730956800000", "c", "/", "r"), "timestamp: expected an integer of milliseconds, got str"),
        ((True, "c", "/", "r"), "timestamp: expected an integer of milliseconds, got bool"),
        ((1730956800000, None, "/", "r"), "client_ip: expected a string, got NoneType"),
        ((1730956800000, "c", b"/", "r"), "path: expected a string, got bytes"),
        ((1730956800000, "c", "/", 7), "request_id: expected a string, got int"),
        ((1730956800000, "c", "/", ""), "request_id: must not be empty"),
        ((1730956800000, "\ud800", "/", "r"), "client_ip: not encodable as UTF-8: surrogates not allowed"),
        ((1730956800000, "c", "/\udcff", "r"), "path: not encodable as UTF-8: surrogates not allowed"),
        ((1730956800000, "c", "/", "r\udfff"), "request_id: not encodable as UTF-8: surrogates not allowed"),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(ValueError) as caught:
        generate_idempotent_id(*arguments)
    assert str(caught.value) == message


def test_the_bounds_of_time_are_13_digits():
    first = generate_idempotent_id(FIRST_TIMESTAMP, "", "", "r")
    last = generate_idempotent_id(LAST_TIMESTAMP, "", "", "r")
    assert (first[:14], last[:14]) == ("1000000000000-", "9999999999999-")


@pytest.mark.parametrize(
    "candidate",
    [
        "",
        "1730956800000-ca81a16",
        "1730956800000-ca81a1611",
        "1730956800000-CA81A161",
        "1730956800000_ca81a161",
        "730956800000-ca81a161",
        "1730956800000-ca81a161\n",
        "\n1730956800000-ca81a161",
        " 1730956800000-ca81a161",
        "١٧٣٠٩٥٦٨٠٠٠٠٠-ca81a161",
        "1730956800000-ca81a16１",
        b"1730956800000-ca81a161",
        1730956800000,
        None,
    ],
)
def test_what_is_no_id_is_refused(candidate):
    assert not is_valid_idempotent_id(candidate)
    assert extract_timestamp(candidate) is None


@given(st.text())
def test_any_text_can_be_asked_about(text):
    assert is_valid_idempotent_id(text) == (extract_timestamp(text) is not None)


def test_an_address_is_hashed_under_the_key(settings):
    settings.CLIENT_HASH_KEY = ""
    assert hash_ip("192.168.1.1") == "c5eb5a4cc76a5cdb"
    settings.CLIENT_HASH_KEY = "k3y"
    assert hash_ip("192.168.1.1") == "5620230395d95811"


@given(st.ip_addresses(), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_the_hash_is_an_hmac_of_sha_256(address, key):
    with override_settings(CLIENT_HASH_KEY=key):
        expected = hmac.digest(key.encode(), canonical_address(str(address)).encode(), "sha256")
        assert hash_ip(str(address)) == expected.hex()[:16]


@given(st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,4}){2,4}", fullmatch=True) | st.ip_addresses(v=4).map(str))
@example("01.2.3.4")
@example("1.2.3.4\n")
@example("256.1.1.1")
@example("１.2.3.4")
def test_a_plain_ipv4_address_is_what_the_library_would_write(text):
    try:
        is_one = str(ipaddress.IPv4Address(text)) == text
    except ValueError:
        is_one = False
    assert is_plain_ipv4(text) == is_one


@pytest.mark.parametrize(
    "spellings",
    [
        ["192.168.1.1", "::ffff:192.168.1.1", "::FFFF:c0a8:0101", " 192.168.1.1 "],
        [
            "2001:db8::1",
            "2001:DB8:0:0:0:0:0:1",
            "2001:0db8:0000:0000:0000:0000:0000:0001",
            "2001:db8::0.0.0.1",
        ],
        ["fe80::1", "fe80::1%eth0", "FE80:0::1%7"],
    ],
)
def test_an_address_has_one_hash_however_it_is_written(spellings):
    assert len({hash_ip(spelling) for spelling in spellings}) == 1


@given(st.ip_addresses(v=6))
def test_every_form_of_an_ipv6_address_is_one(address):
    forms = {address.compressed, address.exploded, address.exploded.upper()}
    assert len({hash_ip(form) for form in forms}) == 1


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_and_its_mapped_form_are_one(address):
    assert hash_ip(str(address)) == hash_ip(f"::ffff:{address}")


@given(st.ip_addresses(), st.ip_addresses())
def test_two_addresses_have_two_hashes(one, other):
    same = canonical_address(str(one)) == canonical_address(str(other))
    assert (hash_ip(str(one)) == hash_ip(str(other))) == same


@given(st.text())
def test_what_is_no_address_has_a_hash_too(text):
    hashed = hash_ip(text)
    assert len(hashed) == 16
    assert set(hashed) <= set("0123456789abcdef")


def test_a_non_string_is_no_address():
    with pytest.raises(ValueError, match=r"^ip: expected a string, got IPv4Address$"):
        hash_ip(ipaddress.ip_address("192.0.2.1"))


def test_an_id_takes_less_than_10_microseconds():
    def make() -> None:
        generate_idempotent_id(1730956800000, "5620230395d95811", "/api/users", "req-123")

    # The best of many: the machine may be busy, the function can't be faster than it is.
    assert min(timeit.repeat(make, number=200, repeat=50)) / 200 < 10e-6


@given(st.integers(FIRST_TIMESTAMP, LAST_TIMESTAMP))
def test_ids_of_a_moment_begin_with_its_prefix(timestamp):
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=timestamp)
    assert generate_idempotent_id(timestamp, "", "", "r").startswith(f"{id_prefix(moment)}-")
