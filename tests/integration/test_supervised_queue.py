"""What is in the queue, or stops it, neither ends a sound cluster nor holds up events for long."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core import signing

from tests.integration.cluster import SECONDS, arrived, cluster, counted, request, supervised
from tests.integration.processes import manage, wait_for
from tests.integration.stack import Server

pytestmark = pytest.mark.slow

STALE_SECONDS = 6.0  # of `supervision_settings`


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One system, whose queue is meddled with."""
    with supervised(tmp_path_factory.mktemp("supervised")) as one:
        yield one


class Raw:
    """A serializer for what is bytes already."""

    @staticmethod
    def dumps(data: bytes) -> bytes:
        return data


def package(server: Server, content: bytes, *, key: str = "") -> str:
    """A task as django-q2 signs it."""
    own = (server.var_dir / "keys" / "secret_key").read_text().strip()
    return signing.dumps(content, key=key or own, salt="traffic-events", serializer=Raw)


def task(func: str, *arguments: Any) -> bytes:
    foreign = {"id": f"{func:.32}", "name": "foreign", "func": func, "args": arguments, "kwargs": {}}
    return pickle.dumps({**foreign, "started": None})


def test_what_others_put_into_the_queue_delays_events_by_seconds_at_most(server: Server) -> None:
    cluster(server)
    payloads = [
        "no package at all",
        package(server, task("stats.tasks.consume"), key="the SECRET_KEY before it was rotated"),
        package(server, b"cno_such_module\nThing\n."),  # can't be unpickled
        package(server, task("no.such.function")),
        package(server, task("asyncio.windows_events.IocpProactor")),  # its module can't be imported
        package(server, task("time.sleep", 1)),
    ]
    server.rows(
        "INSERT INTO django_q_ormq (key, payload, lock)"
        " SELECT 'traffic-events', payload, now() FROM unnest(%s::text[]) AS bad (payload)",
        payloads,
    )
    assert counted(server, "/api/test/foreign", 15.0), server.output()[-3000:]


def test_a_rotated_secret_key_delays_events_by_seconds_at_most(server: Server) -> None:
    cluster(server)
    lost = package(server, task("stats.tasks.consume"), key="another SECRET_KEY")
    # Each doorbell of the next seconds is signed with another key, and is deleted unheard.
    server.rows(
        "CREATE OR REPLACE FUNCTION rotate() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$BEGIN NEW.payload = '{lost}'; RETURN NEW; END$$"
    )
    server.rows("CREATE TRIGGER rotate BEFORE INSERT ON django_q_ormq FOR EACH ROW EXECUTE FUNCTION rotate()")
    try:
        request(server, "/api/test/rotated")
        time.sleep(2.0)
        assert not arrived(server, "/api/test/rotated", 0)
    finally:
        server.rows("DROP TRIGGER rotate ON django_q_ormq")
    assert arrived(server, "/api/test/rotated", 10.0), server.output()[-3000:]


@contextmanager
def every_event_refused(server: Server) -> Iterator[None]:
    """By an error that is no fault of the environment."""
    server.rows("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'refused'; END$$")
    server.rows("CREATE TRIGGER refuse BEFORE INSERT ON stats_event FOR EACH ROW EXECUTE FUNCTION refuse()")
    try:
        yield
    finally:
        server.rows("DROP FUNCTION refuse CASCADE")


def test_an_open_breaker_is_left_alone(server: Server) -> None:
    before = cluster(server)
    breaker = "SELECT breaker FROM stats_consumerheartbeat"
    paths = [f"/api/test/breaker/n{number}" for number in range(8)]
    with every_event_refused(server):
        for path in paths:
            request(server, path)
            time.sleep(0.5)  # a batch each
        assert wait_for(lambda: server.rows(breaker) == [("open",)], SECONDS), server.output()[-3000:]
        assert not wait_for(lambda: server.pids("qcluster") != before, 2.5 * STALE_SECONDS)
        assert server.rows(breaker) == [("open",)]

    for path in paths:
        assert arrived(server, path), server.output()[-3000:]
    assert server.rows(breaker) == [("closed",)]
    assert server.pids("qcluster") == before
    assert server.rows("SELECT count(*) FROM stats_deadletter WHERE payload LIKE '%%/breaker/%%'") == [(0,)]


def test_a_paused_consumer_is_left_alone(server: Server) -> None:
    before = cluster(server)
    assert manage(server.var_dir, "pause_consumer").wait(SECONDS) == 0
    request(server, "/api/test/paused")
    assert wait_for(lambda: server.rows("SELECT count(*) > 0 FROM gateway_queuedbatch") == [(True,)], SECONDS)
    assert not wait_for(lambda: server.pids("qcluster") != before, 2.5 * STALE_SECONDS)
    assert server.rows("SELECT count(*) FROM stats_event WHERE path = '/api/test/paused'") == [(0,)]

    assert manage(server.var_dir, "resume_consumer").wait(SECONDS) == 0
    assert arrived(server, "/api/test/paused"), server.output()[-3000:]
    assert server.pids("qcluster") == before
