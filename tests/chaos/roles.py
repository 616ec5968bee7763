"""Which process of a running system is which."""

from __future__ import annotations

import re
from pathlib import Path

from tests.chaos.system import System

# django-q2 says so once, when it spawns one. Nothing else tells them apart: all are forks.
SPAWNED = re.compile(r"(ready for work|monitoring|pushing tasks) at (\d+)$", re.MULTILINE)
ROLES = {"ready for work": "worker", "monitoring": "monitor", "pushing tasks": "pusher"}


class NotThere(Exception):
    """No such process lives just now."""


class Roles:
    """Finds processes by role; remembers what the log said, so that it is read only once."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._read = 0
        self._spawned: dict[int, str] = {}

    def gunicorn(self) -> tuple[int, list[int]]:
        """The master and its workers. Raises NotThere."""
        tree = _parents(self._system.pids("gunicorn"))
        master = _root(tree, "gunicorn")
        return master, [pid for pid, parent in tree.items() if parent == master]

    def cluster(self) -> dict[str, list[int]]:
        """django-q2's processes: `leader`, `sentinel`, `worker`, `monitor`, `pusher`. Raises NotThere."""
        self._listen()
        tree = _parents(self._system.pids("qcluster"))
        leader = _root(tree, "cluster")
        found: dict[str, list[int]] = {"leader": [leader]}
        for pid, parent in tree.items():
            if parent == leader:
                found.setdefault("sentinel", []).append(pid)
            elif pid in self._spawned:
                found.setdefault(self._spawned[pid], []).append(pid)
        return found

    def one(self, role: str) -> int:
        """The process of the cluster with this role, the newest if there are several. Raises NotThere."""
        pids = self.cluster().get(role)
        if not pids:
            raise NotThere(role)
        return max(pids)

    def _listen(self) -> None:
        with self._system.log.open(errors="replace") as log:
            log.seek(self._read)
            said = log.read()
            self._read = max(0, log.tell() - 200)  # a line may have been half written
        for words, pid in SPAWNED.findall(said):
            self._spawned[int(pid)] = ROLES[words]


def _root(tree: dict[int, int], what: str) -> int:
    """The process of `tree` whose parent isn't in it."""
    roots = [pid for pid, parent in tree.items() if parent not in tree]
    if not roots:
        raise NotThere(what)
    return max(roots)


def _parents(pids: list[int]) -> dict[int, int]:
    """Each process's parent; processes that have ended are left out."""
    found: dict[int, int] = {}
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        state, parent = stat.rpartition(")")[2].split()[:2]
        if state not in "ZX":
            found[pid] = int(parent)
    return found
