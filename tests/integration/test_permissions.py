"""docs/permissions.md is true: each permission opens the pages and actions of its row, and no others."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from tests.integration.admin_urls import KEYS, NO_PAGES, Place, places
from tests.integration.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

ROW = re.compile(r"^\| `(?P<permission>\w+\.\w+)` \| (?P<places>[^|]*) \| [^|]+ \|$", re.MULTILINE)
FORBIDDEN = (403,)
# Pages of one row: open to whom its list is open, once there is one.
OF_A_ROW = ("_change", "_history", "_delete", "_password_change")
# With which an action would do something; none is found, so none does.
FORM = {"verb": "discard", "format": "csv"}


def documented() -> dict[str, set[str]]:
    """What each row of the document says that its permission opens."""
    text = (ROOT / "docs" / "permissions.md").read_text()
    return {row["permission"]: set(re.findall(r"`(\w+)`", row["places"])) for row in ROW.finditer(text)}


TABLE = documented()


def asked() -> list[Place]:
    return [
        place
        for place in places()
        if place.name not in NO_PAGES
        and not set(place.arguments) - set(KEYS)
        and not place.name.endswith(OF_A_ROW)
    ]


def opened(client: Client) -> set[str]:
    """The pages and actions that do not answer 403: an action by its POST, a page by its GET."""
    found = set()
    for place in asked():
        answer = client.get(place.url())
        if answer.status_code == 405:
            answer = client.post(place.url(), FORM)
        if answer.status_code not in FORBIDDEN:
            found.add(place.name)
    return found


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("staff", is_staff=True)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Client()
    client.force_login(user)
    return client


def every_permission() -> set[str]:
    return {
        f"{app}.{codename}"
        for app, codename in Permission.objects.values_list("content_type__app_label", "codename")
    }


ANYBODY = {"index", "password_change"}  # the index is empty then


def test_plain_staff_may_see_nothing(store: None) -> None:
    assert opened(staff()) == ANYBODY


@pytest.mark.parametrize("permission", TABLE)
def test_a_permission_opens_what_its_row_says(store: None, permission: str) -> None:
    assert opened(staff(permission)) - ANYBODY == TABLE[permission]


def test_what_has_no_row_opens_nothing(store: None) -> None:
    """All other permissions together; one that opens something needs a row."""
    others = every_permission() - set(TABLE)
    assert opened(staff(*others)) == ANYBODY


def test_every_page_and_action_is_in_the_table(store: None) -> None:
    assert {place.name for place in asked()} - ANYBODY == set().union(*TABLE.values())
