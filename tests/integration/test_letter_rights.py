"""Who may do what with dead letters: each cell of the table, by the request itself, without its page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from gateway import queue
from gateway.events import encode
from stats import dead_letters, partitions, repairs
from stats.admin.dead_letters import rights
from stats.models import DeadLetter, Repair
from tests.conftest import BOTH, delete_rows
from tests.integration.admin_rows import event
from tests.integration.letters import bury_broken, one

pytestmark = pytest.mark.django_db(databases=BOTH)

PERMISSIONS = ("view_deadletter", "redrive_deadletter", "discard_deadletter", "edit_deadletter")
EVENT = event(7)


@pytest.fixture(scope="module")
def buried(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """One dead letter for all cells; what a test changes is rolled back."""
    with django_db_blocker.unblock():
        partitions.forget()
        bury_broken(EVENT)
        yield
        delete_rows(BOTH)


@pytest.fixture
def letter(buried: None) -> DeadLetter:
    return DeadLetter.objects.get()


def person(*permissions: str) -> Client:
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


# --- what each action is, and how it shows that it was done ------------------------------------------


def page(name: str, *arguments: Any) -> str:
    return reverse(f"admin:stats_{name}", args=arguments)


def looks(name: str, has_letter: bool = True) -> Callable[[Client, DeadLetter], bool]:
    def look(client: Client, letter: DeadLetter) -> bool:
        arguments = (letter.pk,) if has_letter else ()
        return client.get(page(f"deadletter_{name}", *arguments)).status_code == 200

    return look


def settles(verb: str, state: str) -> Callable[[Client, DeadLetter], bool]:
    """By the button of its page."""

    def settle(client: Client, letter: DeadLetter) -> bool:
        client.post(page("deadletter_settle", letter.pk), {"verb": verb})
        letter.refresh_from_db()
        return letter.state == state

    return settle


def selects(action: str, state: str) -> Callable[[Client, DeadLetter], bool]:
    """By the form of the list."""

    def select(client: Client, letter: DeadLetter) -> bool:
        form = {"action": action, "_selected_action": [letter.pk], "index": 0}
        client.post(page("deadletter_changelist"), form)
        letter.refresh_from_db()
        return letter.state == state

    return select


def asks(verb: str) -> Callable[[Client, DeadLetter], bool]:
    def ask(client: Client, letter: DeadLetter) -> bool:
        client.post(page("deadletter_all", verb), {"note": "why"})
        return Repair.objects.filter(kind=verb).exists()

    return ask


def edits(button: str, state: str) -> Callable[[Client, DeadLetter], bool]:
    def edit(client: Client, letter: DeadLetter) -> bool:
        version = dead_letters.version_of(letter.payload)
        form = {"payload": encode(EVENT).decode(), "version": version, button: "1"}
        client.post(page("deadletter_edit", letter.pk), form)
        letter.refresh_from_db()
        return letter.original != "" and letter.state == state

    return edit


def delivers(client: Client, letter: DeadLetter) -> bool:
    client.post(page("deadletter_settle", letter.pk), {"verb": "deliver now"})
    return queue.due_in(letter.batch or 0) == 0


ACTIONS: dict[str, Callable[[Client, DeadLetter], bool]] = {
    "list": looks("changelist", has_letter=False),
    "groups": looks("groups", has_letter=False),
    "detail": looks("change"),
    "history": looks("history"),
    "redrive": settles("redrive", "redriven"),
    "redrive selected": selects("redrive_selected", "redriven"),
    "redrive all": asks("redrive"),
    "deliver now": delivers,
    "undo redrive": settles("undo redrive", "dead"),
    "undo redrive selected": selects("undo_redrive_selected", "dead"),
    "discard": settles("discard", "discarded"),
    "discard selected": selects("discard_selected", "discarded"),
    "discard all": asks("discard"),
    "undo discard": settles("undo discard", "dead"),
    "undo discard selected": selects("undo_discard_selected", "dead"),
    "edit": edits("save", "dead"),
    "edit and redrive": edits("redrive", "redriven"),
}
AFTER_REDRIVE = ("deliver now", "undo redrive", "undo redrive selected")
AFTER_DISCARD = ("undo discard", "undo discard selected")


def prepare(action: str, letter: DeadLetter) -> None:
    if action in AFTER_REDRIVE:
        dead_letters.redrive(one(letter), "ada", 60)
    elif action in AFTER_DISCARD:
        dead_letters.discard(one(letter), "ada")
    letter.refresh_from_db()


def test_every_action_of_the_table_is_tried() -> None:
    assert set(ACTIONS) == set(rights.NEEDED)


@pytest.mark.parametrize("permission", [*PERMISSIONS, ""])
@pytest.mark.parametrize("action", rights.NEEDED)
def test_an_action_needs_what_the_table_says(letter: DeadLetter, action: str, permission: str) -> None:
    prepare(action, letter)

    is_done = ACTIONS[action](person(permission), letter)

    assert is_done is (rights.NEEDED[action] == (f"stats.{permission}",))


@pytest.mark.parametrize("action", rights.NEEDED)
def test_all_that_the_table_says_is_enough(letter: DeadLetter, action: str) -> None:
    prepare(action, letter)

    needed = [permission.removeprefix("stats.") for permission in rights.NEEDED[action]]
    assert ACTIONS[action](person(*needed), letter)


@pytest.mark.parametrize("action", rights.NEEDED)
def test_all_but_one_of_what_the_table_says_is_not(letter: DeadLetter, action: str) -> None:
    prepare(action, letter)

    needed = {permission.removeprefix("stats.") for permission in rights.NEEDED[action]}
    for missing in needed:
        client = person(*set(PERMISSIONS) - {missing})
        assert not ACTIONS[action](client, letter)
        User.objects.all().delete()


# --- repairs -----------------------------------------------------------------------------------------


def finished(kind: str) -> Repair:
    return Repair.objects.create(kind=kind, by="ada", state="done", done=1, finished_at=timezone.now())


@pytest.mark.parametrize("permission", [*PERMISSIONS, "view_repair", ""])
@pytest.mark.parametrize("kind", ["redrive", "discard"])
def test_who_may_ask_for_a_repair_may_see_end_and_undo_it(
    letter: DeadLetter, kind: str, permission: str
) -> None:
    client = person(permission)
    waiting = repairs.ask(kind, {"filter": {}, "newest": letter.pk}, by="ada")
    done = finished(kind)

    client.post(page("repair_cancel", waiting.pk))
    client.post(page("repair_undo", done.pk))

    waiting.refresh_from_db()
    may = permission == f"{kind}_deadletter"
    assert (waiting.state == "cancelled") is may
    assert Repair.objects.filter(kind=f"undo_{kind}").exists() is may
    seen = client.get(page("repair_change", done.pk)).status_code == 200
    assert seen is (may or permission == "view_repair")
    assert (client.get(page("repair_changelist")).status_code == 200) is (permission == "view_repair")


# --- those who had the one permission that there was before -----------------------------------------


def test_a_permission_for_each_and_the_old_ones_are_gone() -> None:
    codenames = Permission.objects.filter(content_type__model="deadletter").values_list("codename", flat=True)
    assert set(codenames) == {*PERMISSIONS, "export_deadletter"}
