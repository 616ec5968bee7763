"""Waits until nothing is on its way any more."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import psycopg

from tests.chaos.books import Books, read_bare, read_tallygate
from tests.chaos.reconcile import reconcile
from tests.chaos.system import TALLYGATE, System

POLL = 0.3
STABLE_SECONDS = 0.6  # unchanged, with all that was answered counted
PATIENCE_SECONDS = 20.0  # unchanged, with something missing: longer than any backoff or lease


@dataclass(frozen=True)
class Drain:
    """How a wait ended. `seconds` is from its begin to the last change, or to the time limit."""

    seconds: float
    is_done: bool


def read_books(system: System) -> Books:
    """What the stores say now. Raises psycopg.Error, sqlite3.Error and OSError."""
    read = read_tallygate if system.kind is TALLYGATE else read_bare
    with system.connect() as connection:
        return read(lambda sql, *parameters: connection.execute(sql, parameters).fetchall(), system.var_dir)


def await_drained(
    system: System,
    answered: AbstractSet[str],
    began: float,
    seconds: float,
    patience: float = PATIENCE_SECONDS,
) -> Drain:
    """Until nothing waits and nothing changes, for `seconds` at most; `began` is on the monotonic clock."""
    state: object = None
    changed = time.monotonic()
    while (now := time.monotonic()) - began < seconds:
        try:
            books = read_books(system)
        except (psycopg.Error, sqlite3.Error, OSError):
            state, changed = None, now
        else:
            verdict = reconcile(answered, books)
            if state != (seen := (books.counted.total(), books.dead.total(), verdict.places)):
                state, changed = seen, now
            complete = verdict.counted == answered
            if not books.waits and now - changed >= (STABLE_SECONDS if complete else patience):
                return Drain(max(0.0, changed - began), True)
        time.sleep(POLL)
    return Drain(time.monotonic() - began, False)
