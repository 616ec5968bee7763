"""docs/permissions.md is true: a row's permissions open its pages and actions; without them they are shut."""

from __future__ import annotations

import re
from functools import cache

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from tests.integration.admin_urls import KEYS, NO_PAGES, Place, is_nobodys, places
from tests.integration.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

ROW = re.compile(r"^\| (?P<permissions>`\w+\.\w+`[^|]*) \| (?P<places>[^|]*) \| [^|]+ \|$", re.MULTILINE)
FORBIDDEN = 403
# Pages of one row: open to whom its list is open, once there is one. What is done with a repair is for whom
# its kind says, and so is what is done with all letters that match: test_repairs.py, test_letter_rights.py.
OF_A_ROW = ("_change", "_history", "_delete", "_password_change", "_repair_cancel", "_repair_undo")
# With which an action would do something; none is found, so none does.
FORM = {"verb": "discard", "format": "csv"}
ANYBODY = {"index"}  # which is empty then
SUPERUSERS = {"django_q_schedule_add"}  # a schedule runs any function that it names

Row = tuple[tuple[str, ...], tuple[str, ...]]


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stats.background.start", lambda *_, **__: False)


def table() -> list[Row]:
    """The document's rows: permissions that are needed together, and the names of what they open."""
    text = (ROOT / "docs" / "permissions.md").read_text()
    return [
        (tuple(re.findall(r"`([\w.]+)`", row["permissions"])), tuple(re.findall(r"`(\w+)`", row["places"])))
        for row in ROW.finditer(text)
    ]


TABLE = table()


@cache
def asked() -> dict[str, Place]:
    """Every page that is no row's own, and every action, by name."""
    return {
        place.name: place
        for place in places()
        if place.name not in NO_PAGES
        and not set(place.arguments) - set(KEYS)
        and not place.name.endswith(OF_A_ROW)
        and not is_nobodys(place)
    }


def is_open(client: Client, name: str) -> bool:
    """Whether it does not answer 403: an action to its POST, a page to its GET."""
    address = asked()[name].url()
    answer = client.get(address)
    if answer.status_code == 405:
        answer = client.post(address, FORM)
    return answer.status_code != FORBIDDEN


def staff(*permissions: str) -> Client:
    user, _ = User.objects.get_or_create(username="staff", is_staff=True)
    user.user_permissions.set(
        one
        for one in Permission.objects.select_related("content_type")
        if f"{one.content_type.app_label}.{one.codename}" in permissions
    )
    client = Client()
    client.force_login(user)
    return client


def every_permission() -> set[str]:
    named = Permission.objects.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in named}


def test_plain_staff_may_see_nothing(store: None) -> None:
    client = staff()
    assert {name for name in asked() if is_open(client, name)} == ANYBODY


def test_a_row_s_permissions_open_what_it_says(store: None) -> None:
    assert set().union(*(permissions for permissions, _ in TABLE)) <= every_permission()
    shut = []
    for permissions, names in TABLE:
        client = staff(*permissions)
        shut += [(permissions, name) for name in names if not is_open(client, name)]
    assert shut == []


def test_all_other_permissions_together_do_not_open_it(store: None) -> None:
    everything = every_permission()
    opened = []
    for name in sorted(set(asked()) - ANYBODY):
        needed = {permissions[0] for permissions, names in TABLE if name in names}
        if is_open(staff(*(everything - needed)), name):
            opened.append((name, needed))
    assert opened == []


def test_where_two_permissions_are_needed_one_is_not_enough(store: None) -> None:
    opened = [
        (permission, name)
        for permissions, names in TABLE
        if len(permissions) > 1
        for permission in permissions
        for name in names
        if is_open(staff(permission), name)
    ]
    assert opened == []


def test_every_page_and_action_has_a_row(store: None) -> None:
    assert set(asked()) - ANYBODY - SUPERUSERS == set().union(*(names for _, names in TABLE))
