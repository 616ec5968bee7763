"""Whether the consumer stays as fast and as small when there is more of everything. `script/bench growth`.

- Rows: two databases, asked in turn, filled as the running system fills them (`reading_traffic.fill`), which
  happens beside the first part of the pinned xmin.
- Routes: hours of 100 and of 10,000 in turn, with the cap on routes lifted and as shipped.
- Backlog: a whole system is resumed and paused in turn while clients ask gunicorn for pages; the memory of
  its worker is looked at.
- Pinned xmin: a transaction stays open, so that no dead row of the queue can go, in one of two databases in
  which events are queued and consumed without a rest, in turn.
- Bytes: what an event adds to the table, its indexes and the WAL.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import database
from benchmarks.growth import rows
from benchmarks.report import Lines, Report, parser

QUICK = {
    "rows": [100_000, 500_000],
    "days": 4,
    "events": 20_000,
    "rounds": 3,
    "backlog": 150_000,
    "window_seconds": 2.0,
    "pin_seconds": 30.0,
}
ROWS, ROUTES, CAPTURE, PINNED = 0.9, 0.5, 0.9, 0.7  # ratios that are wanted
# An id alone takes 71 bytes in Python, so a worker that kept anything of each event would grow by more.
BYTES_KEPT = 20
NOISE_BYTES = 8_000_000  # of the allocator and of caches that fill once
PARTS = ("rows", "routes", "bytes", "backlog", "pin")


def main(arguments: list[str]) -> int:
    made = parser("growth", __doc__)
    made.add_argument("--rows", type=int, nargs=2, default=[100_000, 10_000_000], help="of both databases")
    made.add_argument("--days", type=int, default=30, help="that these are spread over")
    made.add_argument(
        "--keep", type=Path, help="folder of filled databases, as of `reading`; copied, not changed"
    )
    made.add_argument("--events", type=int, default=50_000, help="of a round")
    made.add_argument("--rounds", type=int, default=15, help="of compared things, in turn")
    made.add_argument("--backlog", type=int, default=1_000_000, help="events that wait")
    made.add_argument("--window-seconds", type=float, default=3, help="of requests while it drains, or rests")
    made.add_argument("--pin-seconds", type=float, default=600, help="that a transaction stays open")
    made.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="measures only these")
    made.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = made.parse_args(arguments)
    if options.one:
        return rows.answer(options.one, options.rows[0], options.days)
    if options.quick:
        vars(options).update(QUICK)
    return _measure(options).finish(options)


def _measure(options: argparse.Namespace) -> Report:
    report = Report(
        "growth",
        "The consumer's speed and size as there is more of everything",
        settings={name: getattr(options, name) for name in QUICK},
    )
    counts = sorted(options.rows) if "rows" in options.parts else []
    with rows.filling(counts, options.days, options.keep) as consumers:
        if "pin" in options.parts:
            _pin(report, rows.pinned(options.events, options.pin_seconds, consumers))
        if consumers:
            _rows(report, options, counts, consumers)
    if not {"bytes", "routes", "backlog"} & set(options.parts):
        return report
    with database.fresh() as var_dir:
        from benchmarks.growth import backlog, inside
        from benchmarks.traffic import Hours

        hours = Hours(100)
        if "bytes" in options.parts:
            report.figures["bytes an event"] = inside.sizes(hours, options.events)
        if "routes" in options.parts:
            _routes(report, inside.routes(hours, options.events, options.rounds))
        if "backlog" in options.parts:
            _backlog(report, backlog.measure(var_dir, hours, options.backlog, options.window_seconds))
    return report


def _rows(
    report: Report, options: argparse.Namespace, counts: Sequence[int], consumers: Sequence[rows.Consumer]
) -> None:
    found = rows.compare(counts, consumers, options.events, options.rounds)
    small, large = (f"{count:,}" for count in counts)
    report.figures["events a second by rows"] = found.medians
    report.add(f"speed at {large} rows to {small}", found.ratio, at_least=ROWS)
    report.plot = Lines(
        "Consumer, by what is stored already",
        "events stored since the beginning",
        "events a second",
        found.series,
    )


def _routes(report: Report, found: dict[str, Any]) -> None:
    report.figures["events a second by routes"] = found["medians"]
    report.add("speed at 10,000 routes an hour to 100, none capped", found["uncapped"], at_least=ROUTES)
    report.add("speed at 10,000 routes an hour to 100, capped as shipped", found["capped"], at_least=ROUTES)


def _backlog(report: Report, found: dict[str, Any]) -> None:
    report.figures["backlog"] = found
    report.add(
        "requests answered while a backlog drains, to without", found["offered_ratio"], at_least=CAPTURE
    )
    report.add(
        "memory the worker gained",
        found["worker_grew_bytes"],
        at_most=NOISE_BYTES + BYTES_KEPT * found["drained"],
        unit="bytes",
    )


def _pin(report: Report, found: dict[str, Any]) -> None:
    report.figures["pinned xmin"] = found
    report.add("speed at the end of a pinned xmin, to without", found["ratio"], at_least=PINNED)
