"""How fast the one consumer is, beside the fastest storing of the same events and the queues one would pick.

All write the same synthetic events into the same partitioned table with its indexes, in turn, in one
database with PostgreSQL's defaults, each timed from "all queued" to "all stored and counted, and nothing
left in the queue": what is stored but not acknowledged would come again. Tallygate does all that ships:
claims counted and committed, validation, the insert of unseen events, hourly counts and summaries of
routes, totals and frequent values, the end of the batch, its heartbeat. The queues beside it keep hourly
counts only. The limit keeps none: COPY of prepared text into an unlogged table and INSERT … SELECT ON
CONFLICT DO NOTHING, committed as often as the consumer does. `script/bench consumer`.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks import database
from benchmarks.report import Bars, Report, parser, progress

OURS, LIMIT = "Tallygate", "limit: COPY, unlogged, INSERT … SELECT ON CONFLICT"
BATCHES, STOCK = "django-q2, a task 100 events, save_limit=-1", "django-q2, a task an event"
UNSAVED = f"{STOCK}, save_limit=-1"
AGAINST_LIMIT, AGAINST_BATCHES, AGAINST_STOCK = 0.60, 3.0, 600.0
QUICK_EVENTS, QUICK_ROUNDS = 30_000, 2


def main(arguments: list[str]) -> int:
    made = parser("consumer", __doc__)
    made.add_argument("--events", type=int, default=100_000, help="of a round; slow contenders get fewer")
    made.add_argument("--rounds", type=int, default=5, help="of all, in turn; medians are reported")
    made.add_argument("--routes", type=int, default=100, help="distinct routes")
    options = made.parse_args(arguments)
    if options.quick:
        options.events, options.rounds = QUICK_EVENTS, QUICK_ROUNDS
    with database.fresh("benchmarks.consumer.settings") as var_dir:
        return _report(_measure(var_dir, options), options).finish(options)


def _measure(var_dir: Path, options: argparse.Namespace) -> list[dict[str, float]]:
    """Events a second of each contender, by round.

    One more round comes first, for what works in this process, and warms it up. Workers are new in each
    round, and warmed up in it.
    """
    from benchmarks.consumer.contenders import contenders, of_this_process
    from benchmarks.traffic import Hours

    hours = Hours(options.routes)
    rounds = []
    for number in range(options.rounds + 1):
        speeds: dict[str, float] = {}
        turns = contenders(var_dir, options.events) if number else of_this_process(options.events)
        for name, contender in turns.items():
            speed = _unless_it_stalls(f"round {number}: {name}", partial(contender, hours))
            if speed is not None:
                speeds[name] = speed
                progress(f"round {number}: {name}: {speed:,.0f} events a second")
        rounds.append(speeds)
    return rounds[1:]


def _unless_it_stalls(what: str, contender: Callable[[], float]) -> float | None:
    """Once more if it does; None if it does again.

    On a busy machine a cluster of django-q2 was seen to stop for good with some tasks left. It is then left
    out of the round, rather than all the others with it.
    """
    for _ in range(2):
        try:
            return contender()
        except TimeoutError as stalled:
            progress(f"{what}: {stalled}")
    return None


def _report(rounds: Sequence[Mapping[str, float]], options: argparse.Namespace) -> Report:
    from gateway.conf import conf

    names = dict.fromkeys(name for speeds in rounds for name in speeds)
    medians = {
        name: round(statistics.median(speeds[name] for speeds in rounds if name in speeds)) for name in names
    }
    stalled = {name: count for name in names if (count := sum(name not in speeds for speeds in rounds))}
    report = Report(
        "consumer",
        f"{options.rounds} rounds of {options.events:,} events, {options.routes} routes; events a second",
        settings={
            "events": options.events,
            "rounds": options.rounds,
            "routes": options.routes,
            "transaction_events": conf.transaction_events,
            "postgresql": database.version(),
        },
        figures={
            **medians,
            "rounds it stalled in": {name: count for name, count in stalled.items() if count},
        },
    )
    for name, other, least in (
        ("of the limit", LIMIT, AGAINST_LIMIT),
        ("times django-q2 with batches of 100", BATCHES, AGAINST_BATCHES),
        ("times stock django-q2", STOCK, AGAINST_STOCK),
    ):
        report.add(name, _ratio(rounds, other), at_least=least)
    report.plot = Bars("Events one consumer stores and counts", "events a second", medians, logarithmic=True)
    return report


def _ratio(rounds: Sequence[Mapping[str, float]], other: str) -> float:
    """Ours to the other's: the median of the rounds' pairs."""
    return statistics.median(speeds[OURS] / speeds[other] for speeds in rounds if other in speeds)
