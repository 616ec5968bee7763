"""Day partitions are there before the transaction that needs them."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime

import pytest
from django.db import connection, connections

from stats import partitions

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


def attached() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree('stats_event') WHERE isleaf")
        return {row[0] for row in cursor.fetchall()}


def test_a_days_bounds_are_its_midnights_in_milliseconds():
    assert partitions.bounds(date(2025, 11, 23)) == ("1763856000000", "1763942400000")
    assert partitions.day_of(1763942399999) == date(2025, 11, 23)
    assert partitions.day_of(1763942400000) == date(2025, 11, 24)


def test_the_first_day_with_thirteen_digits_begins_with_a_padded_bound():
    first, end = partitions.bounds(date(2001, 9, 9))
    assert (first, end) == ("0999993600000", "1000080000000")


def test_today_and_the_days_ahead_are_made_once(store):
    partitions.ensure_ahead(datetime(2031, 5, 1, 23, 59, tzinfo=UTC))
    partitions.ensure_ahead(datetime(2031, 5, 1, 23, 59, tzinfo=UTC))

    assert attached() >= {"stats_event_20310501", "stats_event_20310502", "stats_event_20310503"}


def test_two_processes_may_want_the_same_day_at_once(store):
    errors = []

    def want() -> None:
        try:
            partitions._create(date(2032, 1, 1))
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert "stats_event_20320101" in attached()


def test_a_partition_has_the_indexes_of_its_table(store):
    partitions.ensure([date(2033, 1, 1)])

    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'stats_event_20330101'")
        indexes = " ".join(row[0] for row in cursor.fetchall())
    assert "UNIQUE INDEX" in indexes
    assert "(route, idempotent_id)" in indexes
