"""The catalogue of the request side's counters: one name, one meaning, one place.

prometheus-client keeps them in files under `PROMETHEUS_MULTIPROC_DIR`, so they are summed over all
processes of the host and outlive the process that counted. Where that folder is our own (below `VAR_DIR`),
a process counts in the first free slot instead of under its process id: a slot's file goes on where the
last process left it, so the folder does not grow with every restart.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, values
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.conf import conf

MAX_SLOTS = 4096


class Slot:
    """The number under which this process counts; the kernel frees it however the process ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number: int | None = None
        # A forked child inherits its parent's number, and must not count in the same file.
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self) -> int:
        if self._number is None:
            self._number = self._take()
        return self._number

    def _forget(self) -> None:
        self._number = None

    def _take(self) -> int:
        for number in range(MAX_SLOTS):
            # Left open on purpose: the lock lasts as long as the process.
            descriptor = os.open(self._folder / f"slot-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                return number
        return os.getpid() + MAX_SLOTS


def _count_in_slots() -> None:
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder and Path(folder).is_relative_to(conf.var_dir):
        values.ValueClass = values.MultiProcessValue(Slot(Path(folder)))


_count_in_slots()

# Requests that the sender took in hand, or that were dropped; what dead processes left is `adopted`.
captured = Counter("tallygate_captured", "Requests turned into events")
# Requests whose event could not be made; the reason is in the log.
capture_failed = Counter("tallygate_capture_failed", "Requests that could not be turned into events")
# Requests from the edge that had been seen before and got the first one's id.
repeats = Counter("tallygate_repeats", "Repeated edge requests given the first one's id")
# Batches for which the memory of repeats could not be asked: repeats among them count as requests.
repeats_unchecked = Counter("tallygate_repeats_unchecked", "Edge requests not checked for repeats")
# X-Request-Start headers of trusted proxies that were unreadable or too far from the arrival.
start_ignored = Counter("tallygate_request_start_ignored", "X-Request-Start headers ignored")
# Events a store committed.
sent = Counter("tallygate_sent", "Events committed to the queue")
collected = Counter("tallygate_collected", "Events committed to the legacy collector")
# Events the queue refused and the collector took.
fallback = Counter("tallygate_fallback", "Events that fell back to the legacy collector")
# Events that could not be written to the journal: until a store has them, they are in memory only.
journal_failed = Counter("tallygate_journal_failed", "Events not written to the journal")
# Events found in the journal of a process that died.
adopted = Counter("tallygate_adopted", "Events adopted from dead processes' journals")
# Events lost: no store took them and the process could hold no more, or it ended.
dropped = Counter("tallygate_dropped", "Events dropped")


def registry(*only: Counter) -> CollectorRegistry:
    """A registry of all counters, summed over all processes, living and dead, that share the folder."""
    counters = CollectorRegistry()
    if values.ValueClass.__name__ == "MmapedValue":
        MultiProcessCollector(counters)
    else:
        for counter in only or [value for value in globals().values() if isinstance(value, Counter)]:
            counters.register(counter)
    return counters


def total(counter: Counter) -> int:
    """The counter summed over all processes, living and dead, that share the folder."""
    name = next(iter(counter.describe())).name + "_total"
    return int(registry(counter).get_sample_value(name) or 0)
