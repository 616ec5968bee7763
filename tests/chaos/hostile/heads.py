"""Attacks by the head of a request: method, target, query string, headers, wished answers."""

from __future__ import annotations

from random import Random

from tests.chaos.hostile.wire import Attack, Header, request

METHODS = (
    b"get", b"gEt", b"FOO", b"A", b"M" * 20, b"M" * 300, b"G" * 9000, b"GE T", b"G\x00T", b"G\x7fT", b"G\tT",
    b"", b"\xff\xfe\xfd", b"PROPFIND", b"CONNECT", b"TRACE", b"OPTIONS", b"HEAD", b"DELETE", b"PATCH",
    b"M-SEARCH", b"GET\r", b"{}", b"!#$%&'*+", b"PRI", b"SOURCE/ICE", "G\u00c9T".encode(),
)  # fmt: skip

# What follows `/api/test/<mark>`.
TAILS = (
    b"/\x00", b"/%00", b"/%00%00/a", b"/\xff\xfe", b"/%ff%fe", b"/%c3%28", b"/%ed%a0%80", b"/%f4%90%80%80",
    b"/../../etc/passwd", b"/./././", b"//", b"////a//", b"/\\..\\..\\", b"/%5c..%5c", b"/%2e%2e/%2e%2e/",
    b"/..%2f..%2f", b"/%252e%252e", b";jsessionid=1", b"/;a=b;c", b"/{id}", b"/{}{0}{a.b}", b"/%s%s%n", b"/%",
    b"/%zz", b"/%u0041", b"/a%0d%0aSet-Cookie:x=y", b"/%0a", b"/\x0b\x0c\x1f", b"/%e2%80%a8", b"/%e2%80%ae",
    b"/%F0%9F%98%80", "/\u00fc\u4e2d\U0001f600".encode(), b"/'; DROP TABLE stats_event; --",
    b"/<script>alert(1)</script>", b"/$(id)`id`", b"/${jndi:ldap://x/}", b"/x" * 2000, b"/" + b"a" * 1900,
    b"/" + b"a" * 2100, b"/" + b"%00" * 1000, b"/" + b"%E4" * 2500, b"/" + b"a" * 7000, b"/" + b"a" * 9000,
    b"/" + b"a" * 65536, b"/123/456", b"/0" * 600, b"#fragment", b"?", b"??", b" ", b" HTTP/1.1 x", b"/\t",
    b"/*", b"/:@!$&'()*+,=", b"/.", b"/..", b"/%2f", b"/|", b"/^`", b"/\"\"", b"/\xc2\x85",
)  # fmt: skip

# Whole targets; `%M` stands for the mark.
TARGETS = (
    b"*", b"%M", b"", b"//", b"//evil.example/%M", b"///", b"/\\evil.example",
    b"http://evil.example/api/test/%M", b"https://user:pw@127.0.0.1/api/test/%M", b"http://[::1/api/test/%M",
    b"http://", b"file:///etc/passwd", b"HTTP://127.0.0.1:99999/api/test/%M", b"evil.example:443",
    b"/api/test?%M", b"/api//test/%M", b"/api/test%2f%M", b"/API/TEST/%M", b"/.git/config/%M",
    b"/wp-login.php?%M", b"/cgi-bin/%%32%65/%M", b"/%61pi/test/%M", b"?%M", b"#%M", b"/api/test\x00/%M",
    b"/api/test/%M/../../../admin/", b"/metrics-report/%M", b"javascript:alert(1)", b"/\xff\xff%M",
)  # fmt: skip
# Not traffic, but no reason for a 500 either.
EXCLUDED = (
    b"/healthz?%M=%00", b"/healthz/%00", b"/%61dmin/", b"/admin/%00/%M",
    b"/admin/login/?next=//evil.example/%M", b"/admin/login/?next=%00", b"/admin/%ff%fe", b"/admin/../%M",
    b"/static/../../etc/passwd", b"/static/%00", b"/static/..%2f..%2fkeys%2fsecret_key",
    b"/static/" + b"a" * 5000, b"/static/%ff", b"/favicon.ico/%M", b"/metrics/%0a%M",
    b"/admin/stats/event/?q=%00&p=-1", b"/admin/jsi18n/?%M", b"/static/admin/css/%2e%2e/",
    b"http://x/admin/%M",
)  # fmt: skip

QUERIES = (
    b"?\x00", b"?%00=%00", b"?" + b"a" * 7000, b"?" + b"&" * 4000, b"?" + b"a=1&" * 1500, b"?%ff=%fe",
    b"?status", b"?status=", b"?status=%00", b"?status=-1", b"?status=1e3", b"?status=999999999999",
    b"?status=%EF%BC%92%EF%BC%90%EF%BC%90", b"?delay=nan", b"?delay=inf", b"?delay=-1", b"?delay=1e-400",
    b"?delay=0x1", b"?size=-1", b"?size=99999999999999999999", b"?size=0", b"?size=1", b"?status=204&size=5",
    b"?status=200&status=500x", b"?a[]=1&a[b][c]=2", b"?;;;=;", b"?a=\xed\xa0\x80", b"?{id}={id}",
    b"?a%0d%0aX: y", b"? HTTP/1.0", b"?status=1" + b"0" * 5000, b"?delay=" + b"9" * 5000,
)  # fmt: skip

STATUSES = (*range(200, 600, 7), 204, 205, 304, 500, 502, 503, 504, 599)
IMPOSSIBLE = (0, 1, 99, 100, 101, 102, 103, 199, 600, 999, 1000, 2**31, 2**64)


def method(rng: Random, mark: str) -> Attack:
    return Attack("method", mark, (request(mark, method=rng.choice(METHODS)),), end="half_close")


def path(rng: Random, mark: str) -> Attack:
    tail = b"".join(rng.choices(TAILS, k=rng.choice((1, 1, 1, 2, 3))))
    return Attack(
        "path", mark, (request(mark, target=b"/api/test/" + mark.encode() + tail),), end="half_close"
    )


def noisy_path(rng: Random, mark: str) -> Attack:
    """Bytes at random, so that not only what somebody thought of is tried."""
    tail = rng.randbytes(rng.randrange(1, 60))
    if rng.random() < 0.5:
        tail = b"".join(b"%%%02x" % byte for byte in tail)
    return Attack(
        "noisy path", mark, (request(mark, target=b"/api/test/" + mark.encode() + tail),), end="half_close"
    )


def target(rng: Random, mark: str) -> Attack:
    where = rng.choice(TARGETS).replace(b"%M", mark.encode())
    version = rng.choice(
        (b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9", b"HTTP/1.10", b"http/1.1", b"HTTP/2.0", b"\x00")
    )
    return Attack("target", mark, (request(mark, target=where, version=version),), end="half_close")


def excluded(rng: Random, mark: str) -> Attack:
    where = rng.choice(EXCLUDED).replace(b"%M", mark.encode())
    return Attack("excluded", mark, (request(mark, target=where),), end="half_close", traffic=False)


def query(rng: Random, mark: str) -> Attack:
    where = b"/api/test/" + mark.encode() + rng.choice(QUERIES)
    return Attack("query", mark, (request(mark, target=where),), end="half_close")


def status(rng: Random, mark: str) -> Attack:
    wished = rng.choice(STATUSES if rng.random() < 0.8 else IMPOSSIBLE)
    wish = b"%d" % wished
    how: list[Header] = [(b"X-Test-Size", b"%d" % rng.choice((0, 1, 100, 100_000)))] * rng.randrange(2)
    where = b"/api/test/" + mark.encode()
    if rng.random() < 0.5:
        how.append((b"X-Test-Status", wish))
    else:
        where += b"?status=" + wish
    verb = rng.choice((b"GET", b"HEAD", b"POST"))
    return Attack("status", mark, (request(mark, method=verb, target=where, headers=how),), wished=wished)
