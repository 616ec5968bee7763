"""Who may do what with dead letters: each has its permission, and plain staff has none."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

VIEW = "stats.view_deadletter"
REDRIVE = "stats.redrive_deadletter"
DISCARD = "stats.discard_deadletter"
EDIT = "stats.edit_deadletter"

# Every action and what it needs, all of it; tests/integration/test_letter_rights.py goes through each cell.
NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "list": (VIEW,),
        "groups": (VIEW,),
        "detail": (VIEW,),
        "history": (VIEW,),
        "redrive": (REDRIVE,),
        "redrive selected": (VIEW, REDRIVE),  # by the list's own form, which Django shows to viewers only
        "redrive all": (REDRIVE,),
        "deliver now": (REDRIVE,),
        "undo redrive": (REDRIVE,),
        "undo redrive selected": (VIEW, REDRIVE),
        "discard": (DISCARD,),
        "discard selected": (VIEW, DISCARD),
        "discard all": (DISCARD,),
        "undo discard": (DISCARD,),
        "undo discard selected": (VIEW, DISCARD),
        "edit": (EDIT,),
        "edit and redrive": (EDIT, REDRIVE),
    }
)


def may(request: HttpRequest, action: str) -> bool:
    return bool(request.user.has_perms(NEEDED[action]))


def demand(request: HttpRequest, action: str) -> None:
    """Raises PermissionDenied."""
    if not may(request, action):
        raise PermissionDenied
