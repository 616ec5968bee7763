"""Formats of access logs: what each known and each spelled-out one reads of a line, and what it refuses."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accesslog.parse import MAX_LINE, MalformedLine, parse_line
from stats.importing import formats
from stats.importing.formats import detect, named_or_compiled
from stats.importing.line_format import Entry, LineFormat
from stats.importing.notation import BadFormat

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"
MOMENT = 1_431_857_103_000  # 17 May 2015, 10:05:03 UTC
TIME = "[17/May/2015:12:05:03 +0200]"
COMMON = f'- - {TIME} "GET /a/b?c=d HTTP/1.1" 200 203'
COMBINED = f'{COMMON} "http://e.example" "Curl \\"8\\""'
APACHE_COMBINED = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'


def read(line: str, written: str | None = None) -> Entry:
    """The line in the format that is written, or in the one that is found by the line alone."""
    data = line.encode()
    return (named_or_compiled(written) if written else detect([data])).read(data + b"\n", 7)


@pytest.mark.parametrize(
    ("line", "label", "expected"),
    [
        (f"192.0.2.1 {COMMON}", "common", {"address": "192.0.2.1", "user_agent": ""}),
        (f"host.example {COMMON}", "common", {"address": "host.example"}),
        (f"2001:db8::1 {COMBINED}", "combined", {"address": "2001:db8::1", "user_agent": 'Curl "8"'}),
        (f"192.0.2.1 {COMBINED} 0.005", "combined, seconds", {"response_time": 5.0}),
        (f"192.0.2.1 {COMBINED} 5123", "combined, microseconds", {"response_time": 5.123}),
        (f"192.0.2.1 {COMMON} 1.250", "common, seconds", {"response_time": 1250.0}),
        (f"192.0.2.1 {COMMON} 250", "common, microseconds", {"response_time": 0.25}),
        (
            f'10.0.0.1 {COMBINED} "192.0.2.9, 10.0.0.3"',
            "combined, X-Forwarded-For",
            {"address": "10.0.0.1", "forwarded": "192.0.2.9, 10.0.0.3"},
        ),
        (
            f'10.0.0.1 {COMBINED} "-" 0.250',
            "combined, X-Forwarded-For, seconds",
            {"forwarded": "-", "response_time": 250.0},
        ),
        (
            f'10.0.0.1 {COMBINED} rt=0.1 "x"',
            "combined, other fields",
            {"address": "10.0.0.1", "response_time": 0.0, "user_agent": 'Curl "8"'},
        ),
        (
            f"shop.example:443 192.0.2.1 {COMBINED}",
            "virtual host and port, combined",
            {"host": "shop.example", "address": "192.0.2.1"},
        ),
        (
            f"shop.example host.example {COMBINED}",
            "virtual host, combined",
            {"host": "shop.example", "address": "host.example"},
        ),
        (
            f"192.0.2.9, 10.0.0.3 10.0.0.1 {COMBINED}",
            "X-Forwarded-For, combined",
            {"forwarded": "192.0.2.9, 10.0.0.3", "address": "10.0.0.1"},
        ),
        (
            f"192.0.2.9, 10.0.0.3 {COMBINED}",
            "X-Forwarded-For instead of the address, combined",
            {"forwarded": "192.0.2.9, 10.0.0.3", "address": ""},
        ),
        (
            f"- {COMMON}",
            "X-Forwarded-For instead of the address, common",
            {"forwarded": "-", "address": ""},
        ),
    ],
)
def test_a_known_format_is_found_by_its_lines(line: str, label: str, expected: dict[str, object]) -> None:
    assert detect([line.encode()]).label == label
    entry = read(line)

    assert (entry.number, entry.moment, entry.method, entry.target) == (7, MOMENT, "GET", "/a/b?c=d")
    assert (entry.status, entry.size) == (200, 203)
    assert {name: getattr(entry, name) for name in expected} == expected


def test_the_format_of_most_lines_is_taken() -> None:
    lines = [f'192.0.2.1 - Bob Smith {TIME} "GET / HTTP/1.1" 200 1'] + [f"192.0.2.1 {COMMON}"] * 3 + ["noise"]

    found = detect([line.encode() for line in lines])

    assert found.label == "common"
    assert found.fits(lines[0].encode())


def test_a_list_of_addresses_here_and_there_is_enough_to_find_the_format() -> None:
    lines = [f"192.0.2.1 {COMMON}"] * 9 + [f"192.0.2.1, 10.0.0.1 {COMMON}"]

    assert detect([line.encode() for line in lines]).label == "X-Forwarded-For instead of the address, common"


@pytest.mark.parametrize("noise", [b"", b"#Fields: date time", b'{"time": "2015-05-17T10:05:03Z"}'])
def test_no_known_format_is_an_error_that_names_the_way_out(noise: bytes) -> None:
    with pytest.raises(BadFormat, match="--format"):
        detect([noise, noise, f"192.0.2.1 {COMMON}".encode()])


def test_an_empty_log_has_any_format() -> None:
    assert detect([]) in formats._known()


@pytest.mark.parametrize(
    ("written", "line", "expected"),
    [
        ('%h %l %u %t \\"%r\\" %>s %b', f"192.0.2.1 {COMMON}", {"address": "192.0.2.1"}),
        (
            f'LogFormat "{APACHE_COMBINED.replace(chr(34), chr(92) + chr(34))}" combined',
            f"::1 {COMBINED}",
            {},
        ),
        (f"{APACHE_COMBINED} %D", f"::1 {COMBINED} 1500", {"response_time": 1.5}),
        (f"{APACHE_COMBINED} %T/%D", f"::1 {COMBINED} 2/1999000", {"response_time": 1999.0}),
        (f"{APACHE_COMBINED} %{{ms}}T %X", f"::1 {COMBINED} 17 +", {"response_time": 17.0}),
        ("%v:%p %a %t %m %U%q %H %s %O", f"s.example:80 ::1 {TIME} PUT /x?y HTTP/2.0 201 -", {"size": 0}),
        ('%{X-Forwarded-For}i %h %t "%r" %s %B', f'192.0.2.9 ::1 {TIME} "GET / HTTP/1.1" 200 0', {}),
        ('%!200,304{User-Agent}i %h %{msec}t "%r" %s', '- ::1 1431857103123 "GET / HTTP/1.1" 200', {}),
        ('%h %{%Y-%m-%dT%H:%M:%S%z}t "%r" %s', '::1 2015-05-17T12:05:03+0200 "GET / HTTP/1.1" 200', {}),
        (
            "log_format main '$remote_addr - $remote_user [$time_local] '\n  '\"$request\" $status' ;",
            f'::1 - - {TIME} "GET / HTTP/1.1" 200',
            {"status": 200},
        ),
        (
            '$time_iso8601 $remote_addr "$request" ${status} $request_time $upstream_response_time $host',
            '2015-05-17T12:05:03+02:00 ::1 "GET / HTTP/1.1" 200 0.012 0.001, 0.010 : 0.001 s.example',
            {"response_time": 12.0, "host": "s.example"},
        ),
        (
            '$msec|$remote_addr|$request_method|$request_uri|$status|$body_bytes_sent|"$http_user_agent"',
            r'1431857103.042|::1|GET|/a?b|200|5|"a \x22b\x22 c"',
            {"moment": MOMENT + 42, "user_agent": 'a "b" c', "size": 5},
        ),
        ("combined", f"::1 {COMBINED}", {"user_agent": 'Curl "8"'}),
    ],
)
def test_a_format_string_of_either_server_is_understood(
    written: str, line: str, expected: dict[str, object]
) -> None:
    entry = read(line, written)

    assert entry.moment // 1000 == MOMENT // 1000
    assert {name: getattr(entry, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("combine", "no known name"),
        ("", "no known name"),
        ("%h %l %u", "holds no time and no status and no request"),
        ('$remote_addr "$request" $status', "holds no time"),
        ('%h %{%H:%M}t "%r" %s', "times are read as"),
        ("log_format x escape=json '{$time_local $request $status}';", "JSON"),
        ("log_format x '", "log_format: "),
        ("%h" * 5_000, "longer than"),
    ],
)
def test_a_format_that_can_not_be_used_says_why(written: str, message: str) -> None:
    with pytest.raises(BadFormat, match=message):
        named_or_compiled(written)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f'192.0.2.1 {COMMON} "-" "Agent', "format at \\$http_user_agent"),
        ("192.0.2.1 - - [17.05.2015] x", "format at \\$time_local"),
        (f"192.0.2.1 {COMBINED.replace(' 200', ' ok')}", "format at \\$status"),
        (f"192.0.2.1 {COMBINED} more", "goes on where the format ends"),
        (f"192.0.2.1 {COMBINED.replace('17/May', '31/Feb')}", "line 7: the time is none: day"),
        (f"192.0.2.1 {COMBINED.replace('GET /a/b?c=d HTTP/1.1', '-')}", "the request line is no"),
        ("", "format at \\$remote_addr"),
        ("x" * (MAX_LINE + 1), "longer than"),
    ],
)
def test_a_malformed_line_says_which_and_where(line: str, reason: str) -> None:
    with pytest.raises(MalformedLine, match=reason) as caught:
        read(line, "combined")

    assert caught.value.number == 7


@given(st.binary(max_size=300), st.sampled_from(range(45)))
def test_noise_raises_nothing_but_malformed_line(noise: bytes, index: int) -> None:
    with pytest.raises(MalformedLine):
        formats._known()[index].read(noise, 1)


@pytest.mark.parametrize(
    "unit", [" [", ' "', "\\", '"\\', " [17/May/2015:10:05:03 +0000] ", "1.1.1.1, ", "- ", ".", "1:"]
)
def test_a_hostile_line_is_refused_in_no_time(unit: str) -> None:
    lines = [f"{before}{unit * MAX_LINE}"[:MAX_LINE].encode() for before in ("", "192.0.2.1 - - ", "a b c ")]
    started = time.monotonic()

    for known in formats._known():
        assert not any(map(known.fits, lines))

    assert time.monotonic() - started < 5.0  # all 45 of them, three lines each


@pytest.mark.parametrize("name", ["apache_combined_2015.log", "nasa_clf_1995-08-01.log"])
def test_a_real_log_says_the_same_as_to_the_parser_of_the_replay(name: str) -> None:
    if not (REAL / name).exists():
        pytest.skip("no real logs beside this checkout")
    lines = (REAL / name).read_bytes().splitlines()
    found = detect(lines[:200])

    for number, line in enumerate(lines, start=1):
        try:
            replayed = parse_line(line, number)
        except MalformedLine:
            with pytest.raises(MalformedLine):
                found.read(line, number)
            continue
        entry = found.read(line, number)
        assert entry.moment == replayed.time.timestamp() * 1000
        assert all(
            getattr(entry, field) == getattr(replayed, field)
            for field in ("number", "address", "method", "target", "status", "size", "user_agent")
        )


def test_another_parser_of_apache_formats_reads_the_same() -> None:
    apachelogs = pytest.importorskip("apachelogs")
    written = '%v:%p %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %D'
    theirs, ours = apachelogs.LogParser(written, encoding="utf-8"), LineFormat(written)
    lines = [
        f"shop{number}.example:443 192.0.2.{number} - user{number}"
        f" [0{number}/May/2015:23:59:5{number} -0{number}30]"
        f' "POST /p{number}?q=x HTTP/1.1" 30{number} {number}99'
        f' "http://r.example/" "Agent \\"{number}\\" \\xc3\\xa4" {number * 1001}'
        for number in range(1, 6)
    ]
    for number, line in enumerate(lines, start=1):
        their, our = theirs.parse(line), ours.read(line.encode(), number)
        assert our.moment == their.request_time.timestamp() * 1000
        assert (our.host, our.address) == (their.virtual_host, their.remote_host)
        assert f"{our.method} {our.target} HTTP/1.1" == their.request_line
        assert (our.status, our.size) == (their.final_status, their.bytes_sent)
        assert our.user_agent == their.headers_in["User-Agent"]
        assert our.response_time == pytest.approx(their.request_duration_microseconds / 1000)
