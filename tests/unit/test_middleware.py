"""Each request makes one event, beside the request and never in its way."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import ExitStack
from http import HTTPStatus

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.core.signals import request_finished
from django.db import close_old_connections, connections
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import path

from gateway import metrics, sender
from gateway.conf import DEFAULT_EXCLUDE
from gateway.events import MAX_PATH, MAX_USER_AGENT, decode, encode
from gateway.idempotency import generate_idempotent_id, hash_ip
from gateway.middleware import TrafficMiddleware
from gateway.models import QueuedBatch
from stats.models import ConsumerHeartbeat

factory = RequestFactory()


class Failure(Exception):
    """What a view raised."""


@pytest.fixture(autouse=True, scope="module")
def _connections_stay():
    """As Django's test client has it: closing a response must not close a test's transaction."""
    request_finished.disconnect(close_old_connections)
    yield
    request_finished.connect(close_old_connections)


@pytest.fixture
def captured(fresh_sender):
    """The events handed over: a real sender that is stopped already, so that they stay where they are."""
    fresh_sender.stop(0)

    def events():
        fresh_sender.inbox.take()
        return [waiting.event for waiting in fresh_sender.inbox.waiting]

    yield events
    fresh_sender.inbox.waiting.clear()


def answer(request, response=None, *, error=None):
    """What the middleware returns for a view that answers or raises so."""

    def view(request):
        if error is not None:
            raise error
        return HttpResponse(b"12345") if response is None else response

    return TrafficMiddleware(view)(request)


def answer_async(request, response=None, *, error=None):
    async def view(request):
        if error is not None:
            raise error
        return HttpResponse(b"12345") if response is None else response

    return asyncio.run(TrafficMiddleware(view)(request))


BOTH_WAYS = pytest.mark.parametrize("way", [answer, answer_async], ids=["sync", "async"])


@BOTH_WAYS
def test_an_answered_request_is_one_event(captured, way):
    response = way(factory.get("/orders/17", HTTP_USER_AGENT="curl/8", HTTP_HOST="shop.example"))

    (event,) = captured()
    assert response.content == b"12345"
    assert (event.path, event.route, event.method) == ("/orders/17", "/orders/{id}", "GET")
    assert (event.status, event.response_bytes) == (200, 5)
    assert (event.host, event.user_agent, event.country) == ("shop.example", "curl/8", "")
    assert event.client_ip_hash == hash_ip("127.0.0.1")
    assert 0 <= event.response_time < 1000
    assert event.idempotent_id == generate_idempotent_id(
        event.timestamp, event.client_ip_hash, event.path, event.request_id
    )
    assert decode(encode(event)) == event


def test_the_edge_s_word_is_in_the_event(captured):
    arrival = time.time_ns() // 1_000_000
    answer(
        factory.get(
            "/",
            HTTP_CF_CONNECTING_IP="203.0.113.9",
            HTTP_CF_RAY="8f1e-abc",
            HTTP_CF_IPCOUNTRY="SE",
            HTTP_X_REQUEST_START=f"t={arrival - 1500}",
        )
    )

    (event,) = captured()
    assert (event.request_id, event.country, event.timestamp) == ("8f1e-abc", "SE", arrival - 1500)
    assert event.client_ip_hash == hash_ip("203.0.113.9")
    assert event.response_time < 1000


def test_a_start_that_is_ignored_is_counted(captured):
    before = metrics.total(metrics.start_ignored)
    answer(factory.get("/", HTTP_X_REQUEST_START="soon"))
    assert len(captured()) == 1
    assert metrics.total(metrics.start_ignored) == before + 1


@BOTH_WAYS
@pytest.mark.parametrize("error", [Failure(), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_view_that_raises_is_a_500_and_still_raises(captured, way, error):
    with pytest.raises(type(error)):
        way(factory.get("/"), error=error)
    assert [event.status for event in captured()] == [500]


def test_a_request_whose_client_left_is_a_499(captured):
    with pytest.raises(asyncio.CancelledError):
        answer_async(factory.get("/"), error=asyncio.CancelledError())
    assert [event.status for event in captured()] == [499]


def test_the_time_is_the_view_s(captured):
    async def view(request):
        await asyncio.sleep(0.05)
        return HttpResponse()

    asyncio.run(TrafficMiddleware(view)(factory.get("/")))
    (event,) = captured()
    assert 50 <= event.response_time < 1000


@BOTH_WAYS
def test_the_query_string_is_not_in_the_path(captured, way):
    way(factory.get("/search?token=secret"))
    (event,) = captured()
    assert event.path == "/search"
    assert b"secret" not in encode(event)


@BOTH_WAYS
def test_head_has_no_bytes(captured, way, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"123")
    way(factory.head("/"))
    way(factory.head("/file"), FileResponse(path.open("rb"))).close()
    assert [event.response_bytes for event in captured()] == [0, 0]


@BOTH_WAYS
def test_a_stream_is_counted_at_its_close(captured, way):
    response = way(factory.get("/"), StreamingHttpResponse([b"12", b"345"], status=206))
    assert captured() == []
    assert b"".join(response) == b"12345"
    response.close()
    response.close()

    assert [(event.status, event.response_bytes) for event in captured()] == [(206, 5)]


def test_a_file_is_counted_with_and_without_sendfile(captured, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"123")
    with_sendfile = factory.get("/", **{"wsgi.file_wrapper": object})
    answer(with_sendfile, FileResponse(path.open("rb"))).close()
    answered = answer(factory.get("/"), FileResponse(path.open("rb")))
    b"".join(answered)
    answered.close()

    assert [event.response_bytes for event in captured()] == [3, 3]


@pytest.mark.parametrize(
    "excluded", [entry.rstrip("/") + rest for entry in DEFAULT_EXCLUDE for rest in ("", "/", "/x")]
)
@BOTH_WAYS
def test_what_is_no_traffic_is_not_counted(captured, way, excluded):
    assert way(factory.get(excluded)).content == b"12345"
    assert captured() == []


def test_nothing_is_excluded_by_an_empty_list(settings, captured):
    settings.TRAFFIC_EXCLUDE = []
    answer(factory.get("/admin/"))
    assert len(captured()) == 1


@BOTH_WAYS
def test_a_pattern_that_can_not_be_read_breaks_no_request(settings, captured, caplog, way):
    settings.TRAFFIC_EXCLUDE = ["re:("]
    assert way(factory.get("/")).status_code == 200
    assert len(captured()) == 1
    assert "TRAFFIC_EXCLUDE could not be read" in caplog.text


@BOTH_WAYS
def test_capture_can_be_switched_off(settings, captured, way):
    settings.TRAFFIC_ENABLED = False
    assert way(factory.get("/")).content == b"12345"
    with pytest.raises(Failure):
        way(factory.get("/"), error=Failure())
    assert captured() == []


@BOTH_WAYS
def test_a_broken_sender_breaks_no_request_and_is_counted(monkeypatch, caplog, way):
    class Broken(sender.Sender):
        def submit(self, what):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(sender, "current", Broken())
    before = metrics.total(metrics.capture_failed)

    assert way(factory.get("/")).content == b"12345"

    assert metrics.total(metrics.capture_failed) == before + 1
    assert "can't start new thread" in caplog.text


@BOTH_WAYS
def test_a_wrong_setting_breaks_no_request(settings, captured, way):
    settings.TRUSTED_PROXIES = ["nowhere"]
    assert way(factory.get("/")).content == b"12345"
    assert captured() == []


def test_a_response_that_can_not_be_measured_is_counted(captured, caplog):
    class Strange(HttpResponse):
        @property
        def content(self):
            raise Failure

        @content.setter
        def content(self, value):
            pass

    answer(factory.get("/"), Strange())
    assert [event.response_bytes for event in captured()] == [0]


@pytest.mark.parametrize(("status", "counted"), [(700, 599), (99, 100), (0, 100), (599, 599)])
def test_a_status_that_is_none_is_counted_as_the_nearest(captured, status, counted):
    response = HttpResponse()
    response.status_code = status
    answer(factory.get("/"), response)
    (event,) = captured()
    assert decode(encode(event)).status == counted


def test_an_asgi_request_with_an_empty_path_is_counted(captured):
    request = ASGIRequest({"type": "http", "method": "GET", "path": "", "headers": []}, None)
    answer(request)
    (event,) = captured()
    assert decode(encode(event)).path == "/"


@pytest.mark.parametrize("status", ["204", 204.0, HTTPStatus.NO_CONTENT])
def test_a_status_that_a_view_set_as_it_pleased_is_counted(captured, status):
    def view(request):
        response = HttpResponse(b"")
        response.status_code = status
        return response

    TrafficMiddleware(view)(factory.get("/"))
    assert [event.status for event in captured()] == [204]


def test_what_is_too_long_is_cut_visibly(captured):
    answer(factory.get("/" + "p" * 5000, HTTP_USER_AGENT="u" * 5000))
    (event,) = captured()
    assert event.path == "/" + "p" * (MAX_PATH - 2) + "…"
    assert event.user_agent == "u" * (MAX_USER_AGENT - 1) + "…"


def test_a_user_agent_in_utf_8_is_read_as_such(captured):
    answer(factory.get("/", HTTP_USER_AGENT="Bjørk/1 商".encode().decode("latin-1")))
    answer(factory.get("/", HTTP_USER_AGENT="caf\xe9"))
    assert [event.user_agent for event in captured()] == ["Bjørk/1 商", "caf\ufffd"]


# --- through Django's own handlers -----------------------------------------------------------------


def rolled_back(request):
    """Writes, then fails."""
    ConsumerHeartbeat.objects.create(name="rolled back")
    raise Failure


def plain(request, pk):
    """Answers, without a query."""
    return HttpResponse(b"12345")


async def plain_async(request):
    """The same, async."""
    return HttpResponse(b"12345")


urlpatterns = [
    path("plain/<int:pk>", plain),
    path("async", plain_async),
    path("rolled-back", rolled_back),
]
ONLY_OURS = ["gateway.middleware.TrafficMiddleware"]


@pytest.fixture
def ours(settings, captured):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ONLY_OURS
    return captured


@pytest.mark.django_db(databases=["default", "legacy"])
def test_no_query_is_made_on_the_request_path(ours):
    with ExitStack() as stack:
        contexts = [
            stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in ("default", "legacy")
        ]
        Client().get("/plain/5")
    assert [context.captured_queries for context in contexts] == [[], []]
    assert [event.route for event in ours()] == ["/plain/<int:pk>"]


@pytest.mark.django_db
def test_requests_through_an_async_handler_are_counted(ours):
    asyncio.run(AsyncClient().get("/async"))
    asyncio.run(AsyncClient().get("/plain/5"))
    assert [(event.path, event.status) for event in ours()] == [("/async", 200), ("/plain/5", 200)]


def test_an_unmatched_path_is_counted(ours):
    Client().get("/wp-login.php")
    assert [(event.route, event.status) for event in ours()] == [("(not found)", 404)]


@pytest.mark.django_db(transaction=True, databases=["default", "legacy"])
def test_a_view_s_rolled_back_transaction_takes_no_event_with_it(store, settings, monkeypatch, fresh_sender):
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, ONLY_OURS
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)

    Client(raise_request_exception=False).get("/rolled-back")
    fresh_sender.stop(5)

    assert not ConsumerHeartbeat.objects.filter(name="rolled back").exists()
    (batch,) = QueuedBatch.objects.all()
    assert [event["status"] for event in json.loads(batch.payload)] == [500]


def test_the_log_of_a_failure_is_an_error(monkeypatch, caplog):
    monkeypatch.setattr(sender, "current", None)
    with caplog.at_level(logging.ERROR):
        answer(factory.get("/"))
    assert caplog.record_tuples[0][:2] == ("gateway.middleware", logging.ERROR)
