"""Access-log lines: what is read from them, and that nothing but MalformedLine ever comes out."""

from __future__ import annotations

import io
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accesslog.parse import MAX_LINE, LogLine, MalformedLine, parse_line, read_lines

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"
COMBINED = (
    '203.0.113.9 - - [17/May/2015:10:05:03 +0200] "GET /a/b?c=d HTTP/1.1" 200 203 "http://e.example" "Curl"'
)

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
word = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=20)
moment = st.datetimes(
    min_value=datetime(1, 1, 2),
    timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
).map(lambda value: value.replace(microsecond=0))
method = st.sampled_from(["GET", "POST", "HEAD", "PROPFIND", "M-SEARCH", "get"])
target = st.text(st.characters(codec="utf-8", exclude_characters=" "), max_size=40).map(
    lambda rest: "/" + rest
)
log_lines = st.builds(
    LogLine,
    number=st.integers(1, 10**9),
    address=word,
    time=moment,
    method=method,
    target=target,
    status=st.integers(100, 999),
    size=st.integers(0, 10**15),
    user_agent=st.text(st.characters(codec="utf-8"), max_size=60).filter(lambda text: text != "-"),
)


def escaped(text: str) -> str:
    """As Apache writes a quoted field."""
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\v": "\\v"}
    return "".join(
        named.get(char)
        or (char if " " <= char <= "~" else "".join(f"\\x{byte:02x}" for byte in char.encode()))
        for char in text
    )


def written(line: LogLine, *, combined: bool) -> str:
    clock, zone = line.time.strftime(":%H:%M:%S"), line.time.strftime("%z")
    time = f"{line.time.day:02}/{MONTHS[line.time.month - 1]}/{line.time.year:04}{clock} {zone}"
    request = f"{line.method} {escaped(line.target)} HTTP/1.1"
    common = f'{line.address} - - [{time}] "{request}" {line.status} {line.size}'
    return f'{common} "-" "{escaped(line.user_agent)}"' if combined else common


def test_a_combined_line_is_read() -> None:
    line = parse_line(COMBINED, 7)

    assert line == LogLine(
        number=7,
        address="203.0.113.9",
        time=datetime(2015, 5, 17, 8, 5, 3, tzinfo=UTC),
        method="GET",
        target="/a/b?c=d",
        status=200,
        size=203,
        user_agent="Curl",
    )


def test_a_common_line_has_no_user_agent_and_a_dash_is_no_byte() -> None:
    line = parse_line(b'host.example - bob [01/Aug/1995:00:00:01 -0400] "GET /x HTTP/1.0" 304 -\n', 1)

    assert (line.address, line.status, line.size, line.user_agent) == ("host.example", 304, 0, "")
    assert line.time.utcoffset() == timedelta(hours=-4)


@given(log_lines, st.booleans())
def test_what_is_written_is_read_again(line: LogLine, combined: bool) -> None:
    read = parse_line(written(line, combined=combined), line.number)

    expected = (
        line
        if combined
        else LogLine(**{**{f: getattr(line, f) for f in line.__struct_fields__}, "user_agent": ""})
    )
    assert read == expected


@pytest.mark.parametrize(
    ("request_line", "method", "target"),
    [
        ("GET /old", "GET", "/old"),  # HTTP/0.9
        ("GET /a b c HTTP/1.1", "GET", "/a b c"),
        ("OPTIONS * HTTP/1.1", "OPTIONS", "*"),
        (r"GET /\xe5\x95\x86?q=\"x\" HTTP/1.1", "GET", '/商?q="x"'),
        (r"GET /\xff HTTP/1.1", "GET", "/\udcff"),
        ("GET /trailing HTTP/2", "GET", "/trailing"),
    ],
)
def test_request_lines_of_all_kinds(request_line: str, method: str, target: str) -> None:
    line = parse_line(f'::1 - - [17/May/2015:10:05:03 +0000] "{request_line}" 200 1', 1)

    assert (line.method, line.target) == (method, target)


@pytest.mark.parametrize("user", ["-", "bob", "Bob Smith", "[x] y"])
def test_a_user_name_may_hold_blanks_and_brackets(user: str) -> None:
    line = parse_line(f'::1 - {user} [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1', 1)

    assert line.target == "/"


def test_fields_after_the_user_agent_are_ignored() -> None:
    assert parse_line(COMBINED + ' "203.0.113.7" 0.005', 1).user_agent == "Curl"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "does not begin"),
        (COMBINED.replace(" +0200", ""), "does not begin"),
        (COMBINED.replace("17/May", "31/Feb"), "the time is none"),
        (COMBINED.replace("17/May", "17/Mai"), "the time is none"),
        (COMBINED.replace("+0200", "+9900"), "the time is none"),
        (COMBINED.replace("GET /a/b?c=d HTTP/1.1", "-"), "the request line is no"),
        (COMBINED.replace("GET /a/b?c=d HTTP/1.1", r"\x16\x03\x01"), "the request line is no"),
        (COMBINED.replace('"GET', "GET"), "no quoted request line"),
        (COMBINED.replace("200 203", "20x 203"), "no status and size"),
        (COMBINED[:-1], "no quoted referer and user agent"),
        (COMBINED + "x" * MAX_LINE, "longer than"),
        ("\ud800", "lone surrogate"),
    ],
)
def test_a_malformed_line_says_which_and_why(line: str, reason: str) -> None:
    with pytest.raises(MalformedLine, match=reason) as caught:
        parse_line(line, 12)

    assert caught.value.number == 12
    assert str(caught.value).startswith("line 12: ")


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300)))
def test_noise_raises_nothing_but_malformed_line(noise: str | bytes) -> None:
    with pytest.raises(MalformedLine):
        parse_line(noise, 1)


@given(st.data())
def test_a_line_with_damage_raises_nothing_but_malformed_line(data: st.DataObject) -> None:
    good = COMBINED.encode()
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(good)), st.integers(0, len(good)))))
    damaged = good[:start] + data.draw(st.binary(max_size=20)) + good[end:]

    with suppress(MalformedLine):
        assert parse_line(damaged, 1).number == 1


@pytest.mark.parametrize("unit", [" [", ' "', "\\", '"\\', " [17/May/2015:10:05:03 +0000] "])
def test_a_hostile_line_is_refused_in_no_time(unit: str) -> None:
    line = ("a b c " + unit * MAX_LINE)[:MAX_LINE]
    started = datetime.now(UTC)

    with pytest.raises(MalformedLine):
        parse_line(line, 1)

    assert datetime.now(UTC) - started < timedelta(seconds=1)


def test_an_endless_line_comes_cut_and_the_next_keeps_its_number() -> None:
    file = io.BytesIO(b"x" * (3 * MAX_LINE) + b"\nsecond\nthird")

    lines = list(read_lines(file))

    assert [number for number, _ in lines] == [1, 2, 3]
    assert len(lines[0][1]) == MAX_LINE + 1
    assert [data for _, data in lines[1:]] == [b"second\n", b"third"]


@pytest.mark.parametrize(
    ("name", "good", "malformed"),
    [("apache_combined_2015.log", 9_999, [8899]), ("nasa_clf_1995-08-01.log", 30_969, [])],
)
def test_real_logs_are_read_to_the_last_line(name: str, good: int, malformed: list[int]) -> None:
    if not (REAL / name).exists():
        pytest.skip("no real logs beside this checkout")
    read, refused = 0, []
    with (REAL / name).open("rb") as file:
        for number, data in read_lines(file):
            try:
                parse_line(data, number)
                read += 1
            except MalformedLine as error:
                refused.append(error.number)

    assert (read, refused) == (good, malformed)
