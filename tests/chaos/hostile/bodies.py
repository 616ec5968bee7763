"""Attacks by what follows the head or comes instead of one, and by clients that are slow, broken or gone."""

from __future__ import annotations

from random import Random

from tests.chaos.hostile.wire import Attack, Header, request

CHUNKS = (
    b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhel", b"zz\r\nhello\r\n", b"-5\r\nhello\r\n",
    b"ffffffffffffffff\r\n", b"5;" + b"x" * 9000 + b"\r\nhello", b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\n0\n\n", b"\r\n\r\n", b"", b"\x00" * 50, b"1\r\n" * 2000, b"5\r\nhello0\r\n\r\n",
    b"0\r\nX: " + b"y" * 9000, b"0\r\nContent-Length: 5\r\n\r\nhello", b"1_0\r\nhello",
    b" 5 \r\nhello\r\n0\r\n\r\n",
)  # fmt: skip
CODINGS = (
    b"chunked", b"Chunked", b"chunked, chunked", b"gzip, chunked", b"identity", b"xchunked", b"chunked\x0b",
    b"", b"deflate",
)  # fmt: skip
LENGTHS = (
    b"0", b"5", b"4", b"500", b"-1", b"+5", b"abc", b"5, 5", b"5,6", b"",
    b"99999999999999999999", b"0x5", b"5.0", b"1_0", b"\xb2", b"007",
)  # fmt: skip
KINDS = (
    b"application/json",
    b"application/x-www-form-urlencoded", b"multipart/form-data", b"multipart/form-data; boundary=b", b"\x01",
)  # fmt: skip
NOT_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x5a" * 500,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\r\n\r\n\r\n", b"\x00" * 4096, b"\n", b"GET", b"GET /",
    b"GET /\r\n\r\n", b"GET /api/test/%M\r\n\r\n", b"GET /api/test/%M\n\n", b"HTTP/1.1 200 OK\r\n\r\n",
    b"SSH-2.0-x\r\n", b"EHLO x\r\n", b"*1\r\n$4\r\nPING\r\n", b"GET  /api/test/%M  HTTP/1.1\r\n\r\n",
    b"GET\t/api/test/%M\tHTTP/1.1\r\n\r\n", b"\xff" * 10_000,
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET /api/test/%M HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"\x80\x2e\x01\x00\x02", b"GET /api/test/%M HTTP/1.1\nHost: 127.0.0.1\n\n",
    b"GET /api/test/%M HTTP/1.1\r\rHost: x\r\r", b"A" * 100_000,
)  # fmt: skip


def _where(rng: Random, mark: str) -> tuple[bytes, bool]:
    """The test page, which leaves bodies unread, or the login form, which reads them."""
    return (b"/api/test/" + mark.encode(), True) if rng.random() < 0.7 else (b"/admin/login/", False)


def chunked(rng: Random, mark: str) -> Attack:
    where, traffic = _where(rng, mark)
    headers: list[Header] = [
        (b"Transfer-Encoding", rng.choice(CODINGS)),
        (b"Content-Type", rng.choice(KINDS)),
    ]
    if rng.random() < 0.3:
        headers.insert(rng.randrange(2), (b"Content-Length", rng.choice(LENGTHS)))
    sent = request(mark, method=b"POST", target=where, headers=headers, body=rng.choice(CHUNKS))
    return Attack("chunked", mark, (sent,), end="half_close", traffic=traffic)


def length(rng: Random, mark: str) -> Attack:
    where, traffic = _where(rng, mark)
    headers = [(b"Content-Length", rng.choice(LENGTHS)), (b"Content-Type", rng.choice(KINDS))]
    body = rng.choice((b"", b"hello", b"hello" * 3000, rng.randbytes(100)))
    sent = request(mark, method=b"POST", target=where, headers=headers, body=body)
    return Attack("length", mark, (sent,), end="half_close", traffic=traffic)


FORMS = (
    b"username=%00&password=%00", b"a=" + b"1" * 3_000_000, b"a=1&" * 1100, b"%ff=%fe", b"\x00" * 100,
    b"username=" + b"u" * 5000, b"--b\r\n\r\n", b"--b--", b'{"a":' * 3000,
    b'--b\r\nContent-Disposition: form-data; name="a"; filename="../../x\x00"\r\n\r\nv\r\n--b--\r\n',
    b"--b\r\nContent-Disposition: form-data; name*=utf-8''%00\r\n\r\nv\r\n--b--\r\n",
    b"--b\r\nContent-Disposition: form-data; name=a\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n!\r\n--b--\r\n",
)  # fmt: skip


def form(rng: Random, mark: str) -> Attack:
    """Whole and valid by its length, hostile by its content; the login form reads it."""
    body = rng.choice(FORMS)
    headers = [(b"Content-Length", b"%d" % len(body)), (b"Content-Type", rng.choice(KINDS))]
    headers += [(b"Cookie", b"csrftoken=" + b"a" * 32), (b"X-CSRFToken", b"a" * 32)] * rng.randrange(2)
    sent = request(mark, method=b"POST", target=b"/admin/login/", headers=headers, body=body)
    return Attack("form", mark, (sent,), traffic=False)


def aborted(rng: Random, mark: str) -> Attack:
    """A body that streams in and breaks off, by its announced length or by its chunks."""
    where, traffic = _where(rng, mark)
    chunks = rng.random() < 0.5
    announced = (b"Transfer-Encoding", b"chunked") if chunks else (b"Content-Length", b"1000000")
    head = request(
        mark, method=b"POST", target=where, headers=[announced, (b"Content-Type", rng.choice(KINDS))]
    )
    part = b"64\r\n" + b"a=1&" * 25 + b"\r\n" if chunks else b"a=1&" * 25
    parts = (head, *[part] * rng.randrange(5))
    return Attack("aborted", mark, parts, 0.01, rng.choice(("half_close", "reset")), traffic)  # type: ignore[arg-type]


def pipelined(rng: Random, mark: str) -> Attack:
    """More requests behind the first: a server may answer one a connection, or all."""
    first, other = (
        request(name).replace(b"Connection: close", b"Connection: keep-alive")
        for name in (mark, f"p{mark[1:]}")
    )
    return Attack("pipelined", mark, (first + other * rng.choice((1, 5, 100)),), end="half_close")


def not_http(rng: Random, mark: str) -> Attack:
    sent = rng.choice((*NOT_HTTP, rng.randbytes(rng.randrange(1, 3000)))).replace(b"%M", mark.encode())
    return Attack("not HTTP", mark, (sent,), end="half_close")


def slow(rng: Random, mark: str) -> Attack:
    """The head in pieces, cut anywhere."""
    whole = request(mark, headers=[(b"User-Agent", b"slow")])
    cuts = sorted(rng.sample(range(1, len(whole)), rng.choice((1, 2, 4))))
    parts = tuple(whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True))
    return Attack("slow", mark, parts, pause=rng.choice((0.0, 0.01, 0.05)))


def cut_short(rng: Random, mark: str) -> Attack:
    """A head that ends too early."""
    whole = request(mark)
    end = rng.choice(("half_close", "reset"))
    return Attack("cut short", mark, (whole[: rng.randrange(len(whole))],), end=end)  # type: ignore[arg-type]


def gone(rng: Random, mark: str) -> Attack:
    """A client that resets without waiting, at once or while a long answer is on its way."""
    headers = [(b"X-Test-Size", b"1000000")] * rng.randrange(2)
    parts = (request(mark, headers=headers), *[b""] * rng.randrange(2))
    return Attack("gone", mark, parts, pause=0.01, end="reset")
