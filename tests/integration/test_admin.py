"""The admin shows what is stored, changes nothing but what it is asked to, and reads no whole table."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse
from django_q.models import OrmQ, Schedule

from gateway.admin.paginator import CAP
from gateway.events import encode
from gateway.models import QueuedBatch
from stats import repairs
from stats.consumer import drain
from stats.models import DeadLetter, Event
from tests.integration import admin_rows
from tests.integration.admin_pages import LISTED, change_url, found, results, texts, url
from tests.integration.admin_rows import SCRIPT

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture
def admin(store, admin_client):
    return admin_client


@pytest.fixture
def rows(store):
    admin_rows.fill()


@pytest.fixture
def letter(store, send, make_event):
    """One event that is dead although nothing is wrong with it any more."""
    event = make_event()
    return DeadLetter.objects.create(
        payload=encode(event).decode(),
        event_id=event.idempotent_id,
        reason=DeadLetter.Reason.EXHAUSTED,
        error="it was full",
        deliveries=4,
    )


@pytest.fixture
def staff(client, django_user_model):
    """A person who may look at dead letters, and no more."""
    user = django_user_model.objects.create_user("looker", password="secret", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_deadletter"))
    client.force_login(user)
    return client


def run(client, action, *letters, **more):
    return client.post(
        url(DeadLetter),
        {"action": action, "_selected_action": [one.pk for one in letters], "index": 0, **more},
        follow=True,
    )


@pytest.mark.parametrize(
    "query", ["state__exact=%00", "reason__exact=%00", f"state__exact={'a' * 3000}", "reason=%00"]
)
def test_a_filter_that_finds_nothing_shows_an_empty_list(admin, letter, query):
    response = admin.get(f"{url(DeadLetter)}?{query}")
    assert (response.status_code, results(response)) == (200, [])


@pytest.mark.parametrize("selected", ["\x00", "x", "9" * 40, "9" * 5000, "-1"])
def test_an_action_on_a_letter_that_cannot_be_does_nothing(admin, letter, selected):
    form = {"action": "discard_selected", "_selected_action": [selected], "index": 0}
    assert admin.post(url(DeadLetter), form).status_code in (302, 400)
    letter.refresh_from_db()
    assert letter.state == "dead"


def test_a_count_past_the_cap_says_so(admin, store, send, make_event, monkeypatch):
    monkeypatch.setattr("gateway.admin.paginator.CAP", 60)
    send(*[make_event() for _ in range(130)])
    drain()
    response = admin.get(url(Event))
    assert "60+" in response.content.decode()
    assert len(results(response)) == 50
    assert CAP == 10_000


# --- search --------------------------------------------------------------------------------------


def test_an_event_is_found_by_its_id_its_beginning_and_its_time(admin, store, send, make_event):
    one, other = make_event(timestamp=1_763_900_000_123), make_event(timestamp=1_763_990_000_000)
    send(one, other)
    drain()
    for term in (
        one.idempotent_id,
        one.idempotent_id[:17],
        "1763900000123",
        "17639000",
        "2025-11-23",
        "2025-11-23 12:13",
        "2025-11-23T12:13:20Z",
    ):
        assert found(admin, Event, term) == {one.idempotent_id}, term
    assert found(admin, Event, "17639") == {one.idempotent_id, other.idempotent_id}
    assert found(admin, Event, "1763900000124") == set()


def test_an_event_is_found_by_its_route_alone_and_after_a_time(admin, store, send, make_event):
    colon, percent = make_event(route="/v1/docs:batchGet"), make_event(route="/v1/docs%")
    send(colon, percent)
    drain()
    assert found(admin, Event, "/v1/docs:") == {colon.idempotent_id}
    assert found(admin, Event, "/v1/docs%") == {percent.idempotent_id}
    assert found(admin, Event, "2025-11-23 12 /v1/") == {colon.idempotent_id, percent.idempotent_id}
    assert found(admin, Event, "2025-11-24 /v1/") == set()


def test_a_column_without_index_is_searched_within_an_hour_only(admin, store, send, make_event):
    broken = make_event(status=500, path="/x")
    send(broken, make_event())
    drain()
    assert found(admin, Event, "2025-11-23 12 status:500 path:/x") == {broken.idempotent_id}
    for term, complaint in (
        ("path:/x", "only together with an hour"),
        ("2025-11-23 path:/x", "only together with an hour"),
        ("2025-11-23 12 status:5xx", "is no status"),
        ("2025-13-45", "is no date"),
        ("0001-01-01", "before 1970"),
    ):
        response = admin.get(url(Event), {"q": term})
        assert results(response) == []
        assert complaint in " ".join(texts(response)), term


# --- dead letters --------------------------------------------------------------------------------


def test_redriving_counts_the_event_and_doing_it_twice_changes_nothing(admin, letter):
    (told,) = texts(run(admin, "redrive_selected", letter))
    assert told.startswith("1 dead letter put back into the queue.")
    assert QueuedBatch.objects.count() == 1
    assert texts(run(admin, "redrive_selected", letter)) == [
        "1 left unchanged: redriven or discarded before."
    ]
    assert QueuedBatch.objects.count() == 1

    admin.post(url(DeadLetter, "settle", letter.pk), {"verb": "deliver now"})
    drain()
    assert [event.pk for event in Event.objects.all()] == [letter.event_id]
    letter.refresh_from_db()
    assert (letter.state, letter.settled_by) == ("redriven", "admin")


def test_discarding_queues_nothing(admin, letter):
    assert texts(run(admin, "discard_selected", letter)) == ["1 dead letter discarded."]
    letter.refresh_from_db()
    assert (letter.state, letter.settled_by, QueuedBatch.objects.count()) == ("discarded", "admin", 0)


def test_the_buttons_of_the_detail_page_do_the_same(admin, letter):
    assert "Redrive" in admin.get(change_url(letter)).content.decode()
    response = admin.post(url(DeadLetter, "settle", letter.pk), {"verb": "redrive"}, follow=True)
    assert texts(response)[0].startswith("1 dead letter put back into the queue.")
    assert 'value="redrive"' not in response.content.decode()
    assert QueuedBatch.objects.count() == 1


def test_every_action_is_written_down_once_for_each_letter_it_changed(admin, rows):
    letters = list(DeadLetter.objects.order_by("pk")[:3])
    run(admin, "discard_selected", letters[0])
    run(admin, "redrive_selected", *letters)
    entries = LogEntry.objects.order_by("pk").values_list("object_id", "change_message", "user__username")
    assert sorted(entries) == sorted(
        [
            (str(letters[0].pk), "Discarded.", "admin"),
            (str(letters[1].pk), "Put back into the queue.", "admin"),
            (str(letters[2].pk), "Put back into the queue.", "admin"),
        ]
    )
    assert "Discarded." in admin.get(url(DeadLetter, "history", letters[0].pk)).content.decode()


def test_all_that_a_filter_finds_are_redriven_at_once_by_a_repair(admin, rows):
    wanted = DeadLetter.objects.filter(reason="schema")
    count, others = wanted.count(), DeadLetter.objects.exclude(reason="schema").count()
    response = admin.post(
        url(DeadLetter) + "?reason__exact=schema",
        {"action": "redrive_selected", "_selected_action": [wanted[0].pk], "select_across": 1, "index": 0},
    )
    asked = response["Location"]
    assert f"{count} dead letters are put back" in admin.get(asked).content.decode()
    assert DeadLetter.objects.filter(state="dead").count() == others + count

    admin.post(asked, {"note": ""})
    repairs.carry_out_all()
    assert DeadLetter.objects.filter(state="dead").count() == others


def test_who_may_only_look_sees_no_action_and_can_do_none(staff, letter):
    for page in (url(DeadLetter), change_url(letter)):
        text = staff.get(page).content.decode()
        assert letter.event_id in text
        assert "redrive_selected" not in text
        assert 'value="redrive"' not in text
    run(staff, "redrive_selected", letter)
    assert staff.post(url(DeadLetter, "settle", letter.pk), {"verb": "redrive"}).status_code == 403
    assert staff.get(url(Event)).status_code == 403
    letter.refresh_from_db()
    assert letter.state == "dead"


def test_a_link_can_redrive_nothing(admin, letter):
    assert admin.get(url(DeadLetter, "settle", letter.pk), {"verb": "redrive"}).status_code == 405
    assert admin.post(url(DeadLetter, "settle", letter.pk), {"verb": "eat"}).status_code == 400
    assert admin.post(url(DeadLetter, "settle", 2**70), {"verb": "redrive"}).status_code == 404
    letter.refresh_from_db()
    assert letter.state == "dead"


# --- details -------------------------------------------------------------------------------------


def test_a_batch_shows_its_events_and_its_error(admin, rows):
    batch = QueuedBatch.objects.exclude(last_error="").first()
    page = admin.get(change_url(batch)).content.decode()
    assert "DataError: value out of range" in page
    for match in re.findall(r"[0-9]{13}-[0-9a-f]{8}", batch.payload):
        assert page.count(match) == 2  # in the table and in the raw text


def test_an_event_shows_milliseconds_and_sizes(admin, store, send, make_event):
    event = make_event(timestamp=1_763_900_000_001, response_time=1234.56, response_bytes=1_234_567)
    send(event)
    drain()
    page = admin.get(change_url(Event.objects.get())).content.decode()
    for text in ("2025-11-23 12:13:20.001 UTC", "1,234.6 ms", "1.2 MB"):
        assert text in page


def test_a_task_whose_payload_does_not_verify_is_shown_as_unreadable(admin, rows):
    broken = OrmQ.objects.get(payload="no signature holds here")
    assert "unreadable" in admin.get(url(OrmQ)).content.decode()
    assert "BadSignature" in admin.get(change_url(broken)).content.decode()


def test_only_superusers_change_what_a_schedule_runs(admin, client, rows, django_user_model):
    schedule = Schedule.objects.get(name=SCRIPT)
    user = django_user_model.objects.create_user("planner", password="secret", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__model="schedule"))
    client.force_login(user)
    form = {"schedule_type": "D", "repeats": -1, "next_run_0": "2026-01-01", "next_run_1": "00:00:00"}
    client.post(change_url(schedule), {**form, "func": "os.system"})
    schedule.refresh_from_db()
    assert (schedule.schedule_type, schedule.func) == ("D", "stats.tasks.consume")
    assert client.get(url(Schedule, "add")).status_code == 403
    assert admin.get(url(Schedule, "add")).status_code == 200


def test_passwords_and_groups_can_be_managed(admin, admin_user):
    for address in (
        reverse("admin:auth_user_changelist"),
        reverse("admin:auth_user_add"),
        reverse("admin:auth_user_change", args=[admin_user.pk]),
        reverse("admin:auth_user_password_change", args=[admin_user.pk]),
        reverse("admin:auth_group_changelist"),
        reverse("admin:auth_group_add"),
        reverse("admin:password_change"),
        reverse("admin:index"),
    ):
        assert admin.get(address).status_code == 200, address


def test_the_sidebar_names_only_what_the_user_may_see(staff, admin_client, letter):
    page = staff.get(url(DeadLetter)).content.decode()
    assert url(Event) not in page
    assert "Accounts" not in page
    page = admin_client.get(url(DeadLetter)).content.decode()
    assert all(url(model) in page for model in LISTED)
