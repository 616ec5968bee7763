"""What a person decides about dead letters, undone and done again: an event is in one place at any time."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from gateway import queue
from gateway.events import encode, split_batch
from gateway.models import QueuedBatch
from stats import consumer as consumer_module
from stats import dead_letters
from stats.consumer import drain
from stats.dead_letters import UNDO_SECONDS, Undone
from stats.models import DeadLetter, Event
from tests.conftest import BOTH, delete_rows
from tests.integration.letters import broken, bury_broken, deliver, one, rolled_up
from tests.integration.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture
def event(store, make_event):
    return make_event(route="/api/items/{id}")


@pytest.fixture
def letter(event):
    (letter,) = bury_broken(event)
    return letter


def redrive(letter, delay=UNDO_SECONDS):
    assert dead_letters.redrive(one(letter), "ada", delay) == 1
    letter.refresh_from_db()


def mend(letter, event):
    version = dead_letters.version_of(letter.payload)
    edited = dead_letters.edit(letter.pk, encode(event).decode(), version)
    letter.refresh_from_db()
    return edited


def test_a_letter_knows_its_route(letter):
    assert (letter.route, letter.earlier_id, letter.original, letter.note) == (
        "/api/items/{id}",
        None,
        "",
        "",
    )


@pytest.mark.parametrize(
    ("payload", "route"),
    [
        ("{torn", ""),
        ('{"route": 7}', ""),
        ('{"route": "/a\\u0000"}', "/a\u2400"),
        (f'{{"route": "{"a" * 600}"}}', "a" * 511 + "…"),
    ],
    ids=["no JSON", "no text", "a NUL", "too long"],
)
def test_a_route_is_kept_as_far_as_it_can_be(store, payload, route):
    queue.enqueue([(f"[{payload}]", 1)])
    drain()

    assert DeadLetter.objects.get().route == route


# --- redriven ----------------------------------------------------------------------------------------


def test_a_redrive_waits_a_minute_in_the_queue_and_is_no_backlog_meanwhile(letter):
    redrive(letter)

    batch = QueuedBatch.objects.get()
    assert batch.pk == letter.batch
    assert UNDO_SECONDS - 5 < queue.due_in(batch.pk) <= UNDO_SECONDS
    assert (queue.is_due(), queue.depth().oldest_seconds) == (False, 0)
    drain()
    assert QueuedBatch.objects.count() == 1


def test_undone_before_it_is_delivered_it_is_dead_again_and_nothing_is_left_in_the_queue(letter):
    redrive(letter)

    assert dead_letters.undo(one(letter), "bob") == Undone(back=1, too_late=0)

    letter.refresh_from_db()
    assert (letter.state, letter.settled_by, letter.settled_at, letter.batch) == ("dead", "", None, None)
    assert not QueuedBatch.objects.exists()


def test_undone_after_it_was_delivered_it_stays_redriven(letter, event):
    mend(letter, event)
    redrive(letter)
    deliver()

    assert dead_letters.undo(one(letter), "bob") == Undone(back=0, too_late=1)

    letter.refresh_from_db()
    assert (letter.state, Event.objects.count(), rolled_up()) == ("redriven", 1, 1)


def test_delivered_now_it_is_counted_at_once(letter, event):
    mend(letter, event)
    redrive(letter)

    assert dead_letters.hasten(one(letter)) == 1
    drain()

    assert (Event.objects.get().idempotent_id, queue.due_in(letter.batch)) == (event.idempotent_id, None)
    assert dead_letters.hasten(one(letter)) == 0


def test_an_undo_between_claim_and_count_wins_and_the_consumer_counts_nothing(letter, event):
    """The consumer has taken the batch and holds it in memory only: its row decides."""
    mend(letter, event)
    redrive(letter, delay=0)
    claims = queue.claim()

    assert dead_letters.undo(one(letter), "bob").back == 1
    counted = consumer_module._count(consumer_module.Work(claims), consumer_module.Totals(), may_claim=False)

    assert (counted.is_ours, Event.objects.count(), rolled_up()) == (False, 0, 0)


def test_an_undo_while_it_is_counted_waits_for_nobody_and_comes_too_late(letter, event):
    mend(letter, event)
    redrive(letter, delay=0)
    claims = queue.claim()
    found: list[Undone] = []

    def undo_beside():
        found.append(dead_letters.undo(one(letter), "bob"))
        connections.close_all()

    with transaction.atomic():
        assert queue.hold(claims)
        beside = threading.Thread(target=undo_beside)
        beside.start()
        beside.join(10)

    assert found == [Undone(back=0, too_late=1)]
    letter.refresh_from_db()
    assert letter.state == "redriven"


def test_what_was_redriven_without_delay_is_due_at_once(letter):
    redrive(letter, delay=0)

    assert queue.is_due()


# --- discarded ---------------------------------------------------------------------------------------


def test_a_discard_keeps_its_note_and_can_be_undone_for_a_minute(letter):
    assert dead_letters.discard(one(letter), "ada", "a scanner") == 1
    letter.refresh_from_db()
    assert (letter.state, letter.note) == ("discarded", "a scanner")

    assert dead_letters.undo(one(letter), "bob") == Undone(back=1, too_late=0)
    letter.refresh_from_db()
    assert (letter.state, letter.note) == ("dead", "")


def test_a_discard_of_more_than_a_minute_ago_stays(letter):
    dead_letters.discard(one(letter), "ada")
    one(letter).update(settled_at=timezone.now() - timedelta(seconds=UNDO_SECONDS + 1))

    assert dead_letters.undo(one(letter), "bob") == Undone(back=0, too_late=1)


# --- edited ------------------------------------------------------------------------------------------


def test_an_edit_keeps_what_was_received_and_says_what_it_changed(letter, event):
    edited = mend(letter, event)

    assert letter.original == broken(event)
    assert letter.payload == encode(event).decode()
    assert '-  "status": 9999,' in edited.diff
    assert '+  "status": 200,' in edited.diff


def test_a_second_edit_still_keeps_the_first_payload(letter, event):
    mend(letter, event)
    mend(letter, structs.replace(event, status=404))

    assert letter.original == broken(event)
    assert '"status":404' in letter.payload


def test_an_edit_that_says_the_same_changes_nothing(letter, event):
    mend(letter, event)
    assert mend(letter, event).diff == ""


def test_an_edit_of_what_somebody_else_has_changed_is_refused(letter, event):
    version = dead_letters.version_of(letter.payload)
    mend(letter, event)

    with pytest.raises(dead_letters.ChangedMeanwhile):
        dead_letters.edit(letter.pk, encode(event).decode(), version)


def test_an_edit_of_what_is_redriven_or_discarded_is_refused(letter, event):
    redrive(letter)

    with pytest.raises(dead_letters.NotDead):
        mend(letter, event)


# --- lives -------------------------------------------------------------------------------------------


def test_what_fails_again_comes_back_linked_to_its_first_life(letter):
    redrive(letter)
    deliver()

    letter.refresh_from_db()
    second = DeadLetter.objects.get(state="dead")
    assert (letter.state, second.earlier_id, second.event_id) == ("redriven", letter.pk, letter.event_id)

    redrive(second)
    deliver()
    assert DeadLetter.objects.get(state="dead").earlier_id == second.pk


def test_of_a_batch_redriven_whole_each_event_that_fails_is_linked(store, make_event):
    good, *bad = make_event(), make_event(), make_event()
    queue.enqueue([("[" + ",".join([encode(good).decode(), *map(broken, bad)]), 1)])  # its end is missing
    drain()
    whole = DeadLetter.objects.get()
    one(whole).update(payload=f"{whole.payload}]")

    redrive(whole)
    deliver()

    again = DeadLetter.objects.filter(state="dead").order_by("event_id")
    assert [letter.earlier_id for letter in again] == [whole.pk, whole.pk]
    assert [event.idempotent_id for event in Event.objects.all()] == [good.idempotent_id]


def test_an_exhausted_event_is_linked_through_the_halves_of_its_batch(store, make_event, settings):
    settings.TRAFFIC_RETRY_DELAY = 0.01
    settings.TRAFFIC_LEASE = 0.2
    (letter,) = bury_broken(make_event())
    batch = [encode(make_event(path=path)).decode() for path in ("/bad", "/good")]
    one(letter).update(payload=f"[{','.join(batch)}]")
    redrive(letter, delay=0)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE stats_event ADD CONSTRAINT poison CHECK (path <> '/bad')")
    try:
        assert wait_for(lambda: drain() is not None and not QueuedBatch.objects.exists(), 20)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE stats_event DROP CONSTRAINT poison")

    again = DeadLetter.objects.get(state="dead")
    assert (again.reason, again.earlier_id) == ("exhausted", letter.pk)
    assert Event.objects.get().path == "/good"


# --- whatever is done, in whatever order -------------------------------------------------------------

LETTERS = 3
STEP = st.tuples(
    st.sampled_from(
        ["redrive", "redrive at once", "discard", "undo", "edit", "hasten", "drain", "deliver", "claim"]
    ),
    st.integers(0, LETTERS - 1),
)


def where_they_are() -> Counter[str]:
    """In how many places each event is: waiting for a person, in the queue, or counted."""
    found: Counter[str] = Counter()
    found.update(DeadLetter.objects.exclude(state="redriven").values_list("event_id", flat=True))
    for payload in QueuedBatch.objects.values_list("payload", flat=True):
        found.update(
            event_id
            for event in split_batch(payload)
            if (event_id := dead_letters.burying.known_of(event)[0]) is not None
        )
    found.update(Event.objects.values_list("idempotent_id", flat=True))
    return found


class Model:
    """What should be true of one event, told without a database."""

    def __init__(self) -> None:
        self.place = "dead"
        self.is_mended = False

    def step(self, verb: str) -> None:
        if verb in ("redrive", "redrive at once") and self.place == "dead":
            self.place = "waits" if verb == "redrive" else "due"
        elif verb == "discard" and self.place == "dead":
            self.place = "discarded"
        elif verb == "undo" and self.place in ("waits", "due", "discarded"):
            self.place = "dead"
        elif verb == "edit" and self.place == "dead":
            self.is_mended = True
        elif verb == "hasten" and self.place == "waits":
            self.place = "due"

    def delivered(self, *places: str) -> None:
        if self.place in places:
            self.place = "counted" if self.is_mended else "dead"


def do(verb: str, event, models: list[Model], model: Model) -> None:
    """One step on the newest life of the event, and what the model makes of it."""
    letter = DeadLetter.objects.filter(event_id=event.idempotent_id).order_by("-id")[0]
    if verb == "drain":
        drain()
        for each in models:
            each.delivered("due")
    elif verb == "deliver":
        deliver()
        for each in models:
            each.delivered("due", "waits")
    elif verb == "claim":
        if claims := queue.claim():
            queue.give_back(claims, "as if killed", delay=0)
    else:
        {
            "redrive": lambda: dead_letters.redrive(one(letter), "ada", UNDO_SECONDS),
            "redrive at once": lambda: dead_letters.redrive(one(letter), "ada"),
            "discard": lambda: dead_letters.discard(one(letter), "ada"),
            "undo": lambda: dead_letters.undo(one(letter), "ada"),
            "hasten": lambda: dead_letters.hasten(one(letter)),
            "edit": lambda: letter.state == "dead" and mend(letter, event),
        }[verb]()
        model.step(verb)


PLACES = {
    "dead": "dead",
    "discarded": "discarded",
    "waits": "redriven",
    "due": "redriven",
    "counted": "redriven",
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=14))
def test_any_sequence_neither_loses_nor_doubles_an_event(store, make_event, steps):
    delete_rows(BOTH)
    events = [make_event() for _ in range(LETTERS)]
    bury_broken(*events)
    models = [Model() for _ in events]

    for verb, number in steps:
        do(verb, events[number], models, models[number])

        assert where_they_are() == {event.idempotent_id: 1 for event in events}, verb
        for event, model in zip(events, models, strict=True):
            newest = DeadLetter.objects.filter(event_id=event.idempotent_id).order_by("-id")[0]
            is_counted = Event.objects.filter(pk=event.idempotent_id).exists()
            assert (newest.state, is_counted) == (PLACES[model.place], model.place == "counted"), verb
    assert rolled_up() == sum(model.place == "counted" for model in models)
