"""The consumer counts each event once, whatever is delivered how often."""

from __future__ import annotations

import random
import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone
from django_q.models import OrmQ
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import queue
from gateway.events import encode
from gateway.models import QueuedBatch
from stats import consumer as consumer_module
from stats import pausing
from stats import store as store_module
from stats.consumer import Consumer, Totals, Work, drain
from stats.models import ConsumerHeartbeat, DeadLetter, Event, PathStatsHourly

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


def rolled_up() -> int:
    return sum(PathStatsHourly.objects.values_list("requests", flat=True))


def assert_rollups_equal_rows() -> None:
    """The invariant of the whole project, recomputed from the rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT route, to_timestamp("timestamp" / 3600000 * 3600), count(*),
                   count(*) FILTER (WHERE status >= 400), sum(response_bytes),
                   min(response_time), max(response_time)
            FROM stats_event GROUP BY 1, 2 ORDER BY 1, 2
            """
        )
        rows = cursor.fetchall()
    rollups = PathStatsHourly.objects.order_by("route", "hour").values_list(
        "route", "hour", "requests", "errors", "response_bytes", "response_time_min", "response_time_max"
    )
    assert rows == list(rollups)


def deliver_again(payload: str, times: int) -> None:
    for _ in range(times):
        queue.enqueue([(payload, 1)])


def test_an_event_is_stored_and_rolled_up(send, make_event):
    event = make_event(status=404, response_time=2.5, response_bytes=7)
    send(event)

    drain()

    stored = Event.objects.get()
    for field in set(event.__struct_fields__) - {"v"}:
        assert getattr(stored, field) == getattr(event, field)
    hour = PathStatsHourly.objects.get()
    assert (hour.route, hour.requests, hour.errors, hour.status_4xx) == (event.route, 1, 1, 1)
    assert (hour.response_time_sum, hour.response_time_min, hour.response_time_max) == (2.5, 2.5, 2.5)
    assert hour.response_bytes == 7
    assert not QueuedBatch.objects.exists()


def test_each_status_class_has_its_column(send, make_event):
    send(*(make_event(status=status) for status in (101, 200, 204, 302, 404, 500, 599)))

    drain()

    hour = PathStatsHourly.objects.get()
    counts = (hour.status_1xx, hour.status_2xx, hour.status_3xx, hour.status_4xx, hour.status_5xx)
    assert counts == (1, 2, 1, 1, 2)
    assert (hour.requests, hour.errors) == (7, 3)


def test_the_same_batch_delivered_five_times_counts_once(send, make_event):
    send(*(make_event() for _ in range(10)))
    deliver_again(QueuedBatch.objects.get().payload, 4)

    totals = drain()

    assert (totals.inserted, totals.duplicates) == (10, 40)
    assert Event.objects.count() == rolled_up() == 10


def test_an_event_twice_in_one_batch_and_in_two_batches_counts_once(send, make_event):
    event = make_event()
    send(event, event, make_event())
    send(event)

    totals = drain()

    assert (totals.inserted, totals.duplicates) == (2, 2)
    assert Event.objects.count() == rolled_up() == 2


def test_an_event_that_is_counted_already_changes_nothing_later(send, make_event):
    event = make_event()
    send(event)
    drain()
    send(event)
    drain()

    assert Event.objects.count() == rolled_up() == 1


def test_events_of_two_hours_and_days_are_rolled_up_apart(send, make_event):
    noon = 1_763_900_000_000
    send(*(make_event(timestamp=noon + hours * 3_600_000) for hours in (0, 1, 24, 24)))

    drain()

    assert sorted(PathStatsHourly.objects.values_list("requests", flat=True)) == [1, 1, 2]
    assert_rollups_equal_rows()


def test_a_colon_in_a_route_does_not_tear_it_apart(send, make_event):
    send(make_event(route="/v1/docs:batchGet", path="/v1/docs:batchGet"))

    drain()

    assert PathStatsHourly.objects.get().route == "/v1/docs:batchGet"


def test_another_request_under_the_same_id_is_a_collision_not_a_duplicate(send, make_event):
    first = make_event()
    second = make_event(idempotent_id=first.idempotent_id, timestamp=first.timestamp)
    send(first)
    send(second)

    totals = drain()

    assert (totals.inserted, totals.duplicates, totals.dead) == (1, 0, 1)
    letter = DeadLetter.objects.get()
    assert (letter.reason, letter.event_id) == ("collision", first.idempotent_id)
    assert letter.payload == encode(second).decode()


def test_the_heartbeat_counts_what_was_done(send, make_event):
    ConsumerHeartbeat.objects.all().delete()
    event = make_event()
    send(event, event)

    drain()

    beat = ConsumerHeartbeat.objects.get()
    assert (beat.batches, beat.events, beat.duplicates, beat.dead) == (1, 1, 1, 0)


def test_a_batch_deleted_by_another_consumer_is_not_counted_here(send, make_event):
    send(make_event())
    claims = queue.claim()
    QueuedBatch.objects.all().delete()

    consumer = Consumer()
    consumer._process(Work(claims), Totals(), may_claim=False)

    assert not Event.objects.exists()


def test_two_consumers_at_once_count_each_event_once(send, make_event):
    events = [make_event(route=f"/r{n % 7}") for n in range(3000)]
    for start in range(0, 3000, 500):
        send(*events[start : start + 500])
        send(*events[start : start + 500])

    def work() -> None:
        try:
            Consumer().drain()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drain()

    assert Event.objects.count() == rolled_up() == 3000
    assert_rollups_equal_rows()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_deliveries_of_any_events_leave_rollups_equal_to_rows(store, make_event, data):
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE stats_event, stats_pathstatshourly, gateway_queuedbatch")
    pool = [
        make_event(
            route=f"/route-{data.draw(st.integers(0, 3))}",
            timestamp=1_763_900_000_000 + data.draw(st.integers(0, 3 * 86_400_000)),
            status=data.draw(st.sampled_from([200, 301, 404, 503])),
            response_time=data.draw(st.floats(0, 1e6)),
            response_bytes=data.draw(st.integers(0, 2**40)),
        )
        for _ in range(data.draw(st.integers(1, 12)))
    ]
    sent = set()
    for batch in data.draw(st.lists(st.lists(st.sampled_from(pool), min_size=1, max_size=20), max_size=8)):
        queue.send([encode(event) for event in batch])
        sent |= {event.idempotent_id for event in batch}
        if random.random() < 0.5:
            drain()
    drain()

    assert set(Event.objects.values_list("idempotent_id", flat=True)) == sent
    assert_rollups_equal_rows()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paths=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
        | st.sampled_from(["\\N", "\\.", "a\tb", "a\nb", "a\r\nb", "\\t", '"', "{,}", "\x7f\x1b"]),
        min_size=1,
        max_size=8,
    )
)
def test_any_text_is_stored_as_it_came(store, make_event, paths):
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE stats_event, stats_pathstatshourly, gateway_queuedbatch")
    events = [make_event(path=path, route=path, user_agent=path, host=path) for path in paths]
    queue.send([encode(event) for event in events])

    drain()

    stored = Event.objects.values_list("idempotent_id", "path", "route", "user_agent", "host")
    assert sorted(stored) == sorted((event.idempotent_id, *[event.path] * 4) for event in events)
    assert_rollups_equal_rows()


def test_an_event_that_another_writer_stores_between_look_and_insert_is_a_duplicate(
    send, make_event, monkeypatch
):
    """Nobody else writes events while the consumer does; if somebody did, nothing would be counted twice."""
    events = [make_event() for _ in range(3)]
    send(*events)
    really_look, looks = store_module._unseen, 0

    def look(candidates):
        nonlocal looks
        looks += 1
        unseen = really_look(candidates)
        if looks == 1:
            other = threading.Thread(target=insert_alone, args=[events[1]])
            other.start()
            other.join()
        return unseen

    monkeypatch.setattr(store_module, "_unseen", look)
    totals = drain()

    assert (looks, totals.inserted, totals.duplicates, totals.dead) == (2, 2, 1, 0)
    assert (Event.objects.count(), rolled_up()) == (3, 2)


def insert_alone(event):
    try:
        with connection.cursor() as cursor, cursor.copy(store_module._COPY) as copy:
            copy.write(store_module._lines([event]))
    finally:
        connections.close_all()


def test_what_comes_next_is_claimed_in_the_transaction_before(send, make_event, settings, monkeypatch):
    settings.TRAFFIC_TRANSACTION_EVENTS = 10
    for _ in range(5):
        send(*(make_event() for _ in range(10)))
    claims = []
    monkeypatch.setattr(queue, "claim", lambda really=queue.claim, **how: claims.append(1) or really(**how))

    assert drain().batches == 5

    assert len(claims) == 2  # the first batch, and the look that finds no more
    assert Event.objects.count() == rolled_up() == 50
    assert queue.depth().batches == 0


def test_a_transaction_that_fails_leaves_what_was_claimed_ahead_untouched(
    send, make_event, settings, monkeypatch
):
    settings.TRAFFIC_TRANSACTION_EVENTS = 10
    for _ in range(2):
        send(*(make_event() for _ in range(10)))
    consumer = Consumer()

    with monkeypatch.context() as patch:
        patch.setattr(queue, "finish", lambda claims: (_ for _ in ()).throw(RuntimeError("not now")))
        work = Work(queue.claim())
        assert consumer._process(work, Totals(), may_claim=True) is None

    assert list(QueuedBatch.objects.order_by("id").values_list("deliveries", flat=True)) == [1, 0]


def test_a_pause_gives_back_what_was_claimed_ahead(send, make_event, settings, monkeypatch):
    settings.TRAFFIC_TRANSACTION_EVENTS = 10
    for _ in range(3):
        send(*(make_event() for _ in range(10)))
    answers = iter([False, True])
    monkeypatch.setattr(pausing, "is_paused", lambda: next(answers))

    assert drain().batches == 1

    waiting = QueuedBatch.objects.order_by("id")
    assert list(waiting.values_list("deliveries", flat=True)) == [0, 0]
    assert queue.is_due()


def test_a_drain_that_ends_leaves_nothing_claimed(send, make_event, settings):
    settings.TRAFFIC_TRANSACTION_EVENTS = 10
    settings.TRAFFIC_DRAIN_SECONDS = 1e-9
    for _ in range(3):
        send(*(make_event() for _ in range(10)))
    drain()
    assert list(QueuedBatch.objects.values_list("deliveries", flat=True)) == [0, 0, 0]


def test_while_events_keep_coming_one_doorbell_is_enough(send, make_event, monkeypatch):
    send(make_event())
    looks = 0

    def sleep(seconds):
        nonlocal looks
        looks += 1
        if looks <= 3:
            send(make_event(), make_event())

    monkeypatch.setattr(consumer_module, "QUIET_SECONDS", 0.3)
    monkeypatch.setattr(time, "sleep", sleep)
    totals = Consumer().drain(attend=True)

    assert (totals.inserted, totals.batches) == (7, 4)
    assert rolled_up() == 7


def test_who_attends_hands_over_to_the_next_doorbell(send, make_event, monkeypatch):
    monkeypatch.setattr(consumer_module, "ATTEND_SECONDS", 0.05)
    monkeypatch.setattr(consumer_module, "LOOK_SECONDS", 0.01)
    send(make_event())
    OrmQ.objects.all().delete()

    assert Consumer().drain(attend=True).inserted == 1

    assert OrmQ.objects.count() == 1


def test_an_idle_queue_is_not_attended(store, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits for nothing"))
    OrmQ.objects.all().delete()
    assert Consumer().drain(attend=True).batches == 0
    assert not OrmQ.objects.exists()


def test_a_database_that_fails_between_two_transactions_takes_no_delivery_from_what_was_claimed_ahead(
    send, make_event, settings, monkeypatch
):
    settings.TRAFFIC_TRANSACTION_EVENTS = 10
    for _ in range(3):
        send(*(make_event() for _ in range(10)))
    answers = iter([False])

    def is_paused():
        for answer in answers:
            return answer
        raise OperationalError("gone")

    consumer = Consumer()
    with monkeypatch.context() as patch:
        patch.setattr(pausing, "is_paused", is_paused)
        assert consumer.drain().batches == 1
    assert sorted(QueuedBatch.objects.values_list("deliveries", flat=True)) == [0, 1]

    consumer._settle_debts()

    assert list(QueuedBatch.objects.values_list("deliveries", flat=True)) == [0, 0]
    assert consumer.drain().inserted == 20


def test_a_claim_ahead_leaves_alone_what_is_worked_on_though_its_lease_ended(send, make_event, settings):
    """Claimed anew, the batch would not be finished by the hands that store it, and come again for ever."""
    settings.TRAFFIC_LEASE = 0
    send(*(make_event() for _ in range(100)))
    current = queue.claim()
    with transaction.atomic():
        assert queue.hold(current) == current
        assert queue.claim_ahead(current) == []

    assert drain().batches == 1


def test_a_batch_that_comes_late_with_an_old_time_is_found_by_the_same_drain(send, make_event, settings):
    """A claim ahead looks behind the current batches only; the last claim of a drain looks at all."""
    settings.TRAFFIC_TRANSACTION_EVENTS = 10
    send(*(make_event() for _ in range(10)))
    current = queue.claim()
    send(*(make_event() for _ in range(10)))
    QueuedBatch.objects.exclude(pk=current[0].id).update(visible_at=timezone.now() - timedelta(hours=1))
    assert queue.claim_ahead(current) == []

    queue.give_back(current, "", delay=0)
    assert drain().inserted == 20
