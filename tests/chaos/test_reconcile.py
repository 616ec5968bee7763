"""The reckoning finds what it is for: lost, doubled and dead requests, ones on their way, wrong rollups."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db import connection

from gateway.events import TrafficEvent, encode
from stats.consumer import drain
from tests.chaos.books import Books, read_tallygate
from tests.chaos.plan import deck
from tests.chaos.reconcile import Verdict, reconcile
from tests.load import cycle_of, path_of

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

IDS = ["c1-n0", "c1-n1", "c2-n0"]


def test_all_that_was_answered_and_counted_once_is_clean() -> None:
    verdict = reconcile(set(IDS), Books(counted=Counter(IDS)))
    assert verdict.is_clean
    assert verdict.counted == set(IDS)


def test_what_is_nowhere_is_lost() -> None:
    verdict = reconcile(set(IDS), Books(counted=Counter(IDS[:2])))
    assert verdict.lost == {"c2-n0"}
    assert not verdict.is_clean


def test_what_waits_is_not_lost_and_not_clean() -> None:
    verdict = reconcile(set(IDS), Books(counted=Counter(IDS[:2]), waiting={"queue": {"c2-n0"}}))
    assert (verdict.lost, verdict.waiting) == (set(), {"c2-n0"})
    assert not verdict.is_clean


def test_a_dead_letter_counts_as_lost() -> None:
    verdict = reconcile(set(IDS), Books(counted=Counter(IDS[:2]), dead=Counter(["c2-n0"])))
    assert verdict.lost == {"c2-n0"}
    assert verdict.dead_letters == 1


def test_what_was_not_answered_may_be_counted_once_but_not_twice() -> None:
    assert reconcile(set(IDS), Books(counted=Counter([*IDS, "c2-n1"]))).is_clean
    verdict = reconcile(set(IDS), Books(counted=Counter([*IDS, "c2-n1", "c2-n1"])))
    assert verdict.doubled == {"c2-n1"}
    assert not verdict.is_clean


@pytest.mark.parametrize("wrong", [{"surplus": 1}, {"mismatch": 1}])
def test_rollups_that_differ_from_the_rows_are_not_clean(wrong: dict[str, int]) -> None:
    assert not reconcile(set(IDS), Books(counted=Counter(IDS), **wrong)).is_clean


def test_a_cycle_answers_for_its_own_requests() -> None:
    verdict = reconcile(set(IDS), Books(counted=Counter(IDS[:2])))
    first, second = (verdict.of(lambda found, n=number: cycle_of(found) == n) for number in (1, 2))
    assert (len(first.counted), first.lost) == (2, set())
    assert (len(second.counted), second.lost) == (0, {"c2-n0"})


def test_a_seed_decides_the_order_and_every_fault_comes_as_often() -> None:
    names = ["a", "b", "c"]
    drawn = deck(Random(7), names, 9)
    assert drawn == deck(Random(7), names, 9)
    assert Counter(drawn) == {"a": 3, "b": 3, "c": 3}


# --- the same on real tables -----------------------------------------------------------------------


@pytest.fixture
def answered(send: Callable[..., int], make_event: Callable[..., TrafficEvent]) -> set[str]:
    """Requests that went the real way into the tables."""
    send(*(make_event(request_id=one, path=path_of(one), route="/api/test") for one in IDS))
    drain()
    return set(IDS)


def verdict_of(answered: set[str], var_dir: Path) -> Verdict:
    """Reads the test database and an empty collector."""
    (var_dir / "legacy").mkdir(exist_ok=True)
    with closing(sqlite3.connect(var_dir / "legacy" / "collector.sqlite3")) as collector:
        collector.execute(
            "CREATE TABLE IF NOT EXISTS legacy_collector_collectedevent (payload text, replay_pending bool)"
        )
    return reconcile(answered, read_tallygate(fetch, var_dir))


def fetch(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else []


def execute(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


def test_what_the_consumer_stored_is_clean(answered: set[str], tmp_path: Path) -> None:
    verdict = verdict_of(answered, tmp_path)
    assert verdict.counted == set(IDS)
    assert verdict.is_clean


def test_a_deleted_row_is_a_lost_request_and_a_wrong_rollup(answered: set[str], tmp_path: Path) -> None:
    execute("DELETE FROM stats_event WHERE request_id = %s", "c1-n1")
    verdict = verdict_of(answered, tmp_path)
    assert verdict.lost == {"c1-n1"}
    assert (verdict.surplus, verdict.mismatch) == (1, 2)  # its route's and all routes'


def test_a_second_row_of_a_request_is_a_double(answered: set[str], tmp_path: Path) -> None:
    execute(
        "INSERT INTO stats_event SELECT (copy).* FROM (SELECT jsonb_populate_record(stats_event,"
        """ '{"idempotent_id": "1763900000999-00000000"}') AS copy"""
        " FROM stats_event WHERE request_id = %s) AS copies",
        "c2-n0",
    )
    verdict = verdict_of(answered, tmp_path)
    assert verdict.doubled == {"c2-n0"}
    assert verdict.mismatch == 2


def test_totals_that_differ_from_the_rows_are_a_mismatch(answered: set[str], tmp_path: Path) -> None:
    execute("UPDATE stats_totalshourly SET requests = requests + 1")
    assert verdict_of(answered, tmp_path).mismatch == 1


def test_a_request_rolled_up_twice_is_a_surplus(answered: set[str], tmp_path: Path) -> None:
    execute("UPDATE stats_pathstatshourly SET requests = requests + 1")
    verdict = verdict_of(answered, tmp_path)
    assert (verdict.surplus, verdict.mismatch) == (1, 1)


def test_requests_are_found_where_they_wait(
    answered: set[str],
    send: Callable[..., int],
    make_event: Callable[..., TrafficEvent],
    tmp_path: Path,
) -> None:
    """In the queue, in the collector, in the journal, and among the dead letters."""
    places = {
        one: make_event(request_id=one, path=path_of(one)) for one in ("c3-n0", "c3-n1", "c3-n2", "c3-n3")
    }
    queued, collected, journalled, dead = (encode(event) for event in places.values())
    verdict_of(answered, tmp_path)
    send(places["c3-n0"])
    with closing(sqlite3.connect(tmp_path / "legacy" / "collector.sqlite3")) as collector, collector:
        collector.execute(
            "INSERT INTO legacy_collector_collectedevent VALUES (?, 1), (?, 0)",
            (collected.decode(), queued.decode()),
        )
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "1-2-3.journal").write_bytes(b"- " + journalled + b"\n- " + dead[:20])
    execute(
        "INSERT INTO stats_deadletter (payload, reason, error, deliveries, traceback, state, settled_by,"
        " last_failed_at) VALUES (%s, 'schema', '', 1, '', 'dead', '', %s)",
        dead.decode(),
        datetime.now(UTC),
    )
    verdict = verdict_of(answered | set(places), tmp_path)
    assert verdict.places == {"queue": 1, "collector": 1, "journal": 1}
    assert verdict.waiting == {"c3-n0", "c3-n1", "c3-n2"}
    assert verdict.lost == {"c3-n3"}
    assert verdict.dead_letters == 1
