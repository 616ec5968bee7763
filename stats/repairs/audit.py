"""Repairs in the admin log: one entry when it is asked for, one when it ends, with how many."""

from __future__ import annotations

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.utils import translation

from stats.models import Repair


def asked(repair: Repair) -> None:
    """In the transaction that makes the row."""
    _write(repair, repair.by, ADDITION, f"Asked for: {repair.kind} {repair.parameters} {repair.note}".strip())


def ended(repair: Repair, by: str = "") -> None:
    """In the transaction that ends it; `by` is who did, where a person did."""
    left = f", {repair.failed:,} left as they were" if repair.failed else ""
    reason = f": {repair.error}" if repair.error else ""
    message = f"{str(repair.state).capitalize()}: {repair.done:,} done{left}{reason}"
    _write(repair, by or repair.by, CHANGE, message)


def _write(repair: Repair, by: str, flag: int, message: str) -> None:
    """Without effect for who is no user: a command, or somebody whose account is gone."""
    users = get_user_model()._default_manager
    user = users.filter(**{get_user_model().USERNAME_FIELD: by}).first()
    if user is None:
        return
    with translation.override(None):  # in one language, whoever's page it was
        named = str(repair)
    LogEntry.objects.create(
        user_id=user.pk,
        content_type_id=ContentType.objects.get_for_model(Repair).pk,
        object_id=str(repair.pk),
        object_repr=named[:200],
        action_flag=flag,
        change_message=message,
    )
