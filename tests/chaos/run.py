"""Cycles of one fault each: load, a moment, the fault, a while, the healing, the drain."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from random import Random

import psycopg

from gateway.embedded_postgres import EmbeddedPostgresError
from gateway.embedded_postgres.files import Files
from tests.chaos import (  # noqa: F401  (they fill the catalogue)
    disk_faults,
    process_faults,
    second_cluster,
    store_faults,
)
from tests.chaos.books import journalled
from tests.chaos.disk import small_disk
from tests.chaos.drain import await_drained, read_books
from tests.chaos.faults import FAULTS, Missed, Scene
from tests.chaos.plan import Cycle, Plan, Result, deck
from tests.chaos.reconcile import reconcile
from tests.chaos.roles import NotThere, Roles
from tests.chaos.system import BARE, System, SystemBroken
from tests.load import Load

CONTROL_SECONDS = 1.0
STUCK_CYCLES = 3  # that don't drain, one after the other: nothing more will be learned


def run(plan: Plan, folder: Path, tell: Callable[[str], None] = print) -> Result:
    """The whole run in `folder`. An interrupt ends it after the healing; the rest is reported."""
    result, began = Result(plan), time.monotonic()
    system = System(folder / "var", plan.kind)
    names = plan.faults or sorted(FAULTS)
    # A file system of its own only where one is needed: the others are to meet an ordinary disk.
    below = small_disk(Files.of(system.var_dir).root) if "database-disk-full" in names else nullcontext()
    with below as system.disk:
        try:
            _cycles(plan, names, system, result, tell)
        except KeyboardInterrupt:
            result.broken = "interrupted"
        except SystemBroken as error:
            result.broken = str(error)
        except Exception as error:  # the system is to be ended and reported on all the same
            result.broken = f"{type(error).__name__}: {error}"
        _close(system, result)
    result.seconds = time.monotonic() - began
    return result


def _cycles(
    plan: Plan, names: Sequence[str], system: System, result: Result, tell: Callable[[str], None]
) -> None:
    random = Random(plan.seed)
    system.start()
    _control(plan, system, result, tell)
    roles = Roles(system)
    for number, name in enumerate(deck(random, names, plan.cycles), start=1):
        cycle = Cycle(number, name)
        result.cycles.append(cycle)
        _turn(plan, system, roles, cycle, random)
        tell(_line(plan, cycle))
        if plan.kind is BARE and not cycle.drain.is_done:
            _restart_by_hand(plan, system, cycle)
        elif _is_stuck(result.cycles):
            result.broken = f"{STUCK_CYCLES} cycles in a row did not drain"
            break


def _control(plan: Plan, system: System, result: Result, tell: Callable[[str], None]) -> None:
    """What a system loses that never worked would prove nothing. Raises SystemBroken."""
    result.control = cycle = Cycle(0, "nothing")
    load = Load(system.port, 0)
    cycle.answered, cycle.unanswered = load.answered, load.unanswered
    with load:
        time.sleep(CONTROL_SECONDS)
    cycle.drain = await_drained(system, cycle.answered, time.monotonic(), plan.drain_seconds, plan.patience)
    verdict = reconcile(cycle.answered, read_books(system))
    if not (cycle.answered and cycle.drain.is_done and verdict.is_clean):
        raise SystemBroken(
            f"not even undisturbed requests are counted: {len(verdict.counted)} of {len(cycle.answered)}"
        )
    tell(f"undisturbed: {len(cycle.answered)} answered, drained in {cycle.drain.seconds:.1f} s")


def _restart_by_hand(plan: Plan, system: System, cycle: Cycle) -> None:
    """What the bare system hangs on would hide all that comes after. Ours has to help itself."""
    cycle.by_hand = True
    system.end()
    system.start()
    await_drained(system, cycle.answered, time.monotonic(), plan.drain_seconds, plan.patience)


def _turn(plan: Plan, system: System, roles: Roles, cycle: Cycle, random: Random) -> None:
    load = Load(system.port, cycle.number)
    cycle.answered, cycle.unanswered = load.answered, load.unanswered
    scene = Scene(system, roles, load, cycle.number, random, plan.long)
    with load:
        time.sleep(random.uniform(0.2, 1.0))
        hold = random.uniform(0.5, 3.0)
        # Recovery is measured from here: what the healing itself takes is a part of it.
        healing = time.monotonic()
        try:
            with FAULTS[cycle.fault](scene):
                time.sleep(hold)
                healing = time.monotonic()
        except (Missed, NotThere, OSError, psycopg.Error, sqlite3.Error, EmbeddedPostgresError) as error:
            cycle.missed = f"{type(error).__name__}: {error}"
        time.sleep(0.5)
    cycle.drain = await_drained(system, cycle.answered, healing, plan.drain_seconds, plan.patience)


def _is_stuck(cycles: Sequence[Cycle]) -> bool:
    last = cycles[-STUCK_CYCLES:]
    return len(last) == STUCK_CYCLES and not any(cycle.drain.is_done for cycle in last)


def _line(plan: Plan, cycle: Cycle) -> str:
    drained = f"drained in {cycle.drain.seconds:.1f} s" if cycle.drain.is_done else "NOT DRAINED"
    line = f"{cycle.number}/{plan.cycles} {cycle.fault}: {len(cycle.answered)} answered, {drained}"
    return f"{line} (MISSED: {cycle.missed})" if cycle.missed else line


def _close(system: System, result: Result) -> None:
    """The reckoning while the stores are up, then the end, then what is left."""
    answered = result.answered
    with suppress(Exception):
        result.verdict = reconcile(answered, read_books(system))
    if not hasattr(system, "process"):
        return
    result.leftovers += [f"process {pid}: {command}" for pid, command in system.end().items()]
    result.leftovers += [f"{len(text)} bytes of the journal" for text in journalled(system.var_dir) if text]


def to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
