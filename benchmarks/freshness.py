"""How soon a number is there: from a request's answer to the moment a reader finds it counted.

The whole system, as `script/server` runs it, answers requests on a schedule, at 10 and at 500 a second. A
reader with a connection of its own looks every 5 ms for the rows of some of them by their ids. The row and
the hour's totals are committed in one transaction, so who finds the one finds the other; at the end the
totals must be exactly what was answered. A figure is too high by at most one look: 5 ms and what the
statement takes. `script/bench freshness`.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.load import Plan, Result, driven, request_id
from benchmarks.report import Lines, Report, parser, progress
from tests.integration.stack import Server, served

RATES = (10, 500)  # requests a second
MEDIAN_SECONDS, P99_SECONDS = 0.5, 1.5
LOOK_SECONDS = 0.005
LOOKED_FOR = 20.0  # requests a second, at most, picked at random: never in step with what has a rhythm
PATIENCE_SECONDS = 30.0
WARM_UP_SECONDS = 3.0
CONNECTIONS = {10: 4, 500: 16}
# The bound on ids leaves PostgreSQL only the newest rows to look at.
LOOK = "SELECT request_id FROM stats_event WHERE idempotent_id >= %s AND request_id = ANY(%s)"
COUNTED = "SELECT coalesce(sum(requests), 0) FROM stats_pathstatshourly"


@dataclass(frozen=True, slots=True)
class Round:
    """What one rate showed. Seconds, sorted, from answered to visible."""

    rate: int
    result: Result
    seconds: list[float]
    looks: int

    def quantile(self, share: float) -> float:
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


class Reader:
    """Looks for rows by their request ids, and remembers when it first found each."""

    def __init__(self, connection: psycopg.Connection[Any], plan: Plan) -> None:
        self.connection = connection
        self.plan = plan
        count = int(plan.rate * plan.seconds)
        picked = sorted(random.Random(count).sample(range(count), min(count, int(LOOKED_FOR * plan.seconds))))  # noqa: S311
        self.ahead = [(plan.is_due(number), number) for number in reversed(picked)]
        self.wanted: dict[str, int] = {}
        self.due: dict[int, float] = {}
        self.seen: dict[int, float] = {}
        self.looks = 0

    def run(self) -> None:
        """Until all were found, or nobody can wait for them any longer."""
        until = self.plan.ends_at + PATIENCE_SECONDS
        while (self.ahead or self.wanted) and time.monotonic() < until:
            now = time.monotonic()
            while self.ahead and self.ahead[-1][0] <= now:
                due, number = self.ahead.pop()
                self.wanted[request_id(self.plan.run, number)] = number
                self.due[number] = due
            if self.wanted:
                self._look()
            time.sleep(max(0.0, now + LOOK_SECONDS - time.monotonic()))

    def _look(self) -> None:
        oldest = min(self.due[number] for number in self.wanted.values())
        # An id begins with its milliseconds; a second less, for a clock that is being set.
        floor = f"{int((time.time() - (time.monotonic() - oldest) - 1) * 1000):013d}"
        found = self.connection.execute(LOOK, [floor, list(self.wanted)], prepare=True).fetchall()
        now = time.monotonic()
        self.looks += 1
        for (name,) in found:
            self.seen[self.wanted.pop(name)] = now


def measure(server: Server, rate: int, seconds: float, run: str, folder: Path) -> Round:
    """Drives the server at that rate and looks. Raises AssertionError when one is never found."""
    plan = Plan(server.port, seconds, CONNECTIONS[rate], run, rate, time.monotonic() + 1.5)
    with server.connect() as connection, driven(plan, folder) as load:
        reader = Reader(connection, plan)
        reader.run()
        result = load.result()
    answered = {one.number: one.at for one in result.answered}
    missing = [number for number in answered if number in reader.due and number not in reader.seen]
    assert not missing, f"answered and never visible: {missing}"
    seconds_of = [at - answered[number] for number, at in reader.seen.items() if number in answered]
    return Round(rate, result, sorted(seconds_of), reader.looks)


def main(arguments: list[str]) -> int:
    options_parser = parser("freshness", __doc__)
    options_parser.add_argument("--seconds", type=float, help="of each rate; default 60, 12 with --quick")
    options = options_parser.parse_args(arguments)
    seconds = options.seconds or (12.0 if options.quick else 60.0)
    with (
        tempfile.TemporaryDirectory(prefix="tg-") as folder,
        served(Path(folder) / "var") as (server,),
    ):
        rounds, answered = _rounds(server, seconds, Path(folder))
        assert server.drained(answered, 60), "the queue did not drain"
        counted = int(server.rows(COUNTED)[0][0])
        server.stop()
    return _report(rounds, seconds, answered, counted).finish(options)


def _rounds(server: Server, seconds: float, folder: Path) -> tuple[list[Round], int]:
    """A round for each rate, after one that warms up; and how many were answered in all of them."""
    warm_up = measure(server, max(RATES), WARM_UP_SECONDS, "warm", folder)
    answered = len(warm_up.result.answered)
    rounds = []
    for rate in RATES:
        done = measure(server, rate, seconds, str(rate), folder)
        progress(f"{rate} a second: median {done.quantile(0.5):.3f} s, p99 {done.quantile(0.99):.3f} s")
        rounds.append(done)
        answered += len(done.result.answered)
    return rounds, answered


def _report(rounds: list[Round], seconds: float, answered: int, counted: int) -> Report:
    report = Report("freshness", "Freshness: request answered to number visible", {"seconds": seconds})
    for done in rounds:
        at = f"at {done.rate} requests a second"
        report.add(f"median {at}", done.quantile(0.5), at_most=MEDIAN_SECONDS, unit="s")
        report.add(f"p99 {at}", done.quantile(0.99), at_most=P99_SECONDS, unit="s")
        report.figures[f"{done.rate} a second"] = {
            "median": round(done.quantile(0.5), 3),
            "mean": round(statistics.fmean(done.seconds), 3),
            "p99": round(done.quantile(0.99), 3),
            "max": round(done.seconds[-1], 3),
            "looked_for": len(done.seconds),
            "looks": done.looks,
            "answered": len(done.result.answered),
            "unanswered": done.result.lost,
            "client_cpu_share": round(done.result.cpu_seconds / seconds, 4),
        }
    report.add("answered and not counted", answered - counted, at_least=0, at_most=0, unit="requests")
    report.plot = Lines(
        "Request answered to number visible",
        "seconds",
        "share of requests",
        {f"{done.rate} requests a second": _distribution(done.seconds) for done in rounds},
    )
    return report


def _distribution(values: list[float]) -> list[tuple[float, float]]:
    """At most some hundred points of how many are at most so much."""
    step = max(1, len(values) // 200)
    points = [(round(values[at], 4), round((at + 1) / len(values), 4)) for at in range(0, len(values), step)]
    return [*points, (round(values[-1], 4), 1.0)]
