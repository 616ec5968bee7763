"""What the whole system costs while nothing happens: CPU time and memory of all its processes.

Starts it as `script/server` does, sends some requests, waits until all are counted and what is scheduled has
run once, and looks for a minute. CPU is what the kernel accounts to the threads of all processes. PostgreSQL
stands apart.

Memory is the sum of PSS: a page that several processes share counts once, divided among them. The sum of RSS
would count it once for each process, and forked ones share most of theirs. PSS also divides with processes
outside the system (files of the interpreter, a few MB), so `private` and `RSS` are told, too.
`script/bench idle`.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import system_processes
from benchmarks.load import Plan, driven
from benchmarks.report import Bars, Report, parser, progress
from benchmarks.system_processes import Memory
from tests.integration.processes import wait_for
from tests.integration.stack import Server, served

CPU_PERCENT, MEGABYTES = 2.0, 350.0
REQUESTS_A_SECOND, REQUEST_SECONDS = 50, 6
SCHEDULED = "SELECT task IS NOT NULL FROM django_q_schedule WHERE func = 'stats.tasks.roll_up_days'"
SCHEDULED_SECONDS = 120  # until it has run
SETTLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Idle:
    """CPU in percent of one core, memory in bytes, by role."""

    cpu: dict[str, float]
    memory: dict[str, Memory]
    processes: dict[str, int]
    postgres_cpu: float

    @property
    def cpu_percent(self) -> float:
        return sum(self.cpu.values())

    def megabytes(self, kind: str) -> float:
        return sum(getattr(memory, kind) for memory in self.memory.values()) / 1e6


def measure(seconds: float) -> Idle:
    """Raises AssertionError when the system does not come to rest."""
    with (
        tempfile.TemporaryDirectory(prefix="tg-") as folder,
        served(Path(folder) / "var") as (server,),
    ):
        _use(server, Path(folder))
        progress("waits for what is scheduled")
        assert wait_for(lambda: server.rows(SCHEDULED) == [(True,)], SCHEDULED_SECONDS), "nothing was run"
        time.sleep(SETTLE_SECONDS)
        progress(f"looks for {seconds:g} s")
        return _look(server, seconds)


def _use(server: Server, folder: Path) -> None:
    """Some requests: what the first ones load, in every process, is part of what an idle system holds."""
    plan = Plan(server.port, REQUEST_SECONDS, 16, "use", REQUESTS_A_SECOND)
    with driven(plan, folder) as load:
        answered = len(load.result().answered)
    assert server.drained(answered), "the queue did not drain"


def _look(server: Server, seconds: float) -> Idle:
    ours, postgres = system_processes.of(server), system_processes.of_postgres(server)
    began = time.monotonic()
    before = system_processes.cpu_seconds([*ours, *postgres])
    time.sleep(seconds)
    after = system_processes.cpu_seconds([*ours, *postgres])
    lasted = time.monotonic() - began
    used = {pid: 100 * (after[pid] - before[pid]) / lasted for pid in before if pid in after}
    gone = set(before) & set(ours) - set(after)
    assert not gone, f"processes ended while the system was idle: {gone}"
    memory = system_processes.memory(ours)
    cpu: Counter[str] = Counter()
    for pid, name in ours.items():
        cpu[name] += used[pid]
    return Idle(
        cpu=dict(cpu),
        memory={name: _sum([memory[pid] for pid in memory if ours[pid] == name]) for name in cpu},
        processes=dict(Counter(ours.values())),
        postgres_cpu=sum(used.get(pid, 0.0) for pid in postgres),
    )


def _sum(parts: list[Memory]) -> Memory:
    return Memory(*(sum(getattr(part, name) for part in parts) for name in ("pss", "rss", "private")))


def main(arguments: list[str]) -> int:
    options_parser = parser("idle", __doc__)
    options_parser.add_argument("--seconds", type=float, help="default 60, 20 with --quick")
    options = options_parser.parse_args(arguments)
    seconds = options.seconds or (20.0 if options.quick else 60.0)
    return _report(measure(seconds), seconds).finish(options)


def _report(idle: Idle, seconds: float) -> Report:
    report = Report("idle", "Idle: the whole system without PostgreSQL", {"seconds": seconds})
    report.figures = {
        "processes": {name: _row(idle, name) for name in idle.cpu},
        "postgres_cpu_percent": round(idle.postgres_cpu, 3),
        "private_mb": round(idle.megabytes("private"), 1),
        "rss_mb": round(idle.megabytes("rss"), 1),
    }
    report.add("CPU, of one core", idle.cpu_percent, at_most=CPU_PERCENT, unit="%")
    report.add("memory (sum of PSS)", idle.megabytes("pss"), at_most=MEGABYTES, unit="MB")
    parts = {name: round(memory.pss / 1e6, 1) for name, memory in idle.memory.items()}
    report.plot = Bars("Memory of an idle system, without PostgreSQL", "MB (PSS)", parts)
    return report


def _row(idle: Idle, name: str) -> dict[str, Any]:
    memory = idle.memory[name]
    return {
        "processes": idle.processes[name],
        "cpu_percent": round(idle.cpu[name], 3),
        "pss_mb": round(memory.pss / 1e6, 1),
        "rss_mb": round(memory.rss / 1e6, 1),
    }
