"""Each database is what its URL names, or a clear word on which variable is wrong, and no password."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from gateway.database_urls import legacy_database, queue_database


def test_the_queue_s_url_becomes_an_entry_and_its_options_win(tmp_path):
    entry = queue_database("postgres://tg:p%40ss@db.example.com:5433/traffic?connect_timeout=7", tmp_path)

    assert (entry["HOST"], str(entry["PORT"]), entry["NAME"]) == ("db.example.com", "5433", "traffic")
    assert entry["PASSWORD"] == "p@ss"
    assert (entry["OPTIONS"]["connect_timeout"], entry["OPTIONS"]["application_name"]) == (7, "tallygate")
    assert entry["CONN_HEALTH_CHECKS"] is True


def test_without_a_url_the_queue_is_in_the_embedded_server(tmp_path):
    assert str(tmp_path) in queue_database("", tmp_path)["HOST"]


def test_a_collector_in_a_file_is_set_up_for_several_writers(tmp_path):
    entry = legacy_database(f"sqlite:///{tmp_path}/collector.sqlite3", tmp_path)

    assert entry["NAME"] == f"{tmp_path}/collector.sqlite3"
    assert entry["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert entry["TEST"]["NAME"] == str(tmp_path / "test.sqlite3")


def test_a_collector_on_a_server_connects_within_a_bound(tmp_path):
    entry = legacy_database("postgres://tg@db.example.com/legacy", tmp_path)
    assert entry["OPTIONS"] == {"connect_timeout": 2}


@pytest.mark.parametrize("url", ["nonsense", "postgres://tg:s3cret@db:port/traffic", "://"])
@pytest.mark.parametrize(
    ("name", "of"), [("DATABASE_URL", queue_database), ("LEGACY_DATABASE_URL", legacy_database)]
)
def test_what_names_no_database_is_refused_by_its_variable_s_name(tmp_path, url, name, of):
    with pytest.raises(ImproperlyConfigured, match=rf"^{name}: not a database URL") as refusal:
        of(url, tmp_path)
    assert "s3cret" not in str(refusal.value)


def test_the_queue_is_kept_in_postgresql_only(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL: must name a PostgreSQL database"):
        queue_database("sqlite:////tmp/queue.sqlite3", tmp_path)
