"""What people may do to the pipeline: one address and one permission each, and none by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils import translation


@dataclass(frozen=True, slots=True)
class Action:
    """Something that changes what happens: the name of its address, POST only, and what it needs."""

    page: str
    permission: str


ACTIONS = {
    "pause": Action("admin:gateway_queuedbatch_pause", "stats.pause_consumer"),
    "resume": Action("admin:gateway_queuedbatch_resume", "stats.pause_consumer"),
    "deliver": Action("admin:gateway_queuedbatch_deliver", "gateway.deliver_now"),
    "move": Action("admin:gateway_queuedbatch_move", "gateway.move_batch"),
    "purge": Action("admin:gateway_queuedbatch_purge", "gateway.purge_queue"),
    "recover": Action("admin:gateway_queuedbatch_recover", "stats.redrive_deadletter"),
    "replay": Action("admin:stats_fallback_replay", "legacy_collector.replay_fallback"),
    "run": Action("admin:stats_job_run", "stats.run_job"),
    "switch": Action("admin:stats_job_switch", "django_q.change_schedule"),
}

View = Callable[..., HttpResponse]


def may(request: HttpRequest, name: str) -> bool:
    return bool(request.user.has_perm(ACTIONS[name].permission))


def allowed(request: HttpRequest) -> dict[str, bool]:
    """For templates: which buttons are shown."""
    return {name: may(request, name) for name in ACTIONS}


def acting(name: str) -> Callable[[View], View]:
    """A view of this action. POST only: a link would let any page act in a user's name."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(admin: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not may(request, name):
                raise PermissionDenied
            return view(admin, request, *args, **kwargs)

        return guarded

    return guard


def write_down(request: HttpRequest, model: type[Model], message: str, row: Model | None = None) -> None:
    """An entry in the admin log, of a row or of the whole of a model's; in one language."""
    with translation.override(None):
        named = str(row or model._meta.verbose_name_plural)
    LogEntry.objects.create(
        user_id=str(request.user.pk),
        content_type_id=ContentType.objects.get_for_model(model).pk,
        object_id=str(row.pk) if row else "",
        object_repr=named[:200],
        action_flag=CHANGE,
        change_message=message,
    )
