"""Whatever arrives on the socket, the gateway answers, counts what it answered, and goes on."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from django.core.handlers.asgi import ASGIRequest

from gateway.tolerance import Tolerant
from tests.chaos.hostile.__main__ import attack
from tests.chaos.hostile.arsenal import WEIGHTS, attacks
from tests.chaos.hostile.client import send
from tests.chaos.hostile.wire import Attack, Header, mark_of, request
from tests.integration.processes import wait_for
from tests.integration.stack import Server, served

SEED = 20_251_123
REQUESTS = 1_000
TOO_MANY_FIELDS = b"?" + b"a=1&" * 1_500


def test_the_attacks_of_a_seed_are_always_the_same() -> None:
    assert list(attacks(SEED, 200)) == list(attacks(SEED, 200))
    assert list(attacks(SEED, 200)) != list(attacks(SEED + 1, 200))


def test_a_short_run_holds_every_kind_of_attack() -> None:
    assert len({attack.kind for attack in attacks(SEED, REQUESTS)}) == len(WEIGHTS)


def test_an_asgi_request_survives_what_a_wsgi_request_does() -> None:
    class Request(Tolerant, ASGIRequest):  # type: ignore[override]
        pass

    for charset in (b"hex", b"idna", b"undefined", b"utf-8"):
        headers = [(b"content-type", b"text/plain; charset=" + charset), (b"cookie", b'n="\\000"; a=b')]
        for query in (b"a=%41", TOO_MANY_FIELDS[1:]):
            scope = {"type": "http", "method": "GET", "path": "/", "query_string": query, "headers": headers}
            assert Request(scope, io.BytesIO()).COOKIES == {"a": "b"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("hostile") / "var", LOG_LEVEL="WARNING") as (one,):
        yield one


@pytest.mark.slow
def test_a_thousand_hostile_requests_make_no_fault_and_each_answer_is_counted_once(server: Server) -> None:
    found = attack(server, SEED, REQUESTS)

    assert found.sent == REQUESTS
    assert found.our_5xx == []
    assert found.harmless_failed == []
    assert found.silent == 0
    assert found.must_count is not None
    assert found.must_count > REQUESTS / 2
    assert found.lost == []
    assert found.doubled == []
    assert found.wrong_status == []
    assert (found.unmarked, found.dead_letters, found.queue_left, found.tracebacks) == (0, 0, 0, 0)
    assert found.is_clean


ONCE_A_FAULT: list[tuple[bytes, Header, int]] = [
    (b"", (b"Content-Type", b"text/plain; charset=hex"), 200),
    (b"?a=%41", (b"Content-Type", b"text/plain; charset=idna"), 200),
    (b"", (b"Content-Type", b"text/plain; charset=undefined"), 200),
    (TOO_MANY_FIELDS, (b"Content-Type", b"text/plain; charset=utf-8"), 400),
    (TOO_MANY_FIELDS, (b"Accept", b"*/*"), 400),
    (b"", (b"SCRIPT_NAME", b"/evil"), 200),
    (b"", (b"SCRIPT_NAME", b"/api"), 200),
    (b"", (b"PATH_INFO", b"/admin/"), 200),
    (b"", (b"X-Forwarded-Host", b"evil.example"), 200),
]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(ONCE_A_FAULT)))
def test_what_once_was_a_fault_is_answered_and_counted(server: Server, number: int) -> None:
    query, header, status = ONCE_A_FAULT[number]
    path = f"/api/test/once-a-fault/n{number}z"
    sent = request(mark_of(9_000_000 + number), target=path.encode() + query, headers=[header])

    outcome = send(("127.0.0.1", server.port), Attack("once a fault", "", (sent,)))

    assert outcome.status == status
    sql = "SELECT status FROM stats_event WHERE path = %s"
    assert wait_for(lambda: server.rows(sql, path)), server.output()[-2000:]
    assert server.rows(sql, path) == [(status,)]
    assert "Traceback" not in server.output()


@pytest.mark.slow
def test_a_session_that_holds_a_nul_is_no_session(server: Server) -> None:
    cookie = (b"Cookie", b'sessionid="\\000aaaaaaaaaaaa"')
    sent = request(mark_of(0), target=b"/admin/login/", headers=[cookie])

    outcome = send(("127.0.0.1", server.port), Attack("cookie", "", (sent,)))

    assert outcome.status == 200
    assert "Traceback" not in server.output()
