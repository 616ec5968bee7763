"""A webhook's message is signed, and goes to no address that it must not go to."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.networks import parse_networks
from stats.alerts import addresses, signing
from stats.alerts.addresses import Refused, is_permitted, is_public, target_of

NOW = 1_763_900_000
HOME = parse_networks(("10.1.0.0/16", "127.0.0.0/8", "fd00::/8"))


def ip(text: str) -> addresses.Address:
    return ipaddress.ip_address(text)


# --- signatures ----------------------------------------------------------------------------------------


def test_a_signature_is_an_hmac_of_time_and_body():
    by_hand = hmac.new(b"s3cret", b'1763900000.{"a": 1}', hashlib.sha256).hexdigest()
    assert signing.sign("s3cret", NOW, b'{"a": 1}') == f"v1={by_hand}"


@given(st.binary(max_size=200), st.integers(-signing.TOLERANCE, signing.TOLERANCE))
def test_a_receiver_accepts_what_was_signed(body, seconds):
    secret = signing.make_secret()
    assert signing.verify(secret, str(NOW), body, signing.sign(secret, NOW, body), NOW + seconds)


@given(st.binary(max_size=50), st.binary(max_size=50), st.text(max_size=80))
def test_another_body_secret_time_or_signature_is_refused(body, other, forged):
    signature = signing.sign("one", NOW, body)
    if other != body:
        assert not signing.verify("one", str(NOW), other, signature, NOW)
    assert not signing.verify("two", str(NOW), body, signature, NOW)
    assert not signing.verify("one", str(NOW + 1), body, signature, NOW)
    assert forged == signature or not signing.verify("one", str(NOW), body, forged, NOW)


@pytest.mark.parametrize("timestamp", [str(NOW - 301), str(NOW + 301), "", "-1", "1e9", "١٢٣", "9" * 400])
def test_an_old_or_odd_time_is_refused_even_if_it_is_signed(timestamp):
    body = b"{}"
    signed = "v1=" + hmac.new(b"one", timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert not signing.verify("one", timestamp, body, signed, NOW)


def test_no_two_secrets_are_alike():
    assert len({signing.make_secret() for _ in range(100)}) == 100


# --- addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "224.0.0.1", "224.0.1.1", "239.255.255.255", "255.255.255.255"),
        *("192.0.2.1", "198.18.0.1", "240.0.0.1", "::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00::1"),
        *("ff02::1", "ff0e::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1"),
    ],
)
def test_an_address_that_is_not_public_is_refused(address):
    assert not is_public(ip(address))
    assert not is_permitted(ip(address), is_encrypted=True, allowed=())


@pytest.mark.parametrize(
    "address",
    [
        *("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"),
        *("::ffff:93.184.216.34", "64:ff9b::5db8:d822"),
    ],
)
def test_a_public_address_takes_encrypted_messages_only(address):
    assert is_permitted(ip(address), is_encrypted=True, allowed=())
    assert not is_permitted(ip(address), is_encrypted=False, allowed=())


@given(st.ip_addresses(v=4, network="0.0.0.0/0") | st.ip_addresses(v=6, network="::/0"))
@example(ip("10.1.2.3"))
@example(ip("fd00::1"))
def test_what_is_permitted_is_public_or_allowed_by_name_however_it_is_written(address):
    inner = addresses.unwrapped(address)
    is_home = any(inner in network for network in HOME)
    assert is_permitted(address, is_encrypted=False, allowed=HOME) == is_home
    if is_permitted(address, is_encrypted=True, allowed=HOME):
        assert is_home or (inner.is_global and not inner.is_multicast and not inner.is_private)
    if isinstance(address, ipaddress.IPv4Address):
        mapped = ipaddress.IPv6Address(f"::ffff:{address}")
        assert is_permitted(mapped, True, HOME) == is_permitted(address, True, HOME)


@given(st.text(max_size=60) | st.text(max_size=30).map(lambda rest: f"https://{rest}"))
@example("https://[::1")
@example("https://[fe80::1%25eth0]/")
@example("https://xn--/")
@example("https://a..b/")
@example("https://host:99999/")
@example("https://" + "a" * 70 + ".example/")
def test_any_text_is_a_target_or_is_refused(url):
    try:
        found = target_of(url)
    except Refused:
        return
    assert found.host.isascii()
    assert found.path.startswith("/")
    assert not any(char.isspace() for char in found.path)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com/", "neither with https"),
        ("file:///etc/passwd", "neither with https"),
        ("https://user:pass@example.com/", "user or a password"),
        ("https://example.com@10.0.0.1/", "user or a password"),
        ("https:///path", "no host"),
        ("https://example.com/\r\nX: y", "spaces"),
        ("https://example.com/ä", "percent-encoded"),
        ("https://example.com:0/", "port 0"),
        ("https://example.com/" + "a" * 2000, "longer"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url, why):
    with pytest.raises(Refused, match=why):
        target_of(url)


def test_a_url_is_taken_apart():
    found = target_of("https://hooks.example.com/a%20b?c=d#e")
    assert (found.scheme, found.host, found.port, found.path) == (
        *("https", "hooks.example.com"),
        *(443, "/a%20b?c=d"),
    )
    assert target_of("http://例え.jp:8080").host == "xn--r8jz45g.jp"


def test_a_name_is_judged_by_what_it_means_and_only_good_addresses_are_left(monkeypatch):
    answers = [(2, 1, 6, "", ("10.0.0.1", 443)), (2, 1, 6, "", ("93.184.216.34", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    target = target_of("https://hooks.example.com/")
    assert addresses.permitted(target, ()) == [ip("93.184.216.34")]
    del answers[1]
    with pytest.raises(Refused, match="no public address"):
        addresses.permitted(target, ())
    answers[:] = [(2, 1, 6, "", ("93.184.216.34", 80))]
    with pytest.raises(Refused, match="use https"):
        addresses.permitted(target_of("http://hooks.example.com/"), ())


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "localhost"])
def test_an_address_in_disguise_is_seen_through(host):
    with pytest.raises(Refused):
        addresses.permitted(target_of(f"https://{host}/"), ())
