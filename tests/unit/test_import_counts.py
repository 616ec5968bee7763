"""Counts of the past: each form of them is read as it was written, and what is none says why."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stats.importing import files
from stats.importing.files import LogFile, Unreadable, opened
from stats.importing_counts import folding
from stats.importing_counts.counts import FIELDS, MAX_REQUESTS, BadCount, Count, count_of, hour_of
from stats.importing_counts.formats import RECORDS, Record, by_name
from stats.importing_counts.sorting import Place, sorting
from stats.route_cap import OTHER

HOUR = hour_of(datetime(2025, 11, 23, 12, tzinfo=UTC))
LATER = HOUR + 10_000
GOOD = {"route": "/a", "hour": "2025-11-23T12:00Z", "requests": 7, "errors": 2}

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=40)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "route": texts.map("/{}".format),
            "hour": st.datetimes(datetime(2001, 1, 2), datetime(2025, 1, 1)).map(
                lambda moment: moment.strftime("%Y-%m-%dT%H:00:00Z")
            ),
            "requests": st.integers(500, MAX_REQUESTS),
            "errors": st.integers(0, 500),
        }
    ),
    max_size=20,
)
on_disk = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def read(kind: str, data: bytes, folder: Path) -> list[Record]:
    path = folder / f"counts.{kind}"
    path.write_bytes(data)
    with opened(LogFile(path.name, path)) as file:
        return list(RECORDS[kind](file))


def counts(records: Iterable[Record]) -> list[Count]:
    return [count_of(record.fields or {}, LATER) for record in records]


def expected(wanted: Iterable[dict[str, Any]]) -> list[Count]:
    return [
        Count(hour_of(datetime.fromisoformat(row["hour"])), row["route"], row["requests"], row["errors"])
        for row in wanted
    ]


# --- what is read ----------------------------------------------------------------------------------


@on_disk
@given(rows, st.permutations(FIELDS), st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_wrote_is_read(
    tmp_path: Path, wanted: list[dict[str, Any]], columns: list[str], ending: str
) -> None:
    text = io.StringIO(newline="")
    # Unless told to, it leaves a lone \\r unquoted where lines end in \\n, which no reader can make good.
    writer = csv.DictWriter(text, columns, lineterminator=ending, quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    writer.writerows(wanted)
    assert counts(read("csv", text.getvalue().encode(), tmp_path)) == expected(wanted)


@on_disk
@given(rows, st.booleans(), st.sampled_from([None, 0, 3]), st.integers(1, 50))
def test_what_a_json_writer_wrote_is_read_in_pieces_of_any_size(
    tmp_path: Path, wanted: list[dict[str, Any]], ascii_only: bool, indent: int | None, size: int
) -> None:
    data = json.dumps(wanted, ensure_ascii=ascii_only, indent=indent).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_PART", size)
        assert counts(read("json", data, tmp_path)) == expected(wanted)


@on_disk
@given(rows, st.booleans())
def test_what_was_written_as_a_json_object_a_line_is_read(
    tmp_path: Path, wanted: list[dict[str, Any]], ascii_only: bool
) -> None:
    data = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in wanted).encode()
    assert counts(read("jsonl", data, tmp_path)) == expected(wanted)


def test_packed_files_names_in_capitals_other_columns_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    table = "\ufeffId,Errors, Hour ,ROUTE,requests\n1,2,2025-11-23 12:00,/a,7\n\n"
    assert counts(read("csv", gzip.compress(table.encode()), tmp_path)) == [Count(HOUR, "/a", 7, 2)]
    array = "\ufeff" + json.dumps([{**GOOD, "id": 1}])
    assert counts(read("json", gzip.compress(array.encode()), tmp_path)) == [Count(HOUR, "/a", 7, 2)]


def test_a_line_that_can_not_be_read_spoils_no_other_and_is_named(tmp_path: Path) -> None:
    line = "2025-11-23T12:00Z,7,2\n"
    table = f'route,hour,requests,errors\n/a,{line}"/b"x,{line}/c,1\n/d,{line}'
    assert [(found.line, found.problem[:20]) for found in read("csv", table.encode(), tmp_path)] == [
        (2, ""),
        (3, "no CSV: ',' expected"),
        (4, "2 cells where the fi"),
        (5, ""),
    ]
    lines = f"{json.dumps(GOOD)}\n{{\n\n[1]\n" + '{"route": "' + "x" * 70_000 + f'"}}\n{json.dumps(GOOD)}'
    assert [(found.line, found.problem[:17]) for found in read("jsonl", lines.encode(), tmp_path)] == [
        (1, ""),
        (2, "no JSON: Input da"),
        (4, "no JSON object"),
        (5, "longer than 65536"),
        (6, ""),
    ]
    array = json.dumps([GOOD, 7, GOOD], indent=1)
    assert [(found.line, found.problem) for found in read("json", array.encode(), tmp_path)] == [
        (7, ""),
        (8, "no JSON object"),
        (14, ""),
    ]


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        ("csv", b"", "line 1 must name the columns route, hour, requests, errors"),
        ("csv", b"route;hour;requests;errors\n", "each once; see route, hour, requests, errors"),
        ("csv", b"route,hour,requests,errors,hour\n", "each once; see hour"),
        ("csv", b'"route,hour\n', "line 1: no CSV"),
        ("json", b"", "line 1: ends without '['"),
        ("json", b'{"route": "/a"}', "line 1: '[' expected, '{' found"),
        ("json", b"[\n{}\n", "line 3: ends without ','"),
        ("json", b"[{},]", "no JSON: Expecting value"),
        ("json", b"[{}, {", "no JSON: Expecting property name"),
        ("json", b"[\n{}\n] []", "line 3: something follows the array"),
        ("json", b"[" + b"[" * 200_000, "no JSON"),
        ("json", b'[{"route": "' + b"x" * 200_000, "no JSON: Unterminated string"),
        ("json", gzip.compress(b"[" + b"{}, " * 9_000 + b"{}]")[:-12], "ended before the end-of-stream"),
    ],
    ids=itertools.count(),  # the data would be a name that differs from process to process
)
def test_a_file_that_can_not_be_read_to_its_end_says_why(
    tmp_path: Path, kind: str, data: bytes, reason: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        read(kind, data, tmp_path)
    assert str(refused.value).startswith(f"counts.{kind}: ")
    assert reason in str(refused.value)


def test_the_name_says_the_format() -> None:
    names = ("a.csv", "A.CSV.gz", "a.json", "a.jsonl.gz", "a.ndjson", "a.txt", "-", "csv")
    assert [by_name(name) for name in names] == ["csv", "csv", "json", "jsonl", "jsonl", None, None, None]


# --- what is a count -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hour",
    [
        *("2025-11-23T12:00:00Z", "2025-11-23T12:00:00+00:00", "2025-11-23T12", "2025-11-23 12:00"),
        *("2025-11-23T17:30+05:30", "2025-11-23T07:00:00.000-05:00", "20251123T12", " 2025-11-23T12:00 "),
        datetime(2025, 11, 23, 12, tzinfo=UTC),
    ],
)
def test_an_hour_is_iso_8601_and_utc_where_it_says_no_offset(hour: object) -> None:
    assert count_of({**GOOD, "hour": hour}, LATER) == Count(HOUR, "/a", 7, 2)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        *(({name: None}, f"{name}: missing") for name in FIELDS),
        ({"hour": "2025-11-23"}, "hour: '2025-11-23' is no time like"),
        ({"hour": "2025-11-23T12:30Z"}, "hour: 2025-11-23T12:30:00+00:00 is not the beginning of an hour"),
        ({"hour": "2025-11-23T12:00+05:30"}, "hour: 2025-11-23T12:00:00+05:30 is not the beginning of"),
        ({"hour": 1_763_900_000_000}, "hour: 1763900000000 is no time like"),
        ({"hour": "0001-01-01T00:00+14:00"}, "hour: 0001-01-01T00:00:00+14:00 lies outside 2001 to"),
        ({"hour": "2029-01-01T00:00Z"}, "hour: 2029-01-01T00:00Z is not over yet"),
        ({"requests": "1_000"}, "requests: '1_000' is no whole number"),
        ({"requests": "\u0663"}, "requests: '\u0663' is no whole number"),
        ({"requests": 7.0}, "requests: 7.0 is no whole number"),
        ({"requests": True}, "requests: True is no whole number"),
        ({"requests": float("nan")}, "requests: nan is no whole number"),
        ({"requests": "9" * 5_000}, "requests: '9999"),
        ({"requests": MAX_REQUESTS + 1}, f"requests: {MAX_REQUESTS + 1} does not lie between 0 and"),
        ({"errors": -1}, "errors: -1 does not lie between 0 and"),
        ({"errors": 8}, "errors: 8 of 7 requests"),
        ({"route": ""}, "route: '' does not begin with a slash"),
        ({"route": "a"}, "route: 'a' does not begin with a slash, nor is it (not found) or (other)"),
        ({"route": 7}, "route: 7 is no text"),
        ({"route": "/" + "x" * 512}, "route: 513 characters, more than 512"),
        ({"route": "/\0"}, "route: '/\\x00' holds a NUL"),
        ({"route": "/\udce4"}, "route: '/\\udce4' holds a NUL, or what is no UTF-8"),
    ],
)
def test_what_is_no_count_says_which_field_is_wrong_and_how(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadCount) as refused:
        count_of({**GOOD, **fields}, HOUR + 100)
    assert str(refused.value).startswith(reason)
    assert len(str(refused.value)) < 150


def test_an_hour_is_a_count_once_it_is_over() -> None:
    assert count_of(GOOD, HOUR + 1).hour == HOUR
    with pytest.raises(BadCount, match="is not over yet"):
        count_of(GOOD, HOUR)


@on_disk
@given(st.sampled_from(sorted(RECORDS)), st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(tmp_path: Path, kind: str, data: bytes) -> None:
    prefix = b"route,hour,requests,errors\n" if kind == "csv" else b""
    with suppress(Unreadable):
        for record in read(kind, prefix + data, tmp_path):
            with suppress(BadCount):
                assert record.problem or count_of(record.fields or {}, LATER)


# --- their order, and the cap ----------------------------------------------------------------------


def test_counts_are_sorted_by_hour_and_the_busiest_come_first() -> None:
    given = [Count(2, "/a", 1, 0), Count(1, "/b", 5, 1), Count(1, "/a", 5, 0), Count(1, "/c", 9, 0)]
    with sorting() as found:
        assert [found.add(count, Place(0, line)) for line, count in enumerate(given)] == [None] * 4
        assert found.add(Count(1, "/b", 7, 0), Place(1, 9)) == Place(0, 1)
        assert len(found) == 4
        assert [count for count, _ in found] == [given[3], given[2], given[1], given[0]]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 99)), unique_by=lambda row: row[:2]
    ),
    st.integers(1, 6),
)
def test_folding_keeps_the_busiest_of_each_hour_and_loses_no_request(
    given: list[tuple[int, int, int]], most: int
) -> None:
    with sorting() as sorted_counts:
        for hour, route, requests in given:
            name = OTHER if route == 9 else f"/{route}"
            sorted_counts.add(Count(hour, name, requests, requests // 2), Place(0, 1))
        before = list(sorted_counts)
        hours = list(folding.hours(before, most))
    for hour in hours:
        names = [row.counted.route for row in hour.rows]
        kept = [row.counted.requests for row in hour.rows if row.counted.route != OTHER]
        routes = sorted(
            (c.requests for c, _ in before if c.hour == hour.hour and c.route != OTHER), reverse=True
        )
        assert kept == routes[:most]
        assert len(set(names)) == len(names) <= most + 1
        assert hour.folded == len(routes) - len(kept)
    for name in ("requests", "errors"):
        sums = Counter[int]()
        for count, _ in before:
            sums[count.hour] += getattr(count, name)
        assert {hour.hour: sum(getattr(row.counted, name) for row in hour.rows) for hour in hours} == dict(
            sums
        )
