"""What the consumer does when something fails: whose fault it was decides."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from gateway import queue
from gateway.events import encode, encode_batch
from gateway.models import QueuedBatch
from gateway.queue import deliveries, parts, transactions
from stats import breaker as breaker_module
from stats import consumer as consumer_module
from stats import dead_letters
from stats.consumer import Consumer, Totals, Work, drain
from stats.models import ConsumerHeartbeat, DeadLetter, Event, PathStatsHourly

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture(autouse=True)
def impatient(settings, store):
    settings.TRAFFIC_RETRY_DELAY = 0.01
    settings.TRAFFIC_LEASE = 0.2


def rolled_up() -> int:
    return sum(PathStatsHourly.objects.values_list("requests", flat=True))


@contextmanager
def poisonous(path: str) -> Iterator[None]:
    """The database refuses events with this path: they pass validation and fail all the same."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE stats_event ADD CONSTRAINT poison CHECK (path <> %s)", [path])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE stats_event DROP CONSTRAINT poison")


@contextmanager
def slow(milliseconds: int) -> Iterator[None]:
    """The database takes so long for each event that it stores."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$BEGIN PERFORM pg_sleep({milliseconds / 1000}); RETURN NEW; END$$"
        )
        cursor.execute(
            "CREATE TRIGGER dawdle BEFORE INSERT ON stats_event FOR EACH ROW EXECUTE FUNCTION dawdle()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION dawdle CASCADE")


def drain_until_empty(seconds: float = 20.0) -> None:
    ends_at = time.monotonic() + seconds
    while QueuedBatch.objects.exists():
        assert time.monotonic() < ends_at, "the queue does not drain"
        drain()
        time.sleep(0.01)


def test_one_poisonous_event_of_a_hundred_becomes_a_dead_letter_and_the_others_count(send, make_event):
    events = [make_event() for _ in range(100)]
    poison = events[37]
    send(*events)

    with poisonous(poison.path):
        drain_until_empty()

    assert Event.objects.count() == rolled_up() == 99
    letter = DeadLetter.objects.get()
    assert (letter.event_id, letter.reason, letter.state) == (poison.idempotent_id, "exhausted", "dead")
    assert "IntegrityError" in letter.error
    assert "poison" in letter.error
    assert "Traceback" in letter.traceback
    assert letter.payload == encode(poison).decode()
    assert letter.deliveries == 4 + 6  # one and three retries, then 100, 50, 25, 13, 6, 3, 1 events
    assert letter.first_failed_at < letter.last_failed_at

    assert dead_letters.redrive(DeadLetter.objects.all(), by="test") == 1
    drain_until_empty()
    assert Event.objects.count() == rolled_up() == 100

    assert dead_letters.redrive(DeadLetter.objects.all(), by="test") == 0
    assert DeadLetter.objects.get().state == "redriven"


def test_the_neighbours_of_a_poisonous_batch_do_not_wait_for_its_retries(send, make_event, settings):
    settings.TRAFFIC_RETRY_DELAY = 60
    poison = make_event()
    send(poison)
    send(make_event())
    send(make_event())

    with poisonous(poison.path):
        drain()

    assert Event.objects.count() == 2
    waiting = QueuedBatch.objects.get()
    assert waiting.deliveries == 2
    assert "poison" in waiting.last_error


def test_a_delivery_is_counted_before_the_work(send, make_event):
    send(make_event())

    (claimed,) = queue.claim()

    assert claimed.deliveries == QueuedBatch.objects.get().deliveries == 1
    assert queue.claim() == []
    time.sleep(0.25)
    (again,) = queue.claim()
    assert again.deliveries == 2
    assert queue.hold([claimed]) == []


def test_a_batch_whose_consumer_died_on_every_delivery_is_halved(send, make_event):
    send(make_event(), make_event())
    for _ in range(4):
        assert queue.claim()  # and nobody is left to say how it ended
        time.sleep(0.21)

    drain()

    assert Event.objects.count() == 2
    assert not DeadLetter.objects.exists()


def test_a_lone_event_that_kills_every_consumer_becomes_a_dead_letter(send, make_event):
    event = make_event()
    send(event)
    for _ in range(4):
        assert queue.claim()
        time.sleep(0.21)

    drain()

    letter = DeadLetter.objects.get()
    assert (letter.event_id, letter.reason) == (event.idempotent_id, "exhausted")
    assert "died" in letter.error


def test_a_claimed_group_is_retried_singly(send, make_event):
    for _ in range(3):
        send(make_event())
    assert len(queue.claim()) == 3
    time.sleep(0.21)

    assert [len(queue.claim()) for _ in range(4)] == [1, 1, 1, 0]


def test_a_read_only_database_gives_the_delivery_back(send, make_event):
    send(make_event())
    consumer = Consumer()
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        consumer.drain()
    finally:
        connection.close()
    assert QueuedBatch.objects.get().deliveries == 0

    consumer.drain()
    assert Event.objects.count() == 1


def test_a_lock_on_the_tables_gives_the_delivery_back(send, make_event, monkeypatch):
    send(make_event())
    monkeypatch.setattr(transactions, "LOCK_SECONDS", 0.2)
    consumer = Consumer()
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE stats_pathstatshourly IN ACCESS EXCLUSIVE MODE")
        consumer.drain()
        assert consumer.owed
    finally:
        other.close()

    consumer.drain()

    assert Event.objects.count() == 1
    assert not DeadLetter.objects.exists()


def test_a_batch_too_large_to_be_stored_in_time_is_taken_apart_and_counts(make_event, monkeypatch):
    monkeypatch.setattr(deliveries, "WORK_SECONDS", 0.5)
    events = [make_event() for _ in range(1_000)]
    queue.enqueue([(encode_batch([encode(event) for event in events]).decode(), 1)])

    with slow(milliseconds=1):
        drain_until_empty()

    assert Event.objects.count() == rolled_up() == 1_000
    assert not DeadLetter.objects.exists()


def test_a_batch_of_too_many_bytes_is_taken_apart(make_event, monkeypatch):
    monkeypatch.setattr(parts, "MAX_BATCH_BYTES", 100_000)
    bad = [*(f'"{number:030000}"' for number in range(10)), '"' + "x" * 200_000 + '"']
    queue.enqueue([(f"[{','.join([encode(make_event()).decode(), *bad])}]", 12)])

    Consumer()._process(Work(queue.claim()), Totals(), may_claim=False)

    waiting = QueuedBatch.objects.order_by("id")
    assert [batch.events for batch in waiting] == [4, 3, 3, 1, 1]
    assert {(batch.deliveries, batch.max_deliveries) for batch in waiting} == {(0, 4)}
    drain_until_empty()
    assert Event.objects.count() == 1
    assert sorted(DeadLetter.objects.values_list("payload", flat=True)) == sorted(bad)


def test_batches_of_many_bytes_are_not_claimed_together(store, monkeypatch):
    monkeypatch.setattr(deliveries, "CLAIM_BYTES", 250_000)
    queue.enqueue([(f'["{"x" * size}"]', 1) for size in (100_000, 100_000, 100_000, 300_000, 10)])

    claims = [[len(claimed.payload) for claimed in queue.claim()] for _ in range(3)]

    assert claims == [[100_004, 100_004, 14], [100_004], [300_004]]


def test_a_database_too_slow_for_any_batch_makes_no_dead_letter_and_no_parts(send, make_event, monkeypatch):
    monkeypatch.setattr(deliveries, "WORK_SECONDS", 0.1)
    for _ in range(3):
        send(*(make_event() for _ in range(20)))
    consumer = Consumer()

    with slow(milliseconds=20):
        for _ in range(8):
            consumer.drain()
    consumer._settle_debts()

    assert [batch.events for batch in QueuedBatch.objects.all()] == [20, 20, 20]
    assert all(batch.deliveries <= 1 for batch in QueuedBatch.objects.all())
    drain_until_empty()
    assert Event.objects.count() == rolled_up() == 60
    assert not DeadLetter.objects.exists()


def test_batches_that_are_too_slow_together_are_stored_singly(send, make_event, monkeypatch):
    monkeypatch.setattr(deliveries, "WORK_SECONDS", 0.5)
    for _ in range(10):
        send(*(make_event() for _ in range(100)))

    with slow(milliseconds=1):
        drain()

    assert Event.objects.count() == rolled_up() == 1_000


def test_a_session_that_dies_ten_times_under_the_same_batch_makes_no_dead_letter(
    send, make_event, monkeypatch
):
    events = [make_event() for _ in range(100)]
    send(*events)
    consumer = Consumer()
    outages = 0
    really_store = consumer_module.store

    def store_in_a_dying_session(events, beside):
        nonlocal outages
        outages += 1
        if outages <= 10:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return really_store(events, beside)

    monkeypatch.setattr(consumer_module, "store", store_in_a_dying_session)
    for _ in range(11):
        consumer.drain()

    assert outages == 11
    assert not DeadLetter.objects.exists()
    assert Event.objects.count() == rolled_up() == 100


def test_when_everything_fails_the_breaker_opens_and_nothing_is_dead_lettered(send, make_event, monkeypatch):
    monkeypatch.setattr(breaker_module, "PROBE_SECONDS", (0.05, 0.1))
    monkeypatch.setattr(consumer_module, "GIVE_BACK_SECONDS", 0.01)
    for _ in range(8):
        send(make_event(path="/bad"))
    consumer = Consumer()

    with poisonous("/bad"):
        for _ in range(60):
            consumer.drain()
            time.sleep(0.01)
        assert consumer.breaker.is_open
        heartbeat = ConsumerHeartbeat.objects.get()
        assert heartbeat.breaker == "open"
        assert "poison" in heartbeat.breaker_error
        deliveries = sum(QueuedBatch.objects.values_list("deliveries", flat=True))
        for _ in range(30):  # a new worker knows it too, and probes cost the batches nothing
            Consumer().drain()
            time.sleep(0.01)
        assert sum(QueuedBatch.objects.values_list("deliveries", flat=True)) == deliveries
        assert not DeadLetter.objects.exists()

    drain_until_empty()
    assert Event.objects.count() == rolled_up() == 8
    assert ConsumerHeartbeat.objects.get().breaker == "closed"


def test_batches_with_one_poisonous_event_each_do_not_stop_the_counting(send, make_event):
    for _ in range(6):
        send(*(make_event() for _ in range(9)), make_event(path="/bad"))

    with poisonous("/bad"):
        drain_until_empty()

    assert Event.objects.count() == rolled_up() == 54
    assert DeadLetter.objects.count() == 6


def test_a_redrive_does_not_chase_what_fails_again_meanwhile(store):
    queue.enqueue([("[1]", 1), ("[2]", 1)])
    drain()
    really_put_back = queue.put_back

    def put_back_and_fail_again(batches, delay):
        ids = really_put_back(batches, delay)
        dead_letters.bury([dead_letters.Failure("3", DeadLetter.Reason.SCHEMA, "again", 1)])
        return ids

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "put_back", put_back_and_fail_again)
        assert dead_letters.redrive(DeadLetter.objects.all(), by="test") == 2


def test_a_batch_of_nothing_but_poison_opens_the_breaker_before_it_is_all_dead(send, make_event):
    send(*(make_event(path="/bad") for _ in range(100)))

    with poisonous("/bad"):
        for _ in range(200):
            drain()
            time.sleep(0.005)
        assert ConsumerHeartbeat.objects.get().breaker == "open"
        assert DeadLetter.objects.count() < breaker_module.EXHAUSTED

    ConsumerHeartbeat.objects.update(probe_at=None)


def test_a_future_event_waits_and_its_neighbours_count(send, make_event):
    soon = int(time.time() * 1000) + 6 * 60_000
    send(make_event(timestamp=soon), make_event())

    drain()

    assert Event.objects.count() == 1
    waiting = QueuedBatch.objects.get()
    assert (waiting.events, waiting.last_error) == (1, "waits for its time")
    assert 55 < (waiting.visible_at - waiting.created_at).total_seconds() < 65


def test_a_future_event_is_a_dead_letter_after_an_hour(send, make_event):
    send(make_event(timestamp=int(time.time() * 1000) + 2 * 3_600_000))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gateway_queuedbatch SET created_at = now() - interval '1 hour'")

    drain()

    assert DeadLetter.objects.get().reason == "future"
    assert not QueuedBatch.objects.exists()


def test_a_few_minutes_ahead_is_a_clock_and_counts(send, make_event):
    send(make_event(timestamp=int(time.time() * 1000) + 4 * 60_000))

    drain()

    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("payload", "reason", "error"),
    [
        ('[{"v": 2}]', "schema", "v: 2 is no known schema version"),
        ("[17]", "undecodable", "not a JSON object"),
        ('[{"idempotent_id": "x"}]', "schema", "idempotent_id: "),
        ('[{"v": 1}', "undecodable", "batch is no JSON array"),
        ("\u2603 torn", "undecodable", "batch is no JSON array"),
        ('{"v": 1}', "undecodable", "batch is no JSON array"),
    ],
)
def test_what_never_can_be_valid_is_a_dead_letter_at_once(store, payload, reason, error):
    queue.enqueue([(payload, 1)])

    drain()

    letter = DeadLetter.objects.get()
    assert (letter.reason, letter.deliveries) == (reason, 1)
    assert error in letter.error
    assert letter.payload == (payload[1:-1] if payload.endswith("]") else payload)
    assert not QueuedBatch.objects.exists()


def test_an_event_of_before_2001_is_a_dead_letter_too_old(send, make_event):
    payload = encode(make_event()).replace(b"1763900000", b"0807264000")
    queue.send([payload.replace(b'"timestamp":0', b'"timestamp":'), encode(make_event())])

    drain()

    assert DeadLetter.objects.get().reason == "too_old"
    assert Event.objects.count() == 1


def test_redriving_what_is_unreadable_brings_it_back_as_it_was(store):
    queue.enqueue([("[1, 2", 1)])
    drain()

    assert dead_letters.redrive(DeadLetter.objects.filter(state="dead"), by="test") == 1
    drain()

    assert list(DeadLetter.objects.order_by("id").values_list("state", "payload")) == [
        ("redriven", "[1, 2"),
        ("dead", "[1, 2"),
    ]


def test_discarding_keeps_the_letter_and_says_who(store):
    queue.enqueue([("[1]", 1)])
    drain()

    assert dead_letters.discard(DeadLetter.objects.all(), by="ada") == 1
    assert dead_letters.discard(DeadLetter.objects.all(), by="bob") == 0

    letter = DeadLetter.objects.get()
    assert (letter.state, letter.settled_by) == ("discarded", "ada")
    assert letter.settled_at is not None
