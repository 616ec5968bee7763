"""Who could change dead letters before can redrive, discard and edit them after the migration."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from stats.models import DeadLetter

pytestmark = pytest.mark.django_db

grant = import_module("stats.migrations.0014_dead_letters_repaired").grant
NEW = {"view_deadletter", "redrive_deadletter", "discard_deadletter", "edit_deadletter"}


@pytest.fixture
def change() -> Permission:
    """As an older version left it."""
    content_type = ContentType.objects.get_for_model(DeadLetter)
    Permission.objects.filter(content_type=content_type).exclude(codename="view_deadletter").delete()
    return Permission.objects.create(
        content_type=content_type, codename="change_deadletter", name="Can change dead letter"
    )


def migrate() -> None:
    with connection.schema_editor() as editor:
        grant(apps, editor)


def held(holder: User | Group) -> set[str]:
    permissions = holder.user_permissions if isinstance(holder, User) else holder.permissions
    return set(permissions.values_list("codename", flat=True))


def test_users_and_groups_get_one_for_each_and_lose_the_old_one(change: Permission) -> None:
    user, group = User.objects.create_user("ada"), Group.objects.create(name="operators")
    user.user_permissions.add(change)
    group.permissions.add(change)

    migrate()

    assert (held(user), held(group)) == (NEW, NEW)
    assert not Permission.objects.filter(codename="change_deadletter").exists()


def test_who_could_only_look_can_only_look(change: Permission) -> None:
    user = User.objects.create_user("bob")
    user.user_permissions.add(Permission.objects.get(codename="view_deadletter"))

    migrate()

    assert held(user) == {"view_deadletter"}
