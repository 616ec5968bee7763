"""Attacks by headers: spoofed, garbled, huge, many, and those that a server or Django gives a meaning."""

from __future__ import annotations

from random import Random

from tests.chaos.hostile.wire import HOST, Attack, Header, request

# Values that any header may get.
GARBAGE = (
    b"", b" ", b"\x00", b"a\x00b", b"\x01\x02\x1f\x7f", b"\t\t", b"a\rb", b"a\nb", b"a\r\n folded",
    b"a\r\n\tfolded", b"\xff\xfe", b"\xed\xa0\x80", "\u00e4\u4e2d\U0001f600".encode(), b"x" * 600,
    b"x" * 8000, b"x" * 10_000, b"x" * 70_000, b"%00", b"\\x00", b"{id}", b"${jndi:ldap://x}", b"'; --",
    b"=?utf-8?q?=00?=", b",,,,", b";;;;", b'"', b'"\\000"', b"-1", b"1e309", b"nan", b"t=" + b"9" * 40,
    b"t=1.1.1", b"t=-5", b"0" * 32, b"1763900000.000", b"\xc2\xb2",
)  # fmt: skip
ADDRESSES = (
    b"192.0.2.1", b"2001:db8::1", b"::ffff:192.0.2.1", b"fe80::1%eth0", b"[2001:db8::1]:443",
    b"192.0.2.1:99999", b"999.1.1.1", b"127.0.0.1", b"010.0.0.1", b"0x7f.1", b"[", b"[]", b"::1::",
    b"1" * 4000, b":" * 4000, b"localhost", b"unix:", b"_hidden",
)  # fmt: skip
NAMES = (
    b"CF-Connecting-IP", b"X-Real-IP", b"X-Forwarded-For", b"CF-IPCountry", b"X-Request-Start", b"User-Agent",
    b"Referer", b"Cookie", b"Accept", b"Accept-Language", b"Accept-Encoding", b"Authorization", b"Range",
    b"If-Modified-Since", b"If-None-Match", b"X-Forwarded-Host", b"X-Forwarded-Proto",
    b"X-Forwarded-Protocol", b"X-Forwarded-Ssl", b"X-Forwarded-Port", b"Forwarded", b"X-Test-Status",
    b"X-Test-Size", b"X-Test-Delay", b"Content-Type", b"Origin", b"X-CSRFToken", b"X-HTTP-Method-Override",
    b"Date",
)  # fmt: skip
# Header names that are none, or that a gateway might take for its own.
STRANGE = (
    (b"", b"empty name"), (b" X", b"1"), (b"X ", b"1"), (b"X\x00Y", b"1"), (b"X\xffY", b"1"), (b"X(Y)", b"1"),
    (b"X" * 9000, b"1"), (b"SCRIPT_NAME", b"/evil"), (b"SCRIPT_NAME", b"/api"), (b"PATH_INFO", b"/evil"),
    (b"SCRIPT-NAME", b"/evil"), (b"REMOTE_ADDR", b"1"), (b"REMOTE_USER", b"admin"),
    (b"Remote-User", b"admin"), (b"HTTP_HOST", b"evil"), (b"wsgi.input", b"1"), (b"Proxy", b"http://evil"),
    (b"X_Request_ID", b"underscore"), (b"Upgrade", b"websocket"), (b"Upgrade", b"h2c"),
    (b"Expect", b"100-continue"), (b"Expect", b"200-ok"), (b"Connection", b"X-Request-ID"),
    (b"Connection", b"keep-alive, upgrade"), (b"Keep-Alive", b"timeout=9999"), (b"TE", b"trailers"),
    (b"Trailer", b"Content-Length"), (b"Proxy-Authorization", b"Basic x"), (b"Host", b"second.example"),
    (b"X-Request-ID", b"\x00"), (b"Content-Length", b"0\r\nContent-Length: 0"),
)  # fmt: skip
HOSTS = (
    b"", b"evil.example", b"127.0.0.1:99999", b"127.0.0.1:", b"[::1", b"[::1]", b"localhost.", b"\xff",
    b"a b", b"127.0.0.1/x", b"127.0.0.1,evil", b"x" * 5000, b"127.0.0.1\x00", "\u00fc.example".encode(),
    b"user@127.0.0.1", b"%00", b"..", b"-",
)  # fmt: skip
# Python knows codecs that decode no text, and one that decodes nothing at all.
CHARSETS = (
    b"hex", b"rot13", b"zlib", b"undefined", b"idna", b"punycode", b"utf-7", b"utf-16", b"unicode_escape",
    b"mbcs", b"utf-8-sig", b"x" * 3000, b"../../etc", b"\xff", b"", b'"', b"cp037", b"utf-32", b"base64",
    b"utf-8",
)  # fmt: skip
COOKIES = (
    b'sessionid="\\000aaaaaaaaaaaa"', b'csrftoken="\\000"', b"sessionid=" + b"a" * 4000, b"=;=;=",
    b"messages=garbage", b'messages="\\000"', b"sessionid=\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8",
    b"csrftoken=\xed\xa0\x80", b"a=b;" * 1500, b'"', b"$Version=1",
)  # fmt: skip


def header(rng: Random, mark: str) -> Attack:
    names = rng.choices(NAMES, k=rng.choice((1, 1, 2, 5)))
    headers = [
        (name, rng.choice(ADDRESSES if b"IP" in name or b"For" in name else GARBAGE)) for name in names
    ]
    if rng.random() < 0.3:
        headers.append((rng.choice(NAMES), rng.choice(GARBAGE)))
    return Attack("header", mark, (request(mark, headers=headers),), end="half_close")


def strange_header(rng: Random, mark: str) -> Attack:
    return Attack("strange header", mark, (request(mark, headers=[rng.choice(STRANGE)]),), end="half_close")


def many_headers(rng: Random, mark: str) -> Attack:
    count = rng.choice((50, 90, 99, 101, 1000))
    headers: list[Header] = [(rng.choice((b"X-Same", b"X-%d" % n)), b"v") for n in range(count)]
    return Attack("many headers", mark, (request(mark, headers=headers),), end="half_close")


def edge_id(rng: Random, mark: str) -> Attack:
    """CF-Ray as an id of hostile characters; the mark stands first in it."""
    garbage = rng.choice((*GARBAGE, rng.randbytes(rng.randrange(1, 200))))
    headers = [(b"CF-Ray", mark.encode() + garbage)] * rng.choice((1, 1, 2))
    return Attack("edge id", mark, (request(mark, headers=headers),), end="half_close")


def hops(rng: Random, mark: str) -> Attack:
    """A chain of proxies, a thousand long in the extreme."""
    chain = rng.choice((b", ", b",", b" ,,")).join(
        rng.choices(ADDRESSES[:8], k=rng.choice((1, 50, 400, 1000)))
    )
    return Attack(
        "hops", mark, (request(mark, headers=[(b"X-Forwarded-For", chain[:8100])]),), end="half_close"
    )


def host(rng: Random, mark: str) -> Attack:
    return Attack("host", mark, (request(mark, host=rng.choice(HOSTS)),), end="half_close")


def charset(rng: Random, mark: str) -> Attack:
    """The query string, and a form, are decoded by the charset that the client names."""
    kind = rng.choice(
        (b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=b")
    )
    headers = [(b"Content-Type", kind + b"; charset=" + rng.choice(CHARSETS)), (b"Content-Length", b"5")]
    where, traffic = b"/api/test/" + mark.encode(), True
    if rng.random() < 0.3:
        where, traffic = b"/admin/login/", False
    where += rng.choice((b"?status=201&a=%41", b"?" + b"a=1&" * 1500))
    sent = request(mark, method=b"POST", target=where, headers=headers, body=b"a=%41")
    return Attack("charset", mark, (sent,), end="half_close", traffic=traffic)


def cookie(rng: Random, mark: str) -> Attack:
    where, traffic = rng.choice(
        ((b"/api/test/" + mark.encode(), True), (b"/admin/", False), (b"/admin/login/", False))
    )
    sent = request(mark, target=where, host=HOST, headers=[(b"Cookie", rng.choice(COOKIES))])
    return Attack("cookie", mark, (sent,), end="half_close", traffic=traffic)
