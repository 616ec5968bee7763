"""The highest rate of requests that the whole system holds, on all its cores, with a bounded backlog.

Web server, queue, consumer and PostgreSQL run as `script/server` runs them, and a client beside them, on the
same cores. Short probes search for the rate; then it is held for minutes, by schedule (open loop). It is held
if answers keep up with it, no event waits longer than some seconds, and the backlog (answered and not yet
counted) does not grow. In the end exactly what was answered must be counted. It is told as a share of what
the bare app (the same without the middleware, one gunicorn worker on one core, the client on another)
answers as fast as it can. The client's own CPU is told: it is taken from what it measures.
`script/bench sustained`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import bare_app
from benchmarks.load import Plan, Result, driven
from benchmarks.report import Lines, Report, parser, progress
from tests.integration.stack import Server, served

CONNECTIONS = 32
OLDEST_SECONDS = 5.0  # that an event may wait in the queue
LATE_SHARE = 0.01  # of the requests, that may be answered later than LATE_SECONDS after they were due
LATE_SECONDS = 1.0
GROWTH_SECONDS = 1.0  # requests of so long, by which the backlog may grow in all
SAMPLE_SECONDS = 0.5
FIRST_SHARE = 0.8  # of the bare app's rate: where the search begins
STEP_DOWN = 0.92  # after a rate that was found did not hold for the full time
ATTEMPTS = 4
COUNTED = "SELECT coalesce(sum(requests), 0) FROM stats_totalshourly"
WAITING = (
    "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8"
    " FROM gateway_queuedbatch"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What waits at one moment."""

    at: float  # CLOCK_MONOTONIC
    counted: int
    oldest_seconds: float


@dataclass
class Observer:
    """Looks at the queue beside the load, with a connection and a thread of its own."""

    connection: psycopg.Connection[Any]
    samples: list[Sample] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Observer:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.stopping.set()
        self.thread.join()

    def _run(self) -> None:
        while not self.stopping.wait(SAMPLE_SECONDS):
            ((counted,),) = self.connection.execute(COUNTED).fetchall()
            ((oldest,),) = self.connection.execute(WAITING).fetchall()
            self.samples.append(Sample(time.monotonic(), int(counted), oldest))


@dataclass(frozen=True, slots=True)
class Held:
    """One rate, tried for some time."""

    rate: float
    seconds: float
    result: Result
    backlog: list[tuple[float, int]]  # seconds since its start, events
    oldest_seconds: float  # the highest

    @property
    def late(self) -> float:
        """The share of requests that were answered late or not at all."""
        in_time = sum(1 for one in self.result.answered if one.at - one.due <= LATE_SECONDS)
        return 1 - in_time / max(1, self.result.sent)

    @property
    def growth(self) -> float:
        """Events a second by which the backlog grew, from the second quarter of the time on."""
        later = self.backlog[len(self.backlog) // 4 :]
        if len(later) < 2:
            return 0.0
        return statistics.linear_regression(*zip(*later, strict=True)).slope

    @property
    def is_held(self) -> bool:
        return (
            self.late <= LATE_SHARE
            and self.oldest_seconds <= OLDEST_SECONDS
            and self.growth * self.seconds <= GROWTH_SECONDS * self.rate
        )

    def __str__(self) -> str:
        verdict = "held" if self.is_held else "not held"
        return (
            f"{self.rate:,.0f} a second {verdict}: oldest {self.oldest_seconds:.1f} s,"
            f" backlog {max((events for _, events in self.backlog), default=0):,}"
            f" ({self.growth:+,.0f} a second), late {self.late:.2%}"
        )


class System:
    """The server under load, and how much it has answered so far."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.answered = 0
        self.runs = 0

    def hold(self, rate: float, seconds: float) -> Held:
        """Drives it at that rate, then waits until all is counted. Raises AssertionError if it never is."""
        self.runs += 1
        started = time.monotonic() + 1.0
        plan = Plan(self.server.port, rate, seconds, CONNECTIONS, started, f"{self.runs}")
        with self.server.connect() as connection, driven(plan, self.folder) as load:
            with Observer(connection) as observer:
                load.process.wait(seconds + 60)
            result = load.result()
        before, self.answered = self.answered, self.answered + len(result.answered)
        assert self.server.drained(self.answered, 120), f"counted {self.counted()} of {self.answered}"
        during = [sample for sample in observer.samples if started <= sample.at <= plan.ends_at]
        held = Held(
            rate,
            seconds,
            result,
            _backlog(result, during, before, started),
            max((sample.oldest_seconds for sample in during), default=0.0),
        )
        progress(str(held))
        return held

    def counted(self) -> int:
        return int(self.server.rows(COUNTED)[0][0])


def _backlog(result: Result, samples: list[Sample], before: int, started: float) -> list[tuple[float, int]]:
    """At each sample: answered by then, and not counted."""
    answers = sorted(one.at for one in result.answered)
    backlog, passed = [], 0
    for sample in samples:
        while passed < len(answers) and answers[passed] <= sample.at:
            passed += 1
        backlog.append((round(sample.at - started, 2), max(0, before + passed - sample.counted)))
    return backlog


def search(system: System, first: float, probes: int, seconds: float) -> float:
    """The highest rate that a short probe held: steps of a quarter up or down, then halves between."""
    held, failed = 0.0, 0.0
    rate = first
    for _ in range(probes):
        if system.hold(rate, seconds).is_held:
            held = rate
        else:
            failed = rate
        if not held:
            rate = failed * 0.75
        elif not failed:
            rate = held * 1.25
        else:
            rate = (held + failed) / 2
    assert held, "no rate was held"
    return held


def sustain(system: System, rate: float, seconds: float) -> Held:
    """Holds the rate for the full time, or the first lower one that can be. Raises AssertionError."""
    for _ in range(ATTEMPTS):
        held = system.hold(rate, seconds)
        if held.is_held:
            return held
        rate *= STEP_DOWN
    raise AssertionError("no rate was held for the full time")


def main(arguments: list[str]) -> int:
    options_parser = parser("sustained", __doc__)
    options_parser.add_argument("--minutes", type=float, help="to hold the rate; default 5, 1 with --quick")
    options_parser.add_argument("--rate", type=float, help="holds this one, without a search")
    options = options_parser.parse_args(arguments)
    minutes = options.minutes or (1.0 if options.quick else 5.0)
    probes, seconds = (4, 6.0) if options.quick else (6, 12.0)
    with tempfile.TemporaryDirectory(prefix="tg-") as name:
        folder = Path(name)
        reference = bare_app.rate(folder / "bare", seconds / 2, 3)
        with served(folder / "var") as (server,):
            system = System(server, folder)
            system.hold(reference / 10, 3.0)  # warms up
            rate = options.rate or search(system, reference * FIRST_SHARE, probes, seconds)
            held = sustain(system, rate, minutes * 60)
            counted = system.counted()
            server.stop()
    return _report(options, minutes, reference, held, system.answered, counted).finish(options)


def _report(
    options: argparse.Namespace, minutes: float, reference: float, held: Held, answered: int, counted: int
) -> Report:
    report = Report(
        "sustained",
        "Sustained: the rate that the whole system holds",
        {"minutes": minutes, "connections": CONNECTIONS, "quick": options.quick},
    )
    latencies = held.result.latencies
    report.figures = {
        "requests_a_second": round(held.rate),
        "bare_app_on_one_core": round(reference),
        "share_of_bare_app": round(held.rate / reference, 3),
        "oldest_event_seconds": round(held.oldest_seconds, 2),
        "backlog_highest": max(events for _, events in held.backlog),
        "backlog_growth_a_second": round(held.growth, 2),
        "latency_ms": {
            f"p{share * 100:g}": round(1000 * latencies[int(share * (len(latencies) - 1))], 1)
            for share in (0.5, 0.99)
        },
        "answered_in_all_runs": answered,
        "client_cpu_cores": round(held.result.cpu_seconds / (minutes * 60), 3),
    }
    report.add("lost: answered and not counted", max(0, answered - counted), at_most=0)
    report.add("doubled: counted and not answered", max(0, counted - answered), at_most=0)
    report.add("unanswered", held.result.lost, at_most=0)
    report.add("oldest event", held.oldest_seconds, at_most=OLDEST_SECONDS, unit="s")
    report.plot = Lines(
        f"Backlog at {held.rate:,.0f} requests a second",
        "seconds",
        "events answered and not yet counted",
        {"backlog": held.backlog},
    )
    return report
