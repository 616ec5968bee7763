"""What the tests of a supervised cluster share: it is whole, it counts, and where its processes are."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.processes import wait_for
from tests.integration.stack import Server, served
from tests.load import get

LEADER, SENTINEL, WORKER, MONITOR, PUSHER = range(5)  # in the order in which they are started
SECONDS = 30.0


@contextmanager
def supervised(folder: Path) -> Iterator[Server]:
    """A system whose watch loses patience soon."""
    settings = "tests.integration.supervision_settings"
    with served(folder / "var", DJANGO_SETTINGS_MODULE=settings, WEB_CONCURRENCY="1") as (one,):
        yield one


def cluster(server: Server) -> list[int]:
    """The cluster's processes, once it is whole, works, and has nothing more to do."""
    assert wait_for(lambda: len(server.pids("qcluster")) == 5, SECONDS), server.pids("qcluster")
    assert counted(server, f"/api/test/{uuid.uuid4()}"), server.output()[-3000:]
    assert wait_for(lambda: is_idle(server), SECONDS)
    pids = server.pids("qcluster")
    assert len(pids) == 5
    return pids


def request(server: Server, path: str) -> None:
    assert get(server.port, path) == 200


def counted(server: Server, path: str, seconds: float = SECONDS) -> bool:
    """Whether a request for that path, sent now, is counted once within `seconds`."""
    request(server, path)
    return arrived(server, path, seconds)


def arrived(server: Server, path: str, seconds: float = SECONDS) -> bool:
    return wait_for(
        lambda: server.rows("SELECT count(*) FROM stats_event WHERE path = %s", path) == [(1,)], seconds
    )


def is_idle(server: Server) -> bool:
    """Whether no task waits or was taken just now; what a killed cluster had taken comes again much later."""
    waits = "SELECT 1 FROM django_q_ormq WHERE lock <= now() OR lock > now() + interval '299 s'"
    return server.rows(waits) == []
