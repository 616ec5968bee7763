"""What a file of the archive holds: the columns of the event table, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from django.db import connections

from gateway.conf import conf

PAGE = 5_000  # rows read at once, some 10 MB of memory as Python's objects

# The allocator that pyarrow brings along keeps what it was given back: twice the memory, measured.
pa.set_memory_pool(pa.system_memory_pool())

SCHEMA = pa.schema(
    [
        pa.field(name, kind, nullable=False)
        for name, kind in (
            ("idempotent_id", pa.string()),
            ("timestamp", pa.timestamp("ms", tz="UTC")),
            ("path", pa.string()),
            ("route", pa.string()),
            ("method", pa.string()),
            ("status", pa.int16()),
            ("response_time", pa.float64()),
            ("client_ip_hash", pa.string()),
            ("request_id", pa.string()),
            ("host", pa.string()),
            ("user_agent", pa.string()),
            ("response_bytes", pa.int64()),
            ("country", pa.string()),
        )
    ]
)
NAMES = ", ".join(f'"{name}"' for name in SCHEMA.names)


def page(table: str, after: str, rows: int = PAGE) -> pa.RecordBatch:
    """The next rows of a table in the order of their ids. Raises django.db.Error.

    Each page is a statement of its own, so that nothing is held between two of them.
    """
    # The table's name is made of digits (stats.partitions): identifiers can't be parameters.
    sql = f"SELECT {NAMES} FROM {table} WHERE idempotent_id > %s ORDER BY idempotent_id LIMIT %s"  # noqa: S608
    with connections[conf.database].cursor() as cursor:
        cursor.execute(sql, [after, rows])
        return as_batch(cursor.fetchall())


def pages(table: str, after: str, rows: int) -> Iterator[pa.RecordBatch]:
    """At most `rows` rows after an id, page by page. Raises django.db.Error."""
    while rows > 0:
        batch = page(table, after, min(rows, PAGE))
        if not batch.num_rows:
            return
        yield batch
        rows -= batch.num_rows
        after = last_id(batch)


def as_batch(rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else ((),) * len(SCHEMA)
    return pa.RecordBatch.from_arrays(
        [_array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def as_rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """The rows of a batch as the table holds them."""
    stamps = SCHEMA.get_field_index("timestamp")
    batch = batch.set_column(stamps, "timestamp", batch.column(stamps).cast(pa.int64()))
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def first_id(batch: pa.RecordBatch) -> str:
    return str(batch.column(0)[0].as_py())


def last_id(batch: pa.RecordBatch) -> str:
    return str(batch.column(0)[-1].as_py())


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)
