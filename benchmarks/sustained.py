"""The highest rate of requests that the whole system holds, on all its cores, with a bounded backlog.

Web server, queue, consumer and PostgreSQL run as `script/server` runs them, and a client beside them, on
the same cores. What it answers as fast as it can predicts the rate, short probes by schedule (open loop)
halve the span around it, then the rate is held for minutes. It is held if answers keep up with it, no event
waits longer than some seconds, and the backlog (answered and not yet counted) does not grow. In the end
exactly what was answered must be counted. It is told as a share of what the bare app (the same without the
middleware, one gunicorn worker on one core, the client on another) answers as fast as it can. The client's
own CPU is told: it is taken from what it measures. `script/bench sustained`.
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
from benchmarks.load import Plan, Result, driven, quantile
from benchmarks.report import Lines, Report, parser, progress
from tests.integration.stack import Server, served

CONNECTIONS = 32
OLDEST_SECONDS = 5.0  # that an event may wait in the queue
LATE_SHARE = 0.01  # of the requests, that may be answered later than LATE_SECONDS after they were due
LATE_SECONDS = 1.0
GROWTH_SECONDS = 1.0  # requests of so long, by which the backlog may grow in all
SAMPLE_SECONDS = 0.5
# Latency that grows by more than this a second means that the rate is as much too high. A probe is too
# short for answers to come a second late.
TREND = 0.02
LOWEST, HIGHEST = 0.84, 1.12  # of what is answered as fast as it can be: the span that is searched
STEP_DOWN = 0.95  # at least, after a rate that was found did not hold for the full time
BELOW = 0.98  # of what it answered then
ATTEMPTS = 10  # those that fail early take seconds
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
    def lag_seconds(self) -> float:
        """The median latency of the last quarter of the requests."""
        latest = sorted(self.result.answered, key=lambda one: one.due)[-len(self.result.answered) // 4 :]
        return statistics.median(one.at - one.due for one in latest)

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

    @property
    def is_promising(self) -> bool:
        """Whether it was held, and looks as if it could go on like this."""
        return self.is_held and self.lag_seconds <= TREND * self.seconds

    def __str__(self) -> str:
        verdict = "held" if self.is_held else "not held"
        return (
            f"{self.rate:,.0f} a second {verdict}: oldest {self.oldest_seconds:.1f} s,"
            f" backlog {max((events for _, events in self.backlog), default=0):,}"
            f" ({self.growth:+,.0f} a second), late {self.late:.2%}, in the end by {self.lag_seconds:.2f} s"
        )


class System:
    """The server under load, and how much it has answered so far."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.answered = 0
        self.runs = 0

    def top_speed(self, seconds: float) -> float:
        """Requests a second that it answers as fast as it can."""
        plan = Plan(self.server.port, seconds, CONNECTIONS, self._name_run())
        with driven(plan, self.folder) as load:
            result = load.result()
        self._await_counted(result)
        progress(f"as fast as it can: {result.rate:,.0f} a second")
        return result.rate

    def hold(self, rate: float, seconds: float) -> Held:
        """Drives it at that rate, then waits until all is counted. Raises AssertionError if it never is.

        Ends early when more requests are late than may be in all that time.
        """
        started = time.monotonic() + 1.0
        plan = Plan(
            self.server.port,
            seconds,
            CONNECTIONS,
            self._name_run(),
            rate,
            started,
            late_seconds=LATE_SECONDS,
            late_at_most=int(LATE_SHARE * rate * seconds),
        )
        before = self.answered
        with (
            self.server.connect() as connection,
            driven(plan, self.folder) as load,
            Observer(connection) as observer,
        ):
            result = load.result()
        self._await_counted(result)
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

    def _name_run(self) -> str:
        self.runs += 1
        return str(self.runs)

    def _await_counted(self, result: Result) -> None:
        self.answered += len(result.answered)
        assert self.server.drained(self.answered, 120), f"counted {self.counted()} of {self.answered}"

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


def search(system: System, top_speed: float, probes: int, seconds: float) -> float:
    """The highest rate that a short probe held; of the span around what is predicted each leaves one half.

    The lowest rate of the span is not probed: if even that can't be held, `sustain` goes on downwards.
    """
    lowest, highest = LOWEST * top_speed, HIGHEST * top_speed
    for _ in range(probes):
        rate = (lowest + highest) / 2
        if system.hold(rate, seconds).is_promising:
            lowest = rate
        else:
            highest = rate
    return lowest


def sustain(system: System, rate: float, seconds: float) -> Held:
    """Holds the rate for the full time, or the first lower one that can be. Raises AssertionError."""
    for _ in range(ATTEMPTS):
        held = system.hold(rate, seconds)
        if held.is_held:
            return held
        rate = min(STEP_DOWN * rate, BELOW * held.result.rate)
    raise AssertionError("no rate was held for the full time")


def main(arguments: list[str]) -> int:
    options_parser = parser("sustained", __doc__)
    options_parser.add_argument(
        "--minutes", type=float, help="to hold the rate; default 5, half a one with --quick"
    )
    options_parser.add_argument("--rate", type=float, help="holds this one, without a search")
    options = options_parser.parse_args(arguments)
    minutes = options.minutes or (0.5 if options.quick else 5.0)
    probes, seconds = (3, 6.0) if options.quick else (4, 12.0)
    with tempfile.TemporaryDirectory(prefix="tg-") as name:
        folder = Path(name)
        reference = bare_app.rate(folder / "bare", seconds / 3, 3)
        with served(folder / "var") as (server,):
            system = System(server, folder)
            system.top_speed(seconds / 3)  # warms up
            rate = options.rate or search(system, system.top_speed(seconds), probes, seconds)
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
            f"p{share * 100:g}": round(1000 * quantile(latencies, share), 1) for share in (0.5, 0.99)
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
