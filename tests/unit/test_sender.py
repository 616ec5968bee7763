"""What is handed to the sender reaches a store, once, whatever refuses for how long."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest
from django.db import connections
from django_q.models import OrmQ

from gateway import delivery, metrics, modes, sender
from gateway.capture import event_of
from gateway.delivery import Backoff, Waiting
from gateway.events import decode, split_batch
from gateway.models import QueuedBatch
from gateway.sender import Sender
from legacy_collector.models import CollectedEvent
from tests.integration.processes import wait_for

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
    pytest.mark.usefixtures("store"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


class Collector:
    """A collector of the user's own, as `TRAFFIC_COLLECTOR` may name one."""

    refuses = False

    def __init__(self):
        self.taken = []

    def ids(self):
        return [event.idempotent_id for events, _, _ in self.taken for event in events]


_collector = Collector()


def collect(events, reasons, *, replay):
    """What `TRAFFIC_COLLECTOR` names in these tests."""
    if _collector.refuses:
        raise OSError("no space left")
    _collector.taken.append((list(events), set(reasons), replay))


@pytest.fixture
def collector(settings, monkeypatch):
    settings.TRAFFIC_COLLECTOR = f"{__name__}.collect"
    monkeypatch.setattr(f"{__name__}._collector", Collector())
    return _collector


@pytest.fixture(autouse=True)
def _own_state(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.TRAFFIC_SEND_TIMEOUT = 0.2
    settings.TRAFFIC_JOURNAL = "off"  # test_journal.py
    OrmQ.objects.all().delete()
    CollectedEvent.objects.all().delete()


@contextmanager
def refusing_queue():
    """The queue's table under somebody's lock: whoever writes to it runs into the time-out."""
    holder = connections["default"].copy()
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE gateway_queuedbatch IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        holder.rollback()
        holder.close()


def holding(*events, from_edge=False):
    """A sender with these events and no thread, to be flushed by hand."""
    one = Sender()
    one.inbox.waiting.extend(Waiting(event, from_edge) for event in events)
    return one


def flush(one):
    """As the thread does after its pauses."""
    one._delivery._queue_backoff.succeeded()
    one._delivery._collector_backoff.succeeded()
    return one.flush()


def queued():
    """The events in the queue, oldest first."""
    payloads = QueuedBatch.objects.order_by("id").values_list("payload", flat=True)
    return [decode(part) for payload in payloads for part in split_batch(payload)]


def ids(events):
    return [event.idempotent_id for event in events]


# --- the queue works -------------------------------------------------------------------------------


def test_an_event_is_in_the_queue_within_a_second(fresh_sender, make_event):
    event = make_event()
    sender.current.submit(event)
    assert wait_for(lambda: queued() == [event], 1.0)


def test_events_are_made_of_facts_while_they_wait(settings, fresh_sender, make_facts):
    settings.TRAFFIC_LINGER = 5
    facts = make_facts()
    sender.current.submit(facts)

    wait_for(lambda: fresh_sender.inbox.waiting, 2)

    assert fresh_sender.inbox.waiting[0].event == event_of(facts)
    assert queued() == []
    fresh_sender.stop(5)
    assert queued() == [event_of(facts)]


@pytest.mark.parametrize("journal", ["os", "off"])
@pytest.mark.parametrize("path", ["/\ud800", "/" + "x" * 9000, "/\u4e2d" * 1500, "/a\x00b"])
def test_facts_that_are_not_usual_make_their_event_too(settings, make_facts, journal, path):
    settings.TRAFFIC_JOURNAL = journal
    one, facts = Sender(), make_facts(path=path)
    one.start = lambda: None
    one.submit(facts)

    one.inbox.take()

    assert [waiting.event for waiting in one.inbox.waiting] == [event_of(facts.bounded())]


def test_events_wait_a_linger_for_company(settings, fresh_sender, make_event):
    settings.TRAFFIC_LINGER = 0.4
    events = [make_event() for _ in range(3)]
    for event in events:
        sender.current.submit(event)
        time.sleep(0.05)
    assert queued() == []

    assert wait_for(lambda: queued() == events, 1.0)
    assert QueuedBatch.objects.count() == 1


def test_all_that_waits_leaves_in_one_transaction_in_batches(make_event):
    events = [make_event() for _ in range(250)]

    assert holding(*events).flush()

    assert list(QueuedBatch.objects.order_by("id").values_list("events", flat=True)) == [100, 100, 50]
    # now() is the transaction's start in PostgreSQL
    assert QueuedBatch.objects.values("created_at").distinct().count() == 1
    assert OrmQ.objects.count() == 1
    assert queued() == events


def test_a_batch_is_readable_json(make_event):
    event = make_event(path="/商品")
    holding(event).flush()
    payload = QueuedBatch.objects.get().payload
    assert json.loads(payload)[0]["path"] == "/商品"
    assert "/商品" in payload


def test_one_hand_over_is_bounded(monkeypatch, make_event):
    monkeypatch.setattr(sender, "TRANSACTION_EVENTS", 10)
    one = holding(*(make_event() for _ in range(25)))
    one.flush()
    assert (len(queued()), len(one.inbox.waiting)) == (10, 15)


def test_a_connection_that_broke_while_idle_is_replaced(settings, make_event, collector):
    settings.TRAFFIC_SEND_TIMEOUT = 2.0
    one = holding(make_event())
    one.flush()
    other = connections["default"].copy()
    with other.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(%s, 1000)", [connections["default"].connection.info.backend_pid]
        )
    other.close()
    one.inbox.waiting.append(Waiting(make_event(), False))

    assert one.flush()

    assert len(queued()) == 2
    assert collector.taken == []


# --- the queue refuses -----------------------------------------------------------------------------


def test_what_the_queue_refuses_the_collector_takes_for_replay(make_event, collector):
    event = make_event()
    with refusing_queue():
        assert holding(event).flush()
    assert collector.taken == [([event], {"fallback"}, True)]
    assert queued() == []


def test_the_real_collector_takes_what_the_queue_refuses(make_event):
    event = make_event()
    with refusing_queue():
        assert holding(event).flush()

    collected = CollectedEvent.objects.get()
    assert (collected.pk, collected.replay_pending) == (event.idempotent_id, True)


def test_a_queue_that_refused_is_left_alone_for_a_moment(make_event, collector):
    one = holding(make_event())
    with refusing_queue():
        one.flush()
    one.inbox.waiting.append(Waiting(make_event(), False))
    one.flush()
    assert queued() == []
    assert len(collector.ids()) == 2

    one._delivery._queue_backoff = Backoff(now=lambda: time.monotonic() + 10)
    one.inbox.waiting.append(Waiting(make_event(), False))
    one.flush()
    assert len(queued()) == 1


def test_what_both_refuse_stays_and_is_delivered_in_order_later(make_event, collector):
    events = [make_event() for _ in range(3)]
    one = holding(*events)
    collector.refuses = True
    with refusing_queue():
        assert not flush(one)
        assert not flush(one)
    one.inbox.waiting.append(Waiting(make_event(), False))
    assert len(one.inbox.waiting) == 4

    collector.refuses = False
    assert flush(one)

    assert ids(queued())[:3] == ids(events)
    assert len(queued()) == 4
    assert (collector.taken, list(one.inbox.waiting)) == ([], [])


def test_the_thread_tries_again_until_a_store_takes_it(monkeypatch, fresh_sender, make_event, collector):
    monkeypatch.setattr(delivery, "RETRY_SECONDS", (0.05, 0.1))
    collector.refuses = True
    event = make_event()
    with refusing_queue():
        sender.current.submit(event)
        time.sleep(0.8)
    assert wait_for(lambda: queued() == [event], 3.0)
    assert collector.taken == []


def test_facts_that_make_no_event_are_tried_again_by_themselves(monkeypatch, fresh_sender, make_facts):
    """Without a journal, too, and though no further request comes."""
    monkeypatch.setattr(delivery, "RETRY_SECONDS", (0.05, 0.1))
    with refusing_queue():
        fresh_sender.submit(make_facts(arrival=5))
        assert wait_for(lambda: fresh_sender.inbox.unreadable, 2)
        time.sleep(0.8)
    assert wait_for(lambda: QueuedBatch.objects.count() == 1, 3.0)
    assert fresh_sender.inbox.unreadable == []


def test_an_error_nobody_expected_does_not_end_the_thread(monkeypatch, fresh_sender, make_event, caplog):
    monkeypatch.setattr(delivery, "RETRY_SECONDS", (0.05, 0.1))
    working, failing = delivery.queue.send_events, iter([ValueError("surprise"), ValueError("again")])

    def send(events):
        for error in failing:
            raise error
        return working(events)

    monkeypatch.setattr(delivery.queue, "send_events", send)
    event = make_event()
    sender.current.submit(event)

    assert wait_for(lambda: queued() == [event], 3.0)
    assert "Sender failed; 1 events wait" in caplog.text


def test_a_backoff_doubles_up_to_its_longest_and_ends_with_success():
    now = [0.0]
    backoff = Backoff(now=lambda: now[0])
    pauses = []
    for _ in range(6):
        backoff.failed()
        pauses.append(backoff.pause)
        assert not backoff.is_over
    assert pauses == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    now[0] += 5.0
    assert backoff.is_over
    backoff.failed()
    backoff.succeeded()
    assert backoff.is_over


# --- the buffer is full ----------------------------------------------------------------------------


def test_past_the_bound_the_newest_is_dropped_loudly_and_counted(settings, make_event, caplog):
    settings.TRAFFIC_BUFFER_EVENTS = 3
    dropped, captured = metrics.total(metrics.dropped), metrics.total(metrics.captured)
    one = Sender()
    one._stopping.set()  # so that no thread empties it
    events = [make_event() for _ in range(5)]
    for event in events:
        one.submit(event)

    one.inbox.take()
    assert [waiting.event for waiting in one.inbox.waiting] == events[:3]
    one.inbox.report()
    assert metrics.total(metrics.dropped) == dropped + 2
    assert metrics.total(metrics.captured) == captured + 5
    assert caplog.records[0].levelno == logging.CRITICAL
    assert "TRAFFIC_BUFFER_EVENTS" in caplog.text


def test_a_flood_of_drops_is_one_line_a_second(settings, make_event, caplog):
    settings.TRAFFIC_BUFFER_EVENTS = 0
    one, event = Sender(), make_event()
    for _ in range(1000):
        one.submit(event)
    assert len(caplog.records) <= 2


def test_no_event_is_sent_before_it_is_counted_as_captured(monkeypatch, make_event, collector):
    captured = metrics.total(metrics.captured)
    one = Sender()
    one.start = lambda: None  # so that only the flush below sends
    one.submit(make_event())
    look = modes.in_force

    def meanwhile():
        one.submit(make_event())  # as a request does, while the flush has begun
        return look()

    monkeypatch.setattr(modes, "in_force", meanwhile)
    one.flush()
    assert len(queued()) == 2
    assert metrics.total(metrics.captured) == captured + 2


# --- modes -----------------------------------------------------------------------------------------


def test_mode_queue_collects_nothing(make_event, collector):
    holding(make_event()).flush()
    assert (len(queued()), collector.taken) == (1, [])


def test_mode_legacy_queues_nothing(settings, make_event, collector):
    settings.STATS_MODE = "legacy"
    event = make_event()
    assert holding(event).flush()
    assert collector.taken == [([event], {"legacy"}, False)]
    assert queued() == []


def test_mode_legacy_keeps_what_the_collector_refuses(settings, make_event, collector):
    settings.STATS_MODE = "legacy"
    collector.refuses = True
    one = holding(make_event())
    assert not one.flush()
    collector.refuses = False
    assert one.flush()
    assert len(collector.ids()) == 1


def test_mode_dual_sends_to_both(settings, make_event, collector):
    settings.STATS_MODE = "dual"
    event = make_event()
    assert holding(event).flush()
    assert collector.taken == [([event], {"dual"}, False)]
    assert queued() == [event]


def test_mode_dual_does_not_queue_again_what_the_collector_refused(settings, make_event, collector):
    settings.STATS_MODE = "dual"
    collector.refuses = True
    one = holding(make_event())
    flush(one)
    flush(one)
    collector.refuses = False
    flush(one)

    assert (len(queued()), len(collector.ids())) == (1, 1)
    assert not one.inbox.waiting


def test_mode_dual_collects_once_what_the_queue_refused(settings, make_event, collector):
    settings.STATS_MODE = "dual"
    event = make_event()
    one = holding(event)
    with refusing_queue():
        flush(one)
    flush(one)

    assert collector.taken == [([event], {"dual", "fallback"}, True)]
    assert queued() == []


def test_mode_dual_goes_on_queueing_while_the_collector_refuses(settings, monkeypatch, make_event, collector):
    monkeypatch.setattr(sender, "TRANSACTION_EVENTS", 5)
    settings.STATS_MODE, settings.TRAFFIC_BUFFER_EVENTS = "dual", 20
    collector.refuses = True
    one = Sender()
    one._stopping.set()  # so that no thread empties it
    events = [make_event() for _ in range(50)]
    for event in events:
        one.submit(event)
        flush(one)

    assert queued() == events
    collector.refuses = False
    for _ in range(10):
        flush(one)
    # Of what the collector refused, as much is kept for it as of anything: the oldest.
    assert collector.ids() == ids(events)[:20]
    assert len(queued()) == 50


def test_an_outage_in_mode_dual_does_not_cost_the_square_of_the_events(settings, make_event, collector):
    settings.STATS_MODE = "dual"
    one = holding(*(make_event() for _ in range(5000)))
    one._delivery._queue_backoff.failed()
    started = time.perf_counter()
    one.flush()
    assert time.perf_counter() - started < 0.5
    assert len(collector.ids()) == 5000


def sampled_and_not(make_event, rate):
    """Ten events that mode sample collects, and ten that it does not."""
    found = {True: [], False: []}
    while min(len(events) for events in found.values()) < 10:
        event = make_event()
        found[modes.is_sampled(event.idempotent_id, rate)].append(event)
    return found[True][:10], found[False][:10]


def test_mode_sample_queues_all_and_collects_its_share(settings, make_event, collector):
    settings.STATS_MODE, settings.STATS_SAMPLE_RATE = "sample", 0.3
    sampled, others = sampled_and_not(make_event, 0.3)

    assert holding(*sampled, *others).flush()

    assert collector.taken == [(sampled, {"sample"}, False)]
    assert queued() == sampled + others


def test_mode_sample_owes_the_collector_its_share_only(settings, make_event, collector):
    settings.STATS_MODE, settings.STATS_SAMPLE_RATE = "sample", 0.3
    sampled, others = sampled_and_not(make_event, 0.3)
    collector.refuses = True
    one = holding(*sampled, *others)
    flush(one)
    assert [waiting.event for waiting in one._owed] == sampled
    collector.refuses = False
    flush(one)

    assert collector.ids() == ids(sampled)
    assert queued() == sampled + others
    assert not one._owed


def test_mode_sample_says_of_each_refused_event_why_it_is_collected(settings, make_event, collector):
    settings.STATS_MODE, settings.STATS_SAMPLE_RATE = "sample", 0.3
    sampled, others = sampled_and_not(make_event, 0.3)
    one = holding(*sampled, *others)
    with refusing_queue():
        flush(one)
    flush(one)

    assert collector.taken == [(others, {"fallback"}, True), (sampled, {"sample", "fallback"}, True)]
    assert queued() == []


def test_a_mode_that_is_changed_is_gone_by_from_the_next_look_on(settings, make_event, collector):
    settings.STATS_MODE = "queue"
    one = holding()
    taken = []
    for mode in ("legacy", "dual", "queue"):
        modes.change(mode, by="ann")
        event = make_event()
        one.inbox.waiting.append(Waiting(event, False))
        one.flush()
        taken.append((event in queued(), event.idempotent_id in collector.ids()))
    assert taken == [(False, True), (True, True), (True, False)]


# --- the end ---------------------------------------------------------------------------------------


def test_stopping_sends_all_that_waits(settings, fresh_sender, make_event):
    settings.TRAFFIC_LINGER = 5
    events = [make_event() for _ in range(150)]
    for event in events:
        sender.current.submit(event)
    started = time.monotonic()
    sender.flush_at_exit()

    assert time.monotonic() - started < 2
    assert queued() == events


def test_stopping_is_bounded_in_time_and_says_what_is_lost_once(settings, make_event, collector, caplog):
    settings.TRAFFIC_SEND_TIMEOUT = 3.0
    collector.refuses = True
    before = metrics.total(metrics.dropped)
    one = Sender()
    with refusing_queue():
        one.submit(make_event())
        time.sleep(0.1)
        started = time.monotonic()
        one.stop(0.3)
        one.stop(0.3)
        assert time.monotonic() - started < 1
        assert metrics.total(metrics.dropped) == before + 1
        assert caplog.text.count("Dropped 1 events: the process ended") == 1
    one._thread.join(10)


def test_a_second_signal_does_not_end_the_flush(settings, fresh_sender, make_event, collector):
    settings.TRAFFIC_LINGER = 0.05

    def end(signum, frame):
        raise SystemExit

    before = signal.signal(signal.SIGALRM, end)
    try:
        with refusing_queue():
            sender.current.submit(make_event())
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            sender.flush_at_exit()
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert len(collector.ids()) == 1


def test_stopping_what_never_started_is_nothing():
    started = time.monotonic()
    Sender().stop(5)
    assert time.monotonic() - started < 1


def test_the_thread_is_a_daemon_and_starts_with_the_first_event(fresh_sender, make_event):
    assert fresh_sender._thread is None
    sender.current.submit(make_event())
    assert fresh_sender._thread.daemon
    assert [thread.name for thread in threading.enumerate()].count("tallygate-sender") >= 1


def test_many_threads_start_one_sender(fresh_sender, make_event):
    events = [make_event() for _ in range(400)]

    def submit(part):
        for event in part:
            sender.current.submit(event)

    threads = [threading.Thread(target=submit, args=[events[start::8]]) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fresh_sender.stop(5)

    assert sorted(ids(queued())) == sorted(ids(events))


def in_child(work):
    """Runs `work` in a forked child; its exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_child_has_a_sender_of_its_own_and_none_of_its_parent_s_events(
    settings, fresh_sender, make_event
):
    settings.TRAFFIC_LINGER = 2
    parents, childs, last = make_event(), make_event(), make_event()
    sender.current.submit(parents)

    def work():
        sender.current.submit(childs)
        sender.flush_at_exit()

    assert in_child(work) == 0
    assert queued() == [childs]
    sender.current.submit(last)
    sender.flush_at_exit()
    assert queued() == [childs, parents, last]


def test_a_fork_does_not_break_the_parent_s_connection(fresh_sender, make_event, caplog):
    sender.current.submit(make_event())
    assert wait_for(lambda: len(queued()) == 1, 2)

    def work():
        sender.current.submit(make_event())
        sender.flush_at_exit()

    assert in_child(work) == 0
    sender.current.submit(make_event())
    assert wait_for(lambda: len(queued()) == 3, 2)
    assert "refused" not in caplog.text


# --- log lines and repeats -------------------------------------------------------------------------


def test_each_event_sent_is_a_line_where_that_is_on(settings, make_event, caplog):
    settings.TRAFFIC_LOG_EVENTS = True
    event = make_event(path="/a\nQueue sent: forged\x1b[31m", status=404)
    with caplog.at_level(logging.INFO, "gateway.sender"):
        holding(event).flush()

    each = f"Queue sent: {event.idempotent_id} | Path: /a\\nQueue sent: forged\\x1b[31m | Status: 404"
    assert each in caplog.messages
    assert any(line.startswith("Queue sent: 1 events in 1 batches, ") for line in caplog.messages)


def test_each_event_that_falls_back_is_a_line_where_that_is_on(settings, make_event, collector, caplog):
    settings.TRAFFIC_LOG_EVENTS = True
    event = make_event(path="/a\r\n", status=500)
    with caplog.at_level(logging.INFO, "gateway.sender"), refusing_queue():
        holding(event).flush()

    assert f"Fallback: {event.idempotent_id} | Path: /a\\r\\n | Status: 500" in caplog.messages
    assert all(line.isprintable() for line in caplog.messages)


def test_a_batch_is_one_line_otherwise(settings, make_event, caplog):
    settings.TRAFFIC_LOG_EVENTS = False
    with caplog.at_level(logging.INFO, "gateway.sender"):
        holding(*(make_event() for _ in range(50))).flush()
    assert len(caplog.messages) == 1


def test_a_repeated_edge_request_is_queued_under_one_id_and_counted(settings, make_event):
    before = metrics.total(metrics.repeats)
    first = make_event(path="/a", request_id="ray")
    second = make_event(path="/a", request_id="ray", timestamp=first.timestamp + 1000)
    holding(first, from_edge=True).flush()
    holding(second, from_edge=True).flush()

    assert ids(queued()) == [first.idempotent_id] * 2
    assert metrics.total(metrics.repeats) == before + 1


def test_only_the_edge_s_requests_are_compared(make_event):
    first = make_event(path="/a", request_id="id")
    second = make_event(path="/a", request_id="id", timestamp=first.timestamp + 1000)
    holding(first, second).flush()
    assert len(set(ids(queued()))) == 2


def test_a_memory_that_can_not_be_asked_holds_nothing_up(tmp_path, make_event, caplog):
    (tmp_path / "repeats").write_text("no folder")
    before = metrics.total(metrics.repeats_unchecked)
    event = make_event()
    assert holding(event, from_edge=True).flush()

    assert queued() == [event]
    assert metrics.total(metrics.repeats_unchecked) == before + 1
    assert "keep their own ids" in caplog.text
