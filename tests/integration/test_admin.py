"""The admin shows what is stored, changes nothing but what it is asked to, and reads no whole table."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin import site as admin_site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_q.models import Failure, OrmQ, Schedule, Success

from gateway.admin.paginator import CAP
from gateway.events import encode
from gateway.models import QueuedBatch
from legacy_collector.models import CollectedEvent, CollectedHourly
from stats.consumer import drain
from stats.models import ConsumerHeartbeat, DeadLetter, Event, PathStatsHourly
from tests.integration import admin_rows
from tests.integration.admin_rows import IMAGE, SCRIPT

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

READ_ONLY = [
    Event,
    PathStatsHourly,
    QueuedBatch,
    DeadLetter,
    ConsumerHeartbeat,
    CollectedEvent,
    CollectedHourly,
    OrmQ,
    Success,
    Failure,
]
LISTED = [*READ_ONLY, Schedule]


def url(model, page="changelist", *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def change_url(row):
    return url(type(row), "change", row.pk)


def results(response):
    return list(response.context["cl"].result_list)


def texts(response):
    return [str(message) for message in response.context["messages"]]


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


# --- every page ----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", LISTED, ids=lambda model: model.__name__)
def test_list_and_detail_answer_with_rows_and_with_none(admin, rows, model):
    listed = results(admin.get(url(model)))
    assert listed
    assert admin.get(change_url(listed[0])).status_code == 200

    model._default_manager.all().delete()
    assert admin.get(url(model)).status_code == 200


@pytest.mark.parametrize("model", LISTED, ids=lambda model: model.__name__)
def test_no_stored_text_becomes_markup(admin, rows, model):
    pages = [url(model), *(change_url(row) for row in results(admin.get(url(model))))]
    seen = ""
    for page in pages:
        text = admin.get(page).content.decode()
        assert SCRIPT not in text
        assert "<img src=x" not in text
        seen += text
    if model not in (ConsumerHeartbeat, Success):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in seen


def test_a_hostile_event_is_shown_in_full_and_escaped(admin, rows):
    page = admin.get(change_url(Event.objects.get(path=SCRIPT))).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;" in page
    assert IMAGE not in page


@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)
def test_nothing_can_be_added_changed_or_deleted(admin, rows, model):
    row = model._default_manager.order_by("pk").last()
    before = model._default_manager.count()
    addresses = [url(model, "add"), change_url(row), url(model, "delete", row.pk)]
    assert [admin.post(address, {"post": "yes"}).status_code for address in addresses] == [403, 403, 403]
    admin.post(url(model), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert model._default_manager.count() == before


# --- addresses that no page links to ---------------------------------------------------------------

REGISTERED = [*LISTED, User, Group]
ABSURD_IDS = ["%00", "_00", "a%00b", "9" * 40, "9" * 5000, "-1", "a" * 3000, "%ED%A0%80", "%F0%9F%98%80", "."]
ABSURD_VALUES = ["%00", "a%00", "9" * 40, "9" * 5000, "-1", "a" * 3000, "%ED%A0%80", "("]


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model.__name__)
@pytest.mark.parametrize("view", ["change", "history", "delete"])
def test_an_id_that_no_row_can_have_is_an_id_that_no_row_has(admin, rows, model, view):
    for absurd in ABSURD_IDS:
        response = admin.get(f"{url(model)}{absurd}/{view}/")
        if model in READ_ONLY and view == "delete":
            assert response.status_code in (302, 403), absurd
        else:
            assert (response.status_code, response["Location"]) == (302, reverse("admin:index")), absurd


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model.__name__)
def test_a_list_filtered_by_anything_is_empty_or_refused(admin, rows, model):
    offered = {getattr(one, "parameter_name", one) for one in admin_site._registry[model].list_filter}
    others = {field.name for field in model._meta.get_fields()} - offered | {"nothing"}
    lookups = ("", "__exact", "__in", "__isnull", "__regex", "__id__exact", "__gt")
    queries = [f"{name}{lookup}={value}" for name in offered for lookup in lookups for value in ABSURD_VALUES]
    queries += [f"{name}{lookup}=%00" for name in others for lookup in ("", "__contains")]
    for query in queries:
        assert admin.get(f"{url(model)}?{query}").status_code in (200, 302, 400), query


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


@pytest.mark.parametrize(
    "address",
    [
        "login/?next=%00",
        "?%00=%00",
        "search/?s=%00",
        "autocomplete/?term=%00&app_label=%00&model_name=x&field_name=x",
        "jsi18n/?%00",
        "r/%00/%00/",
        *(f"r/{content_type}/%00/" for content_type in range(1, 30)),
        "%00/",
        "stats/event/add/?path=%00",
        "stats/event/?p=99999999999999999999",
        "stats/event/?p=%00",
        "stats/event/?q=%00",
        "stats/event/?_to_field=%00",
        "stats/deadletter/99999999999999999999999/settle/",
        "auth/user/?q=%00",
        "auth/user/add/?username=%00",
        "auth/user/%00/password/",
        f"auth/user/{'9' * 5000}/password/",
    ],
)
def test_nothing_else_breaks_either(admin, rows, address):
    assert admin.get(reverse("admin:index") + address).status_code < 500


# --- cost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "database"), [(Event, "default"), (PathStatsHourly, "default"), (CollectedEvent, "legacy")]
)
@pytest.mark.parametrize("query", ["", "?q=2025-11-23", "?p=1", "?o=3.-5", "?_facets=True"])
def test_no_list_counts_or_sorts_a_whole_table(admin, rows, model, database, query):
    with CaptureQueriesContext(
        connections[database],
    ) as captured:
        admin.get(url(model) + query)
    mine = [entry["sql"] for entry in captured if model._meta.db_table in entry["sql"]]
    assert len(mine) == 2
    for sql in mine:
        assert re.search(r"LIMIT \d+", sql)
    orders = [sql.split("ORDER BY", 1)[1] for sql in mine if "ORDER BY" in sql]
    key = "hour" if model is PathStatsHourly else "idempotent_id"
    assert orders
    # What was searched for is sorted after it was found by its own index, so not by the order's.
    assert all(("COALESCE" in order) == query.startswith("?q=") for order in orders)
    assert all(f'"{key}"' in order.split(",")[0] and "DESC" in order for order in orders)
    assert all("DISTINCT" not in sql for sql in mine)


def test_a_count_past_the_cap_says_so(admin, store, send, make_event, monkeypatch):
    monkeypatch.setattr("gateway.admin.paginator.CAP", 110)
    send(*[make_event() for _ in range(130)])
    drain()
    response = admin.get(url(Event))
    assert "110+" in response.content.decode()
    assert len(results(response)) == 100
    assert CAP == 10_000


def test_a_list_that_takes_too_long_says_so_instead_of_holding_the_database(admin, rows, monkeypatch):
    monkeypatch.setattr("gateway.admin.indexed_list.SECONDS", 0.05)
    slow = Event.objects.extra(where=["pg_sleep(1) IS NOT NULL"])
    monkeypatch.setattr("stats.admin.events.EventAdmin.get_queryset", lambda self, request: slow)
    response = admin.get(url(Event))
    assert response.status_code == 200
    assert "took longer than" in " ".join(texts(response))
    assert results(response) == []


def test_a_column_that_is_not_offered_as_a_filter_is_refused(admin, rows):
    assert admin.get(url(Event), {"user_agent__contains": "x"}).status_code == 400
    assert admin.get(url(DeadLetter), {"state__exact": "dead"}).status_code == 200


# --- search --------------------------------------------------------------------------------------


def found(client, model, term):
    return {row.pk for row in results(client.get(url(model), {"q": term}))}


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


@pytest.mark.parametrize("model", [one for one in READ_ONLY if one not in (ConsumerHeartbeat, OrmQ)])
@pytest.mark.parametrize("term", ["#", "x:y", "\x00", "'", "%", "9" * 40, "٣", "9999-12-31", "a" * 5000])
def test_any_search_is_answered(admin, rows, model, term):
    assert admin.get(url(model), {"q": term}).status_code == 200


def test_other_rows_are_found_by_what_their_pages_say(admin, rows):
    batch = QueuedBatch.objects.first()
    assert found(admin, QueuedBatch, f"#{batch.pk}") == {batch.pk}
    letter = DeadLetter.objects.exclude(event_id=None).first()
    assert letter.pk in found(admin, DeadLetter, letter.event_id)
    assert found(admin, DeadLetter, f"#{letter.pk}") == {letter.pk}
    collected = CollectedEvent.objects.first()
    assert found(admin, CollectedEvent, collected.pk) == {collected.pk}
    counts = CollectedHourly.objects.get(route=SCRIPT)
    assert found(admin, CollectedHourly, f"{counts.hour:%Y-%m-%d %H} {SCRIPT}") == {counts.pk}
    stats = PathStatsHourly.objects.filter(route="/api/users").first()
    assert stats.pk in found(admin, PathStatsHourly, "/api/us")


def test_what_waits_for_replay_can_be_listed(admin, rows):
    listed = results(admin.get(url(CollectedEvent), {"replay": "pending"}))
    assert len(listed) == CollectedEvent.objects.filter(replay_pending=True).count() == 32


# --- dead letters --------------------------------------------------------------------------------


def test_redriving_counts_the_event_and_doing_it_twice_changes_nothing(admin, letter):
    assert texts(run(admin, "redrive_selected", letter)) == ["1 dead letter put back into the queue."]
    assert QueuedBatch.objects.count() == 1
    assert texts(run(admin, "redrive_selected", letter)) == [
        "1 left unchanged: redriven or discarded before."
    ]
    assert QueuedBatch.objects.count() == 1

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
    assert texts(response) == ["1 dead letter put back into the queue."]
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


def test_all_that_a_filter_finds_can_be_redriven_at_once(admin, rows):
    wanted = DeadLetter.objects.filter(reason="schema")
    count, others = wanted.count(), DeadLetter.objects.exclude(reason="schema").count()
    response = admin.post(
        url(DeadLetter) + "?reason__exact=schema",
        {"action": "redrive_selected", "_selected_action": [wanted[0].pk], "select_across": 1, "index": 0},
        follow=True,
    )
    assert texts(response) == [f"{count} dead letters put back into the queue."]
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
