"""Who may do what to the pipeline: the table of `stats.admin.actions`, cell by cell."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django_q.models import Schedule

from gateway import queue
from gateway.models import QueuedBatch
from stats import background, pausing, queue_repairs, repairs
from stats.admin.actions import ACTIONS
from stats.consumer import drain
from stats.models import ConsumerHeartbeat, DeadLetter, JobRun, Repair

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

PERMISSIONS = sorted({action.permission for action in ACTIONS.values()})
VIEWS = (
    *("gateway.view_queuedbatch", "stats.view_deadletter", "stats.view_jobrun", "stats.view_repair"),
    *("stats.view_consumerheartbeat", "legacy_collector.view_collectedevent", "django_q.view_schedule"),
)


@pytest.fixture(autouse=True)
def waiting(store, send, make_event, monkeypatch):
    """One batch that waits, one purge that is done, and nobody who starts a process."""
    monkeypatch.setattr(background, "start", lambda *command, **options: True)
    ConsumerHeartbeat.objects.all().delete()
    drain()
    repairs.ask(queue_repairs.PURGE, queue.Selection().as_parameters(), by="ada")
    send(make_event())


def body(name: str) -> dict[str, object]:
    """What the button of an action sends."""
    batch, purge = QueuedBatch.objects.get(), Repair.objects.get()
    return {
        "pause": {"note": "why"},
        "resume": {},
        "deliver": {"ids": batch.pk},
        "move": {"ids": batch.pk, "note": "why"},
        "purge": {"ids": batch.pk, "note": "why", "word": "traffic-events"},
        "recover": {"repair": purge.pk},
        "replay": {},
        "run": {"job": "readiness"},
        "switch": {"schedule": Schedule.objects.get(func="stats.tasks.apply_retention").pk, "on": "0"},
    }[name]


def state() -> tuple[object, ...]:
    """All that an action of the table could change."""
    return (
        sorted(QueuedBatch.objects.values_list("pk", "visible_at")),
        *(model.objects.count() for model in (DeadLetter, Repair, JobRun)),
        pausing.is_paused(),
        sorted(Schedule.objects.values_list("pk", "repeats")),
    )


def somebody(django_user_model, *permissions: str, **options: bool) -> Client:
    user = django_user_model.objects.create_user("somebody", password="secret", is_staff=True)
    for permission in permissions:
        app, name = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=name))
    client = Client(**options)
    client.force_login(user)
    return client


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_each_cell_of_the_table(django_user_model, permission):
    client = somebody(django_user_model, permission)
    before = state()
    bodies = {name: body(name) for name in ACTIONS}
    mine = [name for name, action in ACTIONS.items() if action.permission == permission]
    for name in ACTIONS.keys() - mine:
        assert client.post(reverse(ACTIONS[name].page), bodies[name]).status_code == 403, name
    assert state() == before
    for name in mine:
        assert client.post(reverse(ACTIONS[name].page), bodies[name]).status_code == 302, name


def test_whoever_may_look_at_all_of_it_may_do_none_of_it_and_sees_no_button(django_user_model):
    client = somebody(django_user_model, *VIEWS)
    before = state()
    pages = ("gateway_queuedbatch_changelist", "stats_jobs", "stats_fallback", "stats_deadletter_changelist")
    shown = [client.get(reverse(f"admin:{page}")) for page in pages]
    assert {response.status_code for response in shown} == {200}
    for name, action in ACTIONS.items():
        address = reverse(action.page)
        assert client.post(address, body(name)).status_code == 403
        assert not any(address in response.content.decode() for response in shown)
    assert state() == before


def test_a_link_or_a_page_of_another_site_does_nothing(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    before = state()
    for name, action in ACTIONS.items():
        address = reverse(action.page)
        assert client.get(address, body(name)).status_code == 405
        assert client.post(address, body(name)).status_code == 403
        assert client.put(address).status_code in (403, 405)
    assert state() == before


@pytest.mark.parametrize("page", ["moving", "purging"])
def test_the_pages_that_ask_are_for_those_who_may(django_user_model, admin_client, page):
    address = reverse(f"admin:gateway_queuedbatch_{page}")
    assert somebody(django_user_model, *VIEWS).get(address).status_code == 403
    assert admin_client.get(address).status_code == 200
    assert admin_client.post(address).status_code == 405


def test_plain_staff_has_none_of_them_and_each_is_a_permission_of_its_own(django_user_model):
    user = django_user_model.objects.create_user("plain", is_staff=True)
    assert not any(user.has_perm(permission) for permission in PERMISSIONS)
    known = Permission.objects.values_list("content_type__app_label", "codename")
    assert set(PERMISSIONS) <= {".".join(names) for names in known}
