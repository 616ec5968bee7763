"""Files of counts: CSV with a header, JSON lines, or one JSON array. Read row by row, however long."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.accesslog.parse import MAX_LINE
from stats.importing.files import OpenLog, Unreadable
from stats.importing_counts import json_array
from stats.importing_counts.counts import FIELDS

NO_OBJECT = "no JSON object"
_ENDINGS = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}


class Record(NamedTuple):
    """What a file says in one place: its fields, or why they can't be read."""

    line: int
    fields: Mapping[str, Any] | None
    problem: str = ""


def by_name(name: str) -> str | None:
    """The format that a file's name says, compressed or not."""
    name = name.lower().removesuffix(".gz")
    return next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), None)


def csv_records(file: OpenLog) -> Iterator[Record]:
    """Of columns in any order, named by the first line. Raises Unreadable."""
    lines = (line.decode("utf-8", "surrogateescape") for _, line in file.lines())
    reader = csv.reader(lines, strict=True)
    header = _header(file.name, reader)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Record(reader.line_num, None, f"no CSV: {error}")
            continue
        if cells is None:
            return
        if len(cells) == len(header):
            yield Record(reader.line_num, dict(zip(header, cells, strict=True)))
        elif cells:
            problem = f"{len(cells)} cells where the first line names {len(header)} columns"
            yield Record(reader.line_num, None, problem)


def jsonl_records(file: OpenLog) -> Iterator[Record]:
    """Of one JSON object a line. Raises Unreadable."""
    for number, line in file.lines():
        if not line.strip():
            continue
        try:
            fields = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            too_long = f"longer than {MAX_LINE} bytes" if len(line) > MAX_LINE else f"no JSON: {error}"
            yield Record(number, None, too_long)
            continue
        yield _record(number, fields)


def json_records(file: OpenLog) -> Iterator[Record]:
    """Of an array of JSON objects. Raises Unreadable."""
    for number, value in json_array.elements(file):
        yield _record(number, value)


def _record(number: int, value: object) -> Record:
    return Record(number, value) if isinstance(value, dict) else Record(number, None, NO_OBJECT)


def _header(name: str, reader: Iterator[list[str]]) -> list[str]:
    try:
        header = [cell.strip().removeprefix("\ufeff").lower() for cell in next(reader, [])]
    except csv.Error as error:
        raise Unreadable(f"{name}: line 1: no CSV: {error}") from None
    if missing := [field for field in FIELDS if header.count(field) != 1]:
        raise Unreadable(
            f"{name}: line 1 must name the columns {', '.join(FIELDS)}, each once; see {', '.join(missing)}"
        )
    return header


RECORDS: Mapping[str, Callable[[OpenLog], Iterator[Record]]] = {
    "csv": csv_records,
    "json": json_records,
    "jsonl": jsonl_records,
}
