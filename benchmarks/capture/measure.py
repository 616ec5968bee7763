"""What capture costs the requests: their rate and latency in an app with it, against the app without.

Two servers are up, three where one is nearly as fast as Tallygate; one is under load, in turn, in short
rounds, and all are started anew after some. On a shared machine the ratio of two rounds is off by a sixth or
more, so there are many short ones; a ratio is the median of all, and its interval says how sure that is.
Beside Tallygate, whose events really go into PostgreSQL, stands what people use or write instead.
`script/bench capture`.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.capture import cpu_clock
from benchmarks.capture.servers import GTHREAD, SYNC, Server, Workers, migrate, running
from benchmarks.report import Bars, Report, median_interval, parser, progress
from gateway import embedded_postgres

OURS = "Tallygate"
# Those so near that a comparison by way of the bare app says nothing: all three stand side by side.
NEAR = {"buffer and thread": "buffered", "django-prometheus": "prometheus"}
# Settings module, the one it is compared with, and whether Tallygate must be ahead of it.
OTHERS = {
    "no-op middleware": ("noop", "bare", False),
    "JSON line to a file": ("json_file", "bare", False),
    "django-request": ("request", "bare", True),
    "async_task a request": ("one_task", "bare", False),
    "drf-api-tracking": ("drf_tracking", "drf", True),
    "django-silk": ("silk", "bare", True),
}
MIGRATED = ("tallygate", "buffered", "one_task", "request", "silk", "drf_tracking")
RATE, P99 = 0.90, 1.5  # of the bare app's
QUICK = {
    "seconds": 0.5,
    "starts": 2,
    "pairs": 5,
    "near_rounds": 2,
    "other_pairs": 1,
    "other_seconds": 0.5,
}
WARM_UP_SECONDS = 0.5
POLL_SECONDS = 0.2  # as the cluster that ships
REQUEST_US, SENDER_US = 25.0, 10.0  # CPU an event
CPU_SECONDS = 2.0  # of a round: as under lasting load, most hand-overs are of a whole linger
REST_SECONDS = 1.0  # in which the sender has handed over all


@dataclass(slots=True)
class Pairs:
    """What the client saw of one thing and of what it is compared with, a pair a round."""

    base: list[dict[str, Any]] = field(default_factory=list)
    thing: list[dict[str, Any]] = field(default_factory=list)

    def add(self, more: Pairs) -> None:
        self.base += more.base
        self.thing += more.thing

    def ratios(self, of: str) -> list[float]:
        return [b[of] / a[of] for a, b in zip(self.base, self.thing, strict=True)]

    def ratio(self, of: str) -> float:
        return statistics.median(self.ratios(of))

    def interval(self, of: str) -> tuple[float, float]:
        return median_interval(self.ratios(of))

    def median(self, of: str) -> tuple[float, float]:
        return tuple(statistics.median(seen[of] for seen in side) for side in (self.base, self.thing))  # type: ignore[return-value]

    def figures(self) -> dict[str, Any]:
        """Ratios, and what they are made of, the bare app first."""
        return {
            "rate_ratio": round(self.ratio("rate"), 3),
            "rate_interval": [round(end, 3) for end in self.interval("rate")],
            "p99_ratio": round(self.ratio("p99_ms"), 2),
            "p99_interval": [round(end, 2) for end in self.interval("p99_ms")],
            **{
                of: [round(value, 2) for value in self.median(of)]
                for of in ("rate", "p50_ms", "p99_ms", "client_us")
            },
            "rounds": len(self.base),
        }


def main(arguments: list[str]) -> int:
    made = parser("capture", __doc__)
    made.add_argument("--seconds", type=float, default=0.5, help="length of a round")
    made.add_argument("--starts", type=int, default=6, help="times that all servers are started anew")
    made.add_argument("--pairs", type=int, default=20, help="rounds a start, of Tallygate and the bare app")
    made.add_argument("--near-rounds", type=int, default=10, help="rounds a start, of both and a near one")
    made.add_argument("--other-pairs", type=int, default=4, help="rounds of each of the others")
    made.add_argument("--other-seconds", type=float, default=1.0, help="length of a round of theirs")
    made.add_argument("--only-ours", action="store_true", help="nothing but Tallygate")
    options = made.parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    with tempfile.TemporaryDirectory(prefix="tg-") as folder:
        var_dir = Path(folder)
        embedded_postgres.ensure_running(var_dir)
        try:
            for name in MIGRATED:
                migrate(name, var_dir)
            report = _measure(var_dir, options)
        finally:
            embedded_postgres.leave(var_dir)
    return report.finish(options)


def _measure(var_dir: Path, options: Namespace) -> Report:
    report = Report(
        "capture",
        "Requests with capture, against the same app without",
        settings={name: getattr(options, name) for name in QUICK},
    )
    shown: dict[str, float] = {}
    for workers in (SYNC, GTHREAD):
        ours = _ours(report, workers, var_dir, options)
        shown[f"{OURS}, {workers.name}"] = ours
        if not options.only_ours:
            shown |= _near(report, workers, var_dir, options)
            shown |= _others(report, ours, workers, var_dir, options)
    _cpu(report, var_dir, options)
    report.plot = Bars("Requests a second with capture", "share of the bare app's", shown, target=RATE)
    return report


def _ours(report: Report, workers: Workers, var_dir: Path, options: Namespace) -> float:
    (pairs,) = _restarted(["tallygate"], workers, options.pairs, options.seconds, var_dir, options.starts)
    report.figures[f"{OURS}, {workers.name}"] = pairs.figures()
    whose = f"{workers.name}, of the bare app's"
    report.add(
        f"requests a second, {whose}", pairs.ratio("rate"), at_least=RATE, interval=pairs.interval("rate")
    )
    report.add(f"p99, {whose}", pairs.ratio("p99_ms"), at_most=P99, interval=pairs.interval("p99_ms"))
    return pairs.ratio("rate")


def _near(report: Report, workers: Workers, var_dir: Path, options: Namespace) -> dict[str, float]:
    """Ahead by this share of the bare app's rate, the median of rounds of all three."""
    ratios: dict[str, float] = {}
    rounds, seconds = options.near_rounds, options.seconds
    for title, name in NEAR.items():
        both = ["tallygate", name]
        ours, theirs = _restarted(both, workers, rounds, seconds, var_dir, options.starts)
        report.figures[f"{title}, {workers.name}"] = theirs.figures()
        report.figures[f"{OURS} beside {title}, {workers.name}"] = ours.figures()
        ratios[f"{title}, {workers.name}"] = theirs.ratio("rate")
        both_ratios = zip(ours.ratios("rate"), theirs.ratios("rate"), strict=True)
        ahead = [our - their for our, their in both_ratios]
        report.add(
            f"ahead of {title}, {workers.name}",
            statistics.median(ahead),
            at_least=0.0,
            interval=median_interval(ahead),
        )
    return ratios


def _restarted(
    names: list[str], workers: Workers, count: int, seconds: float, var_dir: Path, starts: int
) -> list[Pairs]:
    """So many rounds of the bare app and these, after each of so many starts."""
    all_pairs = [Pairs() for _ in names]
    for _ in range(starts):
        with ExitStack() as servers:
            bare = servers.enter_context(running("bare", workers, var_dir))
            bare.ask(WARM_UP_SECONDS)
            others = [servers.enter_context(running(name, workers, var_dir)) for name in names]
            for pairs, more in zip(all_pairs, _rounds(bare, others, count, seconds, var_dir), strict=True):
                pairs.add(more)
    return all_pairs


def _others(
    report: Report, ours: float, workers: Workers, var_dir: Path, options: Namespace
) -> dict[str, float]:
    ratios: dict[str, float] = {}
    for title, (name, base, is_target) in OTHERS.items():
        with running(base, workers, var_dir) as other, running(name, workers, var_dir) as server:
            other.ask(WARM_UP_SECONDS)
            (pairs,) = _rounds(other, [server], options.other_pairs, options.other_seconds, var_dir)
        report.figures[f"{title}, {workers.name}"] = pairs.figures()
        ratios[f"{title}, {workers.name}"] = pairs.ratio("rate")
        if is_target:
            report.add(f"ahead of {title}, {workers.name}", ours - pairs.ratio("rate"), at_least=0.0)
    return ratios


def _rounds(base: Server, servers: list[Server], count: int, seconds: float, var_dir: Path) -> list[Pairs]:
    """Rounds in turn, after one that warms up each server; the base is warm. A list of pairs for each."""
    for server in servers:
        server.ask(WARM_UP_SECONDS)
    asked = [base, *servers]
    seen: list[list[dict[str, Any]]] = [[] for _ in asked]
    for number in range(count):
        _empty_queue(var_dir)
        # Who is first changes: what the machine does slowly meanwhile meets all.
        with _doorbells_answered(var_dir):
            for place in range(len(asked)):
                turn = (number + place) % len(asked)
                seen[turn].append(asked[turn].ask(seconds))
    pairs = [Pairs(seen[0], one) for one in seen[1:]]
    for server, one in zip(servers, pairs, strict=True):
        progress(f"{server.name}, {server.workers.name}: {one.figures()}")
    return pairs


def _empty_queue(var_dir: Path) -> None:
    """As a consumer that keeps up leaves it."""
    with closing(_connection(var_dir)) as connection:
        connection.execute("TRUNCATE gateway_queuedbatch, django_q_ormq")
        connection.execute("CHECKPOINT")


@contextmanager
def _doorbells_answered(var_dir: Path) -> Iterator[None]:
    """Takes doorbells away as often as django-q2 looks for them: while one waits, no other is rung."""
    done = threading.Event()

    def answer() -> None:
        with closing(_connection(var_dir)) as connection:
            while not done.wait(POLL_SECONDS):
                connection.execute("DELETE FROM django_q_ormq")

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _cpu(report: Report, var_dir: Path, options: Namespace) -> None:
    """CPU an event: the request thread's by its own clock, around the middleware; the sender's by /proc.

    What the clocks take themselves is seen in a server with nothing between them, in turn with ours. In a
    sync worker the sender's thread, with what it starts, is all there is beside the main one; all it does
    counts, until it has handed over the last event.
    """
    cpu = var_dir / "cpu"
    with running("timed", SYNC, var_dir) as bare, running("tallygate_timed", SYNC, var_dir) as ours:
        servers = (bare, ours)
        for server in servers:
            server.ask(WARM_UP_SECONDS)
        time.sleep(REST_SECONDS)
        before = [cpu_clock.total(cpu, server.pids()) for server in servers]
        sender_before = ours.other_threads_seconds()
        rounds = max(1, round(options.starts * options.pairs * options.seconds / CPU_SECONDS))
        _rounds(bare, [ours], rounds, CPU_SECONDS, var_dir)
        time.sleep(REST_SECONDS)
        after = [cpu_clock.total(cpu, server.pids()) for server in servers]
        sender_after = ours.other_threads_seconds()
    clocks, with_ours = (
        (seconds - seconds_before) / (requests - requests_before) * 1e6
        for (seconds, requests), (seconds_before, requests_before) in zip(after, before, strict=True)
    )
    in_sender = (sender_after - sender_before) / (after[1][1] - before[1][1]) * 1e6
    report.add("CPU an event in the request's thread", with_ours - clocks, at_most=REQUEST_US, unit="µs")
    report.add("CPU an event in the sender's thread", in_sender, at_most=SENDER_US, unit="µs")


def _connection(var_dir: Path) -> psycopg.Connection[Any]:
    entry = embedded_postgres.connection_settings(var_dir)
    return psycopg.connect(
        host=entry["HOST"], port=entry["PORT"], user=entry["USER"], dbname=entry["NAME"], autocommit=True
    )
