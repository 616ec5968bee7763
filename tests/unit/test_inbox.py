"""What requests wrote down is taken in hand once, in order, and no more of it than there is room for."""

from __future__ import annotations

import os
import threading
import time

import pytest

from gateway import metrics, segments
from gateway.facts import write_down
from gateway.inbox import Inbox


@pytest.fixture(autouse=True)
def _own_state(settings, tmp_path):
    settings.VAR_DIR = tmp_path


@pytest.fixture
def inbox():
    one = Inbox()
    yield one
    one.stop([])


def write(inbox, *events):
    """As the sender does for requests."""
    for event in events:
        line = write_down(event) + b"\n"
        try:
            inbox.journal.write(line)
        except ValueError:
            if not inbox.journal.append(line):
                inbox.keep(line)


def in_hand(inbox):
    return [waiting.event for waiting in inbox.waiting]


def settle_all(inbox):
    """As once the stores have all that is in hand."""
    settled = [waiting.segment for waiting in inbox.waiting]
    inbox.waiting.clear()
    inbox.settle(settled)


def test_what_is_new_is_taken_once_and_in_order_from_all_segments(inbox, make_event, monkeypatch):
    monkeypatch.setattr(segments, "BYTES", 2000)
    events = [make_event() for _ in range(20)]
    write(inbox, *events[:12])
    inbox.take()
    inbox.take()
    write(inbox, *events[12:])
    inbox.take()

    assert len(segments.paths()) > 3
    assert in_hand(inbox) == events
    assert not inbox.has_new


def test_no_more_is_taken_than_there_is_room_for_and_the_rest_stays_in_the_journal(
    inbox, make_event, settings, monkeypatch
):
    monkeypatch.setattr(segments, "BYTES", 2000)
    settings.TRAFFIC_BUFFER_EVENTS = 7
    events = [make_event() for _ in range(20)]
    write(inbox, *events)

    seen = []
    while inbox.has_new:
        inbox.take()
        assert len(inbox.waiting) <= 7
        assert segments.pending() == 20 - len(seen)
        seen += in_hand(inbox)
        settle_all(inbox)

    assert seen == events
    assert segments.pending() == 0


def test_an_event_counts_as_captured_once_when_it_is_reported_or_the_process_ends(make_event):
    inbox, before = Inbox(), metrics.total(metrics.captured)
    write(inbox, make_event(), make_event())
    inbox.report()
    assert metrics.total(metrics.captured) == before

    inbox.take()
    inbox.take()
    inbox.report()
    inbox.report()
    assert metrics.total(metrics.captured) == before + 2

    write(inbox, make_event())
    inbox.take()
    inbox.stop([])
    assert metrics.total(metrics.captured) == before + 3


def test_what_is_no_usual_line_is_read_among_usual_ones_and_in_its_place(inbox, make_event, make_facts):
    """They are decoded together; one that is not as the others has each decoded by itself."""
    usual = [make_facts(request_id=f"usual-{number}") for number in range(3)]
    odd = [
        make_facts(request_id="nul", user_agent="a\x00b"),
        make_facts(request_id="quoted", user_agent='"\\u0000"'),
        make_event(request_id="event"),
        make_facts(request_id="accented", user_agent="\u00fc\u4e2d"),
    ]
    lines = [usual[0], odd[0], odd[1], usual[1], odd[2], odd[3], usual[2]]
    write(inbox, *lines)
    inbox.journal.append(b"[garbage\n")

    inbox.take()

    taken = in_hand(inbox)
    assert [event.request_id for event in taken] == [one.request_id for one in lines]
    assert [taken[1].user_agent, taken[2].user_agent] == ["a\u2400b", odd[1].user_agent]
    assert taken[5].user_agent == odd[3].user_agent
    assert [one.payload for one in inbox.unreadable] == [b"[garbage"]


def test_of_facts_that_make_no_event_one_is_given_up_and_the_next_ones_are_not(inbox, make_facts, caplog):
    failed, ignored = metrics.total(metrics.capture_failed), metrics.total(metrics.start_ignored)
    write(inbox, make_facts(request_id="a"), make_facts(arrival=5), make_facts(request_id="b"))

    inbox.take()

    assert [event.request_id for event in in_hand(inbox)] == ["a", "b"]
    assert len(inbox.unreadable) == 1
    assert metrics.total(metrics.capture_failed) == failed + 1
    assert metrics.total(metrics.start_ignored) == ignored
    assert caplog.text.count("a request's facts make no event") == 1


def test_where_it_came_from_is_known_with_and_without_a_journal(inbox, make_facts, settings):
    write(inbox, make_facts(from_edge=True))
    inbox.take()
    settings.TRAFFIC_JOURNAL = "off"
    off = Inbox()
    write(off, make_facts(from_edge=True), make_facts())
    off.take()

    assert [(waiting.from_edge, waiting.segment is None) for waiting in inbox.waiting] == [(True, False)]
    assert [(waiting.from_edge, waiting.segment is None) for waiting in off.waiting] == [
        (True, True),
        (False, True),
    ]


def test_what_is_settled_in_part_is_not_taken_again_by_another_process(inbox, make_event, settings):
    """The file says up to where all is in the stores, while later events of it still wait."""
    settings.TRAFFIC_BUFFER_EVENTS = 2
    events = [make_event() for _ in range(5)]
    write(inbox, *events)
    inbox.take()
    settle_all(inbox)
    inbox.take()
    inbox.stop([])
    other = Inbox()

    other.adopt()

    assert in_hand(other) == events[2:]
    other.stop([])


def test_requests_that_write_while_it_is_taken_and_settled_lose_nothing(inbox, make_event, monkeypatch):
    """Small segments, so that they are begun, used anew and removed all the time."""
    monkeypatch.setattr(segments, "BYTES", 3000)
    parts = [[make_event() for _ in range(1500)] for _ in range(4)]
    threads = [threading.Thread(target=write, args=[inbox, *part]) for part in parts]
    for thread in threads:
        thread.start()

    seen = []
    while any(thread.is_alive() for thread in threads) or inbox.has_new:
        inbox.take()
        seen += in_hand(inbox)
        settle_all(inbox)

    ids = [event.idempotent_id for event in seen]
    assert sorted(ids) == sorted(event.idempotent_id for part in parts for event in part)
    for part in parts:  # what one thread wrote comes in its order
        own = {event.idempotent_id for event in part}
        assert [one for one in ids if one in own] == [event.idempotent_id for event in part]
    assert segments.pending() == 0
    assert len(segments.paths()) <= 2


def test_who_looked_a_segment_up_before_the_next_was_begun_can_not_write_into_it_any_more(
    inbox, make_event, monkeypatch
):
    """It may be empty, and removed in the same moment."""
    monkeypatch.setattr(segments, "BYTES", 1000)
    write(inbox, make_event())
    looked_up = inbox.journal.write
    while len(segments.paths()) == 1:
        write(inbox, make_event())

    with pytest.raises(ValueError, match="out of range"):
        looked_up(b"{}\n")


def test_a_look_while_a_request_seals_a_segment_finds_what_is_there_and_no_more(inbox, make_event):
    events = [make_event(), make_event()]
    write(inbox, events[0])
    segment = inbox.journal._active
    end = segment.end
    segment.memory.seek(segment.size)

    inbox.take()
    inbox.take()

    assert in_hand(inbox) == events[:1]
    segment.memory.seek(end)
    write(inbox, events[1])
    inbox.take()
    assert in_hand(inbox) == events


def test_a_segment_of_its_own_that_nobody_took_for_days_makes_room_too(
    inbox, make_event, settings, monkeypatch, caplog
):
    monkeypatch.setattr(segments, "BYTES", 1000)
    settings.TRAFFIC_BUFFER_EVENTS = 1
    write(inbox, *(make_event() for _ in range(9)))
    inbox.take()
    for path in segments.paths():
        os.utime(path, (time.time() - 8 * 86_400,) * 2)
    dropped, files = metrics.total(metrics.dropped), len(segments.paths())
    pending = segments.pending()

    inbox.adopt()

    lost = pending - segments.pending()
    assert lost > 0
    assert metrics.total(metrics.dropped) == dropped + lost
    assert "TRAFFIC_JOURNAL_DAYS" in caplog.text
    # Neither what is in hand nor what is still written to.
    assert len(segments.paths()) == 2 < files


def test_what_is_in_memory_only_is_dropped_at_the_end_loudly_and_counted(make_event, settings, caplog):
    settings.TRAFFIC_JOURNAL = "off"
    one = Inbox()
    write(one, make_event())
    one.take()
    one.report()
    write(one, make_event())
    captured, dropped = metrics.total(metrics.captured), metrics.total(metrics.dropped)

    one.stop([])

    assert metrics.total(metrics.captured) == captured + 1  # the first one is counted already
    assert metrics.total(metrics.dropped) == dropped + 2
    assert "Dropped 2 events: the process ended" in caplog.text
