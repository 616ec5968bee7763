"""The steps of a time series: their bounds in a zone, and what each holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

from stats.reports.errors import InvalidFilter
from stats.reports.figures import Counts
from stats.reports.period import HOUR, Range, floor
from stats.reports.shapes import Bucket

MAX_BUCKETS = 1_500  # a day of minutes, two months of hours, four years of days
LENGTHS = {"minute": timedelta(minutes=1), "hour": HOUR, "day": timedelta(days=1)}


def edges(period: Range, step: str) -> list[datetime]:
    """The first moment of each bucket, and at last the end of the range. Raises InvalidFilter.

    The range's own start and end bound the first and the last day. Midnights of a zone that is no whole
    number of hours from UTC are moved back to the whole hour.
    """
    if period.length / LENGTHS[step] > MAX_BUCKETS:
        raise InvalidFilter("step", f"more than {MAX_BUCKETS} of a {step} between start and end")
    starts = _midnights(period) if step == "day" else _regular(period, LENGTHS[step])
    return [period.start, *(start for start in starts if period.start < start < period.end), period.end]


def is_of_whole_days(bounds: Sequence[datetime]) -> bool:
    """Whether no bound but the first and last lies inside a day of UTC, so that daily rows can answer."""
    return all(floor(bound, LENGTHS["day"]) == bound for bound in bounds[1:-1])


def bucket(
    period: Range,
    bounds: tuple[datetime, datetime],
    counts: Counts,
    p95: float | None,
    clients: int | None,
    p50: float | None = None,
    p99: float | None = None,
) -> Bucket:
    """One bucket, in the zone of the range."""
    return Bucket(
        start=bounds[0].astimezone(period.tzinfo),
        end=bounds[1].astimezone(period.tzinfo),
        requests=counts.requests,
        errors=counts.errors,
        error_rate=counts.error_rate,
        statuses=counts.statuses,
        response_bytes=counts.response_bytes,
        mean=counts.mean,
        maximum=counts.maximum,
        p95=p95 if counts.requests else None,
        clients=clients if counts.requests else 0,
        p50=p50 if counts.requests else None,
        p99=p99 if counts.requests else None,
        imported=counts.imported,
    )


def _regular(period: Range, length: timedelta) -> Iterator[datetime]:
    start = floor(period.start, length)
    while start < period.end:
        yield start
        start += length


def _midnights(period: Range) -> Iterator[datetime]:
    day = period.start.astimezone(period.tzinfo).date()
    while True:
        # Made from the date each time: days with a change of the clock have 23 or 25 hours.
        start = floor(datetime.combine(day, time(), period.tzinfo).astimezone(UTC))
        if start >= period.end:
            return
        yield start
        day += timedelta(days=1)
