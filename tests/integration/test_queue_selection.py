"""What a person does to batches that wait leaves alone what a consumer has in its hands."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ

from gateway import queue
from gateway.models import QueuedBatch
from gateway.queue import Selection
from stats.consumer import drain
from stats.models import DeadLetter, Event
from stats.withdrawing import MOVED, PURGED, withdraw

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

ALL = Selection()


@pytest.fixture
def three(send, make_event):
    """Batches of one, two and three events."""
    for size in (1, 2, 3):
        send(*(make_event() for _ in range(size)))
    return list(QueuedBatch.objects.order_by("id"))


def fail(batch: QueuedBatch, delay: float = 600) -> None:
    """Its first delivery failed."""
    (claimed,) = [claimed for claimed in queue.claim() if claimed.id == batch.pk]
    queue.retry(claimed, "DataError: out of range", delay)


def test_a_survey_says_what_waits_and_for_what(send, make_event):
    assert queue.survey(ALL).batches == 0
    send(make_event(), make_event())
    fail(QueuedBatch.objects.get())
    send(make_event())
    queue.claim()
    send(make_event())

    found = queue.survey(ALL)

    assert (found.batches, found.events, found.is_capped) == (3, 4, False)
    assert (found.due, found.under_way, found.failed, found.most_deliveries) == (1, 1, 1, 1)
    assert found.next_at is not None
    assert timedelta(minutes=9) < found.next_at - found.at < timedelta(minutes=10)
    assert 0 <= found.oldest_seconds < 60


def test_a_survey_of_many_batches_reads_only_the_first_of_them(three, monkeypatch):
    monkeypatch.setattr(queue.selection, "CAP", 2)
    found = queue.survey(ALL)
    assert (found.batches, found.is_capped) == (2, True)


def test_a_selection_is_narrowed_by_number_kind_and_time(three):
    fail(three[0])
    whole = QueuedBatch.objects.get(pk=three[1].pk)
    QueuedBatch.objects.filter(pk=three[2].pk).update(
        origin=whole.pk, created_at=timezone.now() - timedelta(hours=2)
    )

    def numbers(**narrowed: object) -> list[int]:
        rows = Selection(**narrowed).rows()  # type: ignore[arg-type]
        return [three.index(batch) + 1 for batch in rows.order_by("id")]

    assert numbers() == [1, 2, 3]
    assert numbers(ids=(three[1].pk, three[2].pk)) == [2, 3]
    assert numbers(kind="new") == [2]
    assert numbers(kind="failed") == [1]
    assert numbers(kind="part") == [3]
    assert numbers(before=timezone.now() - timedelta(hours=1)) == [3]


def test_a_selection_comes_back_from_its_parameters():
    chosen = Selection(ids=(3, 7), kind="failed", before=timezone.now())
    assert Selection.of_parameters(chosen.as_parameters()) == chosen
    assert Selection.of_parameters(ALL.as_parameters()) == ALL


# --- deliver now -------------------------------------------------------------------------------------


def test_a_batch_that_waits_for_its_next_attempt_is_due_and_rung_for(send, make_event):
    send(make_event())
    batch = QueuedBatch.objects.get()
    fail(batch)
    OrmQ.objects.all().delete()
    assert drain().batches == 0

    assert queue.deliver_now(Selection(ids=(batch.pk,))) == 1

    assert OrmQ.objects.count() == 1
    assert QueuedBatch.objects.get().deliveries == 1
    assert drain().inserted == 1
    assert queue.deliver_now(Selection(ids=(batch.pk,))) == 0


def test_a_batch_under_a_lease_is_not_made_due(three):
    claims = queue.claim()
    assert queue.deliver_now(ALL) == 0
    with transaction.atomic():
        assert len(queue.hold(claims)) == 3  # still the consumer's


def test_a_batch_whose_row_a_consumer_holds_is_neither_waited_for_nor_made_due(three, settings):
    settings.TRAFFIC_LEASE = 0.0
    queue.claim()
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:  # as `hold` does
        cursor.execute("SELECT FROM gateway_queuedbatch FOR UPDATE")
        QueuedBatch.objects.none()
        assert queue.deliver_now(ALL) == 0
        assert withdraw(ALL, MOVED, "ada", "").batches == 0
    other.close()


# --- taken out ---------------------------------------------------------------------------------------


def test_a_moved_batch_becomes_a_letter_for_each_of_its_events_and_says_why(three):
    fail(three[1])

    moved = withdraw(Selection(ids=(three[1].pk,)), MOVED, "ada", "it may be the bad one")

    assert (moved.batches, moved.letters) == (1, 2)
    assert {batch.pk for batch in QueuedBatch.objects.all()} == {three[0].pk, three[2].pk}
    for letter in DeadLetter.objects.all():
        assert (letter.state, letter.reason, letter.deliveries) == ("dead", "moved", 1)
        assert letter.error == "moved by ada: it may be the bad one\nbefore: DataError: out of range"
        assert letter.event_id in three[1].payload
        assert letter.route == "/api/items/{id}"


def test_purged_events_are_kept_as_discarded(three):
    withdraw(ALL, PURGED, "ada", "a load test")

    assert not QueuedBatch.objects.exists()
    letters = list(DeadLetter.objects.all())
    assert len(letters) == 6
    for letter in letters:
        assert (letter.state, letter.reason, letter.settled_by) == ("discarded", "purged", "ada")
        assert (letter.note, letter.settled_at is not None) == ("a load test", True)


def test_a_batch_that_is_no_json_is_kept_as_it_was(store):
    queue.enqueue([("{no json", 1), ("[]", 1)])
    assert withdraw(ALL, MOVED, "ada", "").letters == 1
    assert DeadLetter.objects.get().payload == "{no json"


def test_what_a_consumer_has_claimed_is_left_to_it_and_counted_once(three, send, make_event):
    claims = queue.claim()
    send(make_event())

    assert withdraw(ALL, PURGED, "ada", "").letters == 1

    with transaction.atomic():
        held = queue.hold(claims)
    assert [claimed.id for claimed in held] == [batch.pk for batch in three]


def test_a_batch_that_was_taken_from_a_consumer_that_slept_is_not_counted_by_it(three, settings):
    settings.TRAFFIC_LEASE = 0.0
    claims = queue.claim()

    assert withdraw(ALL, MOVED, "ada", "").letters == 6

    with transaction.atomic():
        assert queue.hold(claims) == []
    queue.retry(claims[0], "too late", 0)
    queue.give_back(claims, "too late", 0)
    assert drain().inserted == 0
    assert (Event.objects.count(), QueuedBatch.objects.count()) == (0, 0)
