"""An event is on disk before its response leaves, and stays there until a store has it."""

from __future__ import annotations

import fcntl
import os
import resource
import stat
import time

import msgspec
import pytest
from django.db import connections

from gateway import metrics, segments
from gateway.capture import event_of
from gateway.delivery import Waiting
from gateway.events import decode, encode, split_batch
from gateway.facts import write_down
from gateway.models import QueuedBatch
from gateway.segment import unsettled
from gateway.sender import Sender
from legacy_collector.models import CollectedEvent
from stats.consumer import drain
from stats.models import DeadLetter, Event
from tests.integration.processes import wait_for
from tests.unit.test_sender import refusing_queue

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
    pytest.mark.usefixtures("store"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def _own_state(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.TRAFFIC_SEND_TIMEOUT = 0.2
    CollectedEvent.objects.all().delete()


def queued() -> list[str]:
    payloads = QueuedBatch.objects.order_by("id").values_list("payload", flat=True)
    return [decode(part).idempotent_id for payload in payloads for part in split_batch(payload)]


def idle(one: Sender) -> Sender:
    """A sender whose thread does not run: flushed by hand."""
    one.start = lambda: None  # type: ignore[method-assign]
    return one


def dies(*events) -> None:
    """A process that takes these over and is killed before it sends them."""
    child = os.fork()
    if child == 0:
        one = idle(Sender())
        for event in events:
            one.submit(event)
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)


def adopt(one: Sender) -> None:
    one._looked_at = float("-inf")
    one._adopt_safely()


def test_an_event_is_in_the_file_before_anyone_sends_it(make_event):
    one = idle(Sender())
    event = make_event()

    one.submit(event)

    (segment,) = segments.paths()
    assert unsettled(segment.read_bytes()) == [encode(event)]
    assert segments.pending() == 1
    assert stat.S_IMODE(segment.stat().st_mode) == 0o600
    assert stat.S_IMODE(segment.parent.stat().st_mode) == 0o700


def test_the_file_is_emptied_once_the_store_has_all_of_it_and_removed_at_the_end(make_event):
    one = idle(Sender())
    for _ in range(3):
        one.submit(make_event())

    one.flush()
    assert segments.pending() == 0
    assert len(queued()) == 3

    one.stop(1.0)
    assert segments.paths() == []


def test_a_store_that_refuses_leaves_the_file_as_it_is(make_event, settings):
    settings.TRAFFIC_COLLECTOR = "nowhere.collect"
    one = idle(Sender())
    one.submit(make_event())

    with refusing_queue():
        one.flush()

    assert segments.pending() == 1


def test_mode_dual_keeps_the_file_until_both_have_it(make_event, settings):
    settings.STATS_MODE = "dual"
    settings.TRAFFIC_COLLECTOR = "nowhere.collect"
    one = idle(Sender())
    one.submit(make_event())
    one.flush()
    assert (len(queued()), segments.pending()) == (1, 1)

    settings.TRAFFIC_COLLECTOR = "legacy_collector.collector.collect"
    one._delivery._collector_backoff.succeeded()
    one.flush()

    assert segments.pending() == 0


def test_events_of_a_killed_process_are_adopted_and_sent_once(make_event):
    events = [make_event() for _ in range(5)]
    dies(*events)
    assert segments.pending() == 5
    one = idle(Sender())

    adopt(one)
    adopt(one)
    one.flush()

    assert sorted(queued()) == sorted(event.idempotent_id for event in events)
    assert segments.paths() == []


def test_a_sender_adopts_by_itself(make_event, fresh_sender):
    event = make_event()
    dies(event)

    fresh_sender.start()

    assert wait_for(lambda: queued() == [event.idempotent_id], 10)
    assert wait_for(lambda: segments.paths() == [], 10)


def test_a_repeat_from_a_killed_process_gets_the_first_ones_id(make_facts):
    first = make_facts(request_id="ray", path="/a", arrival=1_763_900_000_000, from_edge=True)
    second = msgspec.structs.replace(first, arrival=1_763_900_001_000)
    one = idle(Sender())
    one.submit(first)
    one.flush()
    dies(second)

    adopt(one)
    one.flush()

    assert queued() == [event_of(first).idempotent_id] * 2


def test_the_file_of_a_living_process_is_left_alone(make_event):
    one, other = idle(Sender()), idle(Sender())
    one.submit(make_event())

    adopt(other)

    assert not other.inbox.waiting
    assert len(segments.paths()) == 1


def test_what_was_adopted_by_a_process_that_is_killed_is_adopted_again(make_event):
    dies(make_event())
    child = os.fork()
    if child == 0:
        adopt(idle(Sender()))
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    one = idle(Sender())

    adopt(one)

    assert len(one.inbox.waiting) == 1


def test_what_a_store_has_is_not_adopted_again(make_event):
    """Though the file still holds it: to empty it after each hand-over would cost more than the hand-over."""
    late = make_event()
    connections.close_all()
    child = os.fork()
    if child == 0:
        one = idle(Sender())
        for _ in range(3):
            one.submit(make_event())
        one.flush()
        one.submit(late)
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert segments.pending() == 1
    one = idle(Sender())

    adopt(one)

    assert [waiting.event for waiting in one.inbox.waiting] == [late]


def test_facts_of_a_killed_process_make_the_event_that_it_sent_already(make_facts):
    """Killed after its hand-over was committed and before its journal knew."""
    facts = make_facts(path="/orders/17")
    connections.close_all()
    child = os.fork()
    if child == 0:
        one = idle(Sender())
        one.submit(facts)
        one.inbox.journal.settle = lambda _: os.kill(os.getpid(), 9)
        one.flush()
    os.waitpid(child, 0)
    sent = queued()
    assert len(sent) == segments.pending() == 1
    one = idle(Sender())

    adopt(one)
    one.flush()

    assert queued() == sent * 2
    drain()
    assert [event.idempotent_id for event in Event.objects.all()] == sent
    assert segments.paths() == []


def test_facts_that_make_no_event_are_a_dead_letter(make_event, make_facts, caplog):
    facts = make_facts(path="/orders/17")
    hopeless = msgspec.structs.replace(facts, arrival=5)
    one = idle(Sender())
    for what in (hopeless, facts, make_event()):
        one.submit(what)
    before = metrics.total(metrics.capture_failed)

    one.flush()
    drain()

    assert metrics.total(metrics.capture_failed) == before + 1
    assert "timestamp: 5 does not have 13 digits" in caplog.text
    assert Event.objects.count() == 2
    assert DeadLetter.objects.get().payload == write_down(hopeless).decode()
    assert segments.pending() == 0


def test_facts_that_make_no_event_wait_while_the_queue_refuses(make_event, make_facts):
    facts = make_facts(path="/orders/17")
    one = idle(Sender())
    one.submit(msgspec.structs.replace(facts, arrival=5))
    one.submit(make_event())
    with refusing_queue():
        one.flush()
    assert segments.pending() == 2  # for the file's sake: the collector has the other one

    one._delivery._queue_backoff.succeeded()
    one.flush()
    drain()

    assert (DeadLetter.objects.count(), CollectedEvent.objects.count()) == (1, 1)
    assert segments.pending() == 0


def test_of_facts_that_make_no_event_no_more_are_in_hand_than_there_is_room_for(make_facts, settings):
    """While the queue refuses; the others stay in the journal, and whoever is told to end does."""
    settings.TRAFFIC_BUFFER_EVENTS = 3
    facts = make_facts(path="/orders/17")
    one = Sender()
    with refusing_queue():
        for _ in range(10):
            one.submit(msgspec.structs.replace(facts, arrival=5))
        assert wait_for(lambda: len(one.inbox.unreadable) == 3, 3)
        started = time.monotonic()
        one.stop(5.0)
    assert time.monotonic() - started < 2
    assert segments.pending() == 10

    other = idle(Sender())
    adopt(other)
    drain()

    assert DeadLetter.objects.count() == 10
    assert segments.pending() == 0


def test_one_file_serves_for_ever_while_the_store_keeps_up(make_event, monkeypatch):
    monkeypatch.setattr(segments, "BYTES", 2000)
    one = idle(Sender())
    for count in (1, 2, 3, 2, 1, 3, 3):
        for _ in range(count):
            one.submit(make_event())
        assert segments.pending() == count
        one.flush()
        assert segments.pending() == 0

    (segment,) = segments.paths()
    assert segment.stat().st_size == 2000
    assert len(queued()) == 15


def test_an_event_larger_than_a_segment_has_one_of_its_size(make_event, monkeypatch):
    monkeypatch.setattr(segments, "BYTES", 100)
    one = idle(Sender())
    one.submit(make_event())
    one.submit(make_event(path="/" + "x" * 2000))

    assert segments.pending() == 2


def test_a_process_killed_at_any_moment_leaves_all_it_said_it_wrote(make_event, monkeypatch):
    monkeypatch.setattr(segments, "BYTES", 5000)
    event = make_event()
    said = written = 0
    for moment in range(20):
        receiver, sender = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                one = idle(Sender())
                while True:
                    one.submit(event)
                    os.write(sender, b".")
            finally:
                os._exit(1)
        os.close(sender)
        time.sleep(0.002 * moment)
        os.kill(child, 9)
        os.waitpid(child, 0)
        with os.fdopen(receiver, "rb") as pipe:
            said += len(pipe.read())
        for path in segments.paths():
            lines = unsettled(path.read_bytes())
            assert set(lines) <= {encode(event)}
            written += len(lines)
            path.unlink()
    assert 1000 < said <= written <= said + 20


@pytest.mark.parametrize(
    "written",
    [slice(1, None), slice(0, 40), slice(0, -1), slice(-32, None), slice(40, 80)],
    ids=["all but its first character", "its head", "all but its end", "its tail", "a part within"],
)
def test_a_line_whose_writer_was_killed_is_none_and_no_letter(make_event, written):
    """Its request was not answered: nobody may say it was counted, and nobody needs to look at it."""
    dies(make_event())
    (segment,) = segments.paths()
    content = bytearray(segment.read_bytes())
    start = len(content.rstrip(b"\0"))
    line = encode(make_event()) + b"\n"
    torn = bytearray(len(line))
    torn[written] = line[written]
    content[start : start + len(line)] = torn
    segment.write_bytes(content)
    assert segments.pending() == 1
    one = idle(Sender())

    adopt(one)
    one.flush()

    assert len(queued()) == 1
    assert not DeadLetter.objects.exists()


def test_a_page_that_a_crash_of_the_machine_left_empty_takes_no_other_line_along(make_event):
    events = [make_event() for _ in range(3)]
    dies(*events)
    (segment,) = segments.paths()
    content = bytearray(segment.read_bytes())
    second = content.index(b"\n", content.index(b"\n") + 1) + 1
    content[second : second + 50] = bytes(50)
    segment.write_bytes(content)
    one = idle(Sender())

    adopt(one)
    one.flush()
    drain()

    assert Event.objects.count() == 2
    assert DeadLetter.objects.get().reason == "undecodable"


@pytest.mark.parametrize("header", [b"", b"S 0000000b\n"], ids=["without a header", "with one"])
def test_what_an_older_version_left_is_adopted(make_event, make_facts, header):
    """Two characters before each event, and no word of the edge in it."""
    event, other, facts, edge = make_event(), make_event(), make_facts(), make_facts(from_edge=True)
    lines = [b"- " + encode(event), b"E " + encode(other)]
    for mark, what in ((b"- ", facts), (b"E ", edge)):
        lines.append(mark + write_down(what).rpartition(b",")[0] + b"]")
    (segments.folder() / "1-1-x.journal").write_bytes(header + b"\n".join(lines) + b"\n")
    one = idle(Sender())
    assert segments.pending() == 4

    adopt(one)

    assert [(waiting.event, waiting.from_edge) for waiting in one.inbox.waiting] == [
        (event, False),
        (other, True),
        (event_of(facts), False),
        (event_of(edge), True),
    ]


def test_a_torn_last_line_becomes_a_dead_letter_and_the_others_count(make_event):
    dies(make_event(), make_event())
    (segment,) = segments.paths()
    whole = segment.read_bytes().rstrip(b"\0")
    segment.write_bytes(whole[:-40])
    one = idle(Sender())

    adopt(one)
    one.flush()
    drain()

    assert Event.objects.count() == 1
    letter = DeadLetter.objects.get()
    assert letter.reason == "undecodable"
    assert letter.payload == whole.split(b"\n")[2][:-39].decode()
    assert segments.paths() == []


def test_garbage_with_nul_bytes_is_kept_aside_too(make_event):
    segments.folder()
    (segments.folder() / "1-1-x.journal").write_bytes(b"\x00\xff\x00{\n")
    one = idle(Sender())

    adopt(one)
    drain()

    assert DeadLetter.objects.get().payload == "\\xff\\x00{"
    assert segments.paths() == []


def test_an_unreadable_line_waits_while_the_queue_refuses(make_event):
    (segments.folder() / "1-1-x.journal").write_bytes(b"torn\n")
    one = idle(Sender())

    with refusing_queue():
        adopt(one)

    assert len(segments.paths()) == 1
    one._delivery._queue_backoff.succeeded()
    adopt(one)
    assert segments.paths() == []


def test_what_the_process_has_no_room_for_stays_in_the_journal_and_comes_later(make_event, settings):
    settings.TRAFFIC_BUFFER_EVENTS = 4
    dropped = metrics.total(metrics.dropped)
    one = idle(Sender())
    events = [make_event() for _ in range(10)]
    for event in events:
        one.submit(event)
    one.inbox.take()
    assert len(one.inbox.waiting) == 4

    for _ in range(6):
        one.flush()
        adopt(one)

    assert sorted(set(queued())) == sorted(event.idempotent_id for event in events)
    assert metrics.total(metrics.dropped) == dropped
    assert segments.pending() == 0


def test_a_long_run_is_cut_into_segments_and_all_of_them_go(make_event, monkeypatch):
    monkeypatch.setattr(segments, "BYTES", 1000)
    one = idle(Sender())
    for _ in range(20):
        one.submit(make_event())
    assert len(segments.paths()) > 3

    one.flush()

    assert len(segments.paths()) == 1
    assert segments.pending() == 0


def test_at_its_bound_capture_goes_on_without_it_loudly_and_counted(
    make_event, settings, caplog, monkeypatch
):
    monkeypatch.setattr(segments, "BYTES", 500)
    settings.TRAFFIC_JOURNAL_BYTES = 600
    failed = metrics.total(metrics.journal_failed)
    one = idle(Sender())
    for _ in range(4):
        one.submit(make_event())
    one.flush()

    assert len(queued()) == 4
    assert metrics.total(metrics.journal_failed) == failed + 3
    assert "TRAFFIC_JOURNAL_BYTES" in caplog.text


@pytest.fixture
def full_disk():
    """No file of this process may grow past some bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_on_a_full_disk_capture_goes_on_without_it(make_event, caplog, full_disk):
    failed = metrics.total(metrics.journal_failed)
    one = idle(Sender())
    one.submit(make_event())
    one.submit(make_event())
    one.flush()

    assert len(queued()) == 2
    assert metrics.total(metrics.journal_failed) == failed + 2
    assert "File too large" in caplog.text
    assert list(segments.folder().iterdir()) == []


def test_once_the_disk_has_room_again_the_journal_is_kept_again(make_event, full_disk):
    one = idle(Sender())
    one.submit(make_event())
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    one.inbox.journal._begin_at = 0.0  # it is asked again after half a second

    one.submit(make_event())

    assert segments.pending() == 1


def test_where_the_folder_can_not_be_made_capture_goes_on(make_event, settings, tmp_path):
    (tmp_path / "journal").write_text("a file")
    one = idle(Sender())
    one.submit(make_event())
    one.flush()

    assert len(queued()) == 1


def test_what_is_too_old_is_dropped_loudly_and_counted(make_event, settings, caplog):
    settings.TRAFFIC_BUFFER_EVENTS = 1
    dies(make_event())
    (segment,) = segments.paths()
    os.utime(segment, (time.time() - 8 * 86_400,) * 2)
    dropped = metrics.total(metrics.dropped)
    one = idle(Sender())
    one.inbox.waiting.append(Waiting(make_event(), False))

    adopt(one)

    assert segments.paths() == []
    assert metrics.total(metrics.dropped) == dropped + 1
    assert "TRAFFIC_JOURNAL_DAYS" in caplog.text


def test_a_process_that_ends_before_a_store_took_them_leaves_them_to_the_journal(
    make_event, settings, caplog
):
    settings.TRAFFIC_COLLECTOR = "nowhere.collect"
    dropped = metrics.total(metrics.dropped)
    one = Sender()
    with refusing_queue():
        one.submit(make_event())
        one.stop(1.0)
    assert metrics.total(metrics.dropped) == dropped
    assert "Journal: 1 events stay there" in caplog.text
    settings.TRAFFIC_COLLECTOR = "legacy_collector.collector.collect"
    other = idle(Sender())

    adopt(other)
    other.flush()

    assert len(queued()) == 1


def test_a_host_that_was_off_for_long_still_delivers_what_it_has(make_event):
    dies(make_event())
    (segment,) = segments.paths()
    os.utime(segment, (time.time() - 8 * 86_400,) * 2)
    one = idle(Sender())

    adopt(one)
    one.flush()

    assert len(queued()) == 1


def test_no_more_is_adopted_than_there_is_room_for(make_event, settings):
    settings.TRAFFIC_BUFFER_EVENTS = 10
    for _ in range(4):
        dies(*(make_event() for _ in range(4)))
    one = idle(Sender())

    for _ in range(3):
        adopt(one)

    assert len(one.inbox.waiting) == 8
    assert one.inbox.journal._bytes == sum(path.stat().st_size for path in segments.paths())


def test_an_event_of_another_version_is_a_letter_that_can_be_redriven(make_event):
    line = b"- " + encode(make_event()).replace(b'"v":1', b'"v":2') + b"\n"
    (segments.folder() / "1-1-x.journal").write_bytes(line)
    one = idle(Sender())

    adopt(one)
    drain()

    letter = DeadLetter.objects.get()
    assert (letter.reason, letter.payload) == ("schema", line[2:-1].decode())


def test_a_forked_child_does_not_hold_its_parents_lock(make_event):
    parent = os.fork()
    if parent == 0:
        one = idle(Sender())
        from gateway import sender

        sender.current = one
        one.submit(make_event())
        if os.fork() == 0:
            time.sleep(5)
            os._exit(0)
        os.kill(os.getpid(), 9)
    os.waitpid(parent, 0)
    (segment,) = segments.paths()
    descriptor = os.open(segment, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("mode", ["os", "fsync"])
def test_both_modes_write_the_same(make_event, settings, mode):
    settings.TRAFFIC_JOURNAL = mode
    one = idle(Sender())
    event = make_event()
    one.submit(event)

    assert unsettled(segments.paths()[0].read_bytes()) == [encode(event)]


def test_off_means_off(make_event, settings):
    settings.TRAFFIC_JOURNAL = "off"
    one = idle(Sender())
    one.submit(make_event())

    assert segments.paths() == []
    connections.close_all()
