"""Tables as CSV (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Generator, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from datetime import datetime
from functools import partial
from io import StringIO
from itertools import islice
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

CONTENT_TYPE = "text/csv; charset=utf-8"
# A spreadsheet takes a cell that begins so for a formula; what clients sent must not become one. The wide
# forms count, too, where East Asian text is at home.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

PART = 500  # lines of a table that are sent at once

Row = Sequence[Any]


def table(name: str, header: Row, rows: Iterable[Row]) -> HttpResponse:
    """All rows at once."""
    body = "".join(lines(header, rows))
    return HttpResponse(body, content_type=CONTENT_TYPE, headers=_headers(f"{name}.csv"))


def stream(request: HttpRequest, name: str, header: Row, rows: Iterable[Row]) -> StreamingHttpResponse:
    """Part by part. An error of `rows` breaks the connection off: a cut table must not look whole."""
    return sent_by_parts(request, f"{name}.csv", CONTENT_TYPE, lines(header, rows))


def sent_by_parts(
    request: HttpRequest, file_name: str, content_type: str, found: Iterator[str]
) -> StreamingHttpResponse:
    """A file to be saved, of lines that are found while it is sent. An error of theirs breaks it off, too."""
    parts = _parts(found)
    # Under ASGI, Django would read an ordinary iterator to its end before it sends the first byte.
    content = _awaited(parts) if isinstance(request, ASGIRequest) else parts
    return StreamingHttpResponse(content, content_type=content_type, headers=_headers(file_name))


def lines(header: Row, rows: Iterable[Row]) -> Iterator[str]:
    """The table's lines, the header first."""
    buffer = StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header)
    yield _taken(buffer)
    for row in rows:
        writer.writerow([cell(value) for value in row])
        yield _taken(buffer)


def cell(value: Any) -> Any:
    """A value as a spreadsheet may have it: numbers as they are, times in ISO 8601, None empty."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def _parts(found: Iterator[str]) -> Generator[str, None, None]:
    """Lines put together: each part is a packet or more on the wire. The first line waits for no other."""
    with closing(found) if isinstance(found, Generator) else nullcontext():
        if first := next(found, ""):
            yield first
        while part := "".join(islice(found, PART)):
            yield part


async def _awaited(parts: Generator[str, None, None]) -> AsyncIterator[str]:
    # In the thread of the request's other synchronous code, which has its connection to the database.
    read = sync_to_async(partial(next, parts, ""))
    try:
        while part := await read():
            yield part
    finally:
        await sync_to_async(parts.close)()  # of a client that left early, too


def _taken(buffer: StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _headers(file_name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{file_name}"'}
