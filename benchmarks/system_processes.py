"""The processes of a whole system: which there are, what CPU time they have used, what memory they hold.

From /proc (Linux). PostgreSQL's are told apart from the system's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.processes import stat_fields
from tests.integration.stack import Server

TICKS = os.sysconf("SC_CLK_TCK")
NANOSECONDS = 1_000_000_000
# Fields of /proc/PID/stat behind the command's name: see proc(5).
STATE, PARENT, USER, SYSTEM, CHILDREN_USER, CHILDREN_SYSTEM = 0, 1, 11, 12, 13, 14
# What a command line has, and what the process is then called; the first that fits.
ROLES = (
    ("embedded_postgres.keeper", "keeper of PostgreSQL"),
    ("process_group", "guard"),
    ("manage.py serve", "supervisor"),
    ("gunicorn", "web server"),
    ("qcluster", "task queue"),
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. What is shared `pss` divides among those who share it, `rss` counts for each, `private` not."""

    pss: int
    rss: int
    private: int


def of(server: Server) -> dict[int, str]:
    """The system's own processes, without PostgreSQL's, and what each of them is."""
    return {
        pid: role(command) for pid, command in _everything(server).items() if command and _is_ours(command)
    }


def of_postgres(server: Server) -> list[int]:
    """PostgreSQL's: the server and what it has forked."""
    return [pid for pid, command in _everything(server).items() if command and not _is_ours(command)]


def role(command: str) -> str:
    return next((name for words, name in ROLES if words in command), command.strip())


def cpu_seconds(pids: Iterable[int]) -> dict[int, float]:
    """CPU time of each that lives, with that of its children that have ended and were waited for."""
    return {pid: seconds for pid in pids if (seconds := _cpu_seconds(pid)) is not None}


def memory(pids: Iterable[int]) -> dict[int, Memory]:
    """Memory of each that lives."""
    return {pid: found for pid in pids if (found := _memory(pid)) is not None}


def _everything(server: Server) -> dict[int, str]:
    """The starting process and all that descends from it, with their command lines (a zombie's is empty).

    By descent, not by environment: PostgreSQL has an environment of its own.
    """
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := stat_fields(int(entry.name))):
            parents[int(entry.name)] = int(fields[PARENT])
    found = {server.process.pid}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: command for pid in found if (command := _command(pid)) is not None}


def _is_ours(command: str) -> bool:
    return not command.startswith("postgres:") and "/bin/postgres " not in command


def _command(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None


def _cpu_seconds(pid: int) -> float | None:
    """The threads' own time to the nanosecond, since what idles uses less than a tick at a time."""
    fields = stat_fields(pid)
    if fields is None:
        return None
    if fields[STATE] == "Z":
        return (int(fields[USER]) + int(fields[SYSTEM])) / TICKS
    ended = (int(fields[CHILDREN_USER]) + int(fields[CHILDREN_SYSTEM])) / TICKS
    own = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # a thread that has just ended
            own += int(task.read_text().split()[0])
    return ended + own / NANOSECONDS


def _memory(pid: int) -> Memory | None:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    found = {name: int(rest.split()[0]) * 1024 for line in lines[1:] for name, rest in [line.split(":", 1)]}
    return Memory(found["Pss"], found["Rss"], found["Private_Clean"] + found["Private_Dirty"])
