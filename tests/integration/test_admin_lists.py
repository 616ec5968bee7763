"""The admin's lists show what is stored, escaped, whatever is asked of them, and read no whole table.

The rows are made once for all of these tests; what one of them changes is rolled back.
"""

from __future__ import annotations

import itertools
import re

import pytest
from django.contrib.admin import site as admin_site
from django.contrib.auth.models import Group, User
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_q.models import OrmQ, Success

from gateway.models import QueuedBatch
from legacy_collector.models import CollectedEvent, CollectedHourly
from stats import partitions
from stats.models import ConsumerHeartbeat, DeadLetter, Event, PathStatsHourly
from tests.conftest import BOTH, delete_rows
from tests.integration import admin_rows
from tests.integration.admin_pages import LISTED, READ_ONLY, change_url, found, results, texts, url
from tests.integration.admin_rows import IMAGE, SCRIPT

pytestmark = pytest.mark.django_db(databases=BOTH)

REGISTERED = [*LISTED, User, Group]
ABSURD_IDS = ["%00", "_00", "a%00b", "9" * 40, "9" * 5000, "-1", "a" * 3000, "%ED%A0%80", "%F0%9F%98%80", "."]
ABSURD_VALUES = ["%00", "a%00", "9" * 40, "9" * 5000, "-1", "a" * 3000, "%ED%A0%80", "("]


@pytest.fixture(scope="module")
def rows(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        partitions.forget()
        admin_rows.fill()
        yield
        delete_rows(BOTH)


@pytest.fixture
def admin(rows, admin_client):
    return admin_client


def texts_of(row):
    return {str(getattr(row, field.attname)) for field in row._meta.concrete_fields}


@pytest.mark.parametrize("model", LISTED, ids=lambda model: model.__name__)
def test_list_and_detail_answer_with_rows_and_with_none(admin, rows, model):
    listed = results(admin.get(url(model)))
    assert listed
    assert admin.get(change_url(listed[0])).status_code == 200

    model._default_manager.all().delete()
    assert admin.get(url(model), follow=True).status_code == 200


@pytest.mark.parametrize("model", LISTED, ids=lambda model: model.__name__)
def test_no_stored_text_becomes_markup(admin, rows, model):
    numbers = admin.get(url(model)).context["cl"].paginator.page_range
    answers = [admin.get(f"{url(model)}?p={number}") for number in numbers]
    found = [row for answer in answers for row in results(answer)]
    hostile = [row for row in found if {SCRIPT, IMAGE} & texts_of(row)]
    answers += [admin.get(change_url(row)) for row in hostile[:5] or found[:1]]
    seen = "".join(answer.content.decode() for answer in answers)
    assert SCRIPT not in seen
    assert "<img src=x" not in seen
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
    lookups = ("__exact", "__in", "__isnull", "__regex", "__id__exact", "__gt")
    queries = [f"{name}={value}" for name in offered for value in ABSURD_VALUES]
    # One value for each of these: they differ in how a lookup is read, not in what is read.
    values = itertools.cycle(ABSURD_VALUES)
    queries += [f"{name}{lookup}={next(values)}" for name in offered for lookup in lookups]
    queries += [f"{name}{lookup}=%00" for name in others for lookup in ("", "__contains")]
    for query in queries:
        assert admin.get(f"{url(model)}?{query}").status_code in (200, 302, 400), query


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
