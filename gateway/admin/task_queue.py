"""django-q2's own tables: to be looked at, but for the times of schedules."""

from __future__ import annotations

from typing import Any, ClassVar

import django_q.admin  # noqa: F401  (registers its pages; this module puts others in their place)
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_q.admin import ScheduleAdmin as DjangoQScheduleAdmin
from django_q.conf import Conf
from django_q.models import Failure, OrmQ, Schedule, Success, Task
from unfold.admin import ModelAdmin
from unfold.decorators import display

from gateway.admin import text
from gateway.admin.lookups import CarefulLookups
from gateway.admin.readonly import ReadOnlyAdmin

for _model in (OrmQ, Schedule, Success, Failure):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


def _shown(value: object) -> str:
    """Any object's repr; unpickled ones may have one that fails."""
    try:
        return "" if value is None else value if isinstance(value, str) else repr(value)
    except Exception as error:  # noqa: BLE001  (somebody else's __repr__)
        told = gettext("%(type)s that can't be shown: %(error)s")
        return f"<{told % {'type': type(value).__name__, 'error': type(error).__name__}}>"


@admin.register(OrmQ)
class QueuedTaskAdmin(ReadOnlyAdmin):
    """Doorbells. A payload is a signed pickle: it is opened only if its signature holds."""

    list_display = ("number", "name", "func", "key", "locked")
    fields = ("number", "key", "locked", "name", "func", "task_id", "arguments", "options")
    empty_text = _("No task waits.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).using(Conf.ORM)

    @display(description=_("Task"))
    def number(self, queued: OrmQ) -> str:
        return f"#{queued.pk}"

    @display(description=_("Name"))
    def name(self, queued: OrmQ) -> str:
        task = _task(queued)
        return (
            text.one_line(_shown(task.get("name"))) if task else text.label(gettext("unreadable"), "danger")
        )

    @display(description=_("Function"))
    def func(self, queued: OrmQ) -> str:
        function: Any = _task(queued).get("func")
        named = (
            f"{function.__module__}.{function.__qualname__}"
            if hasattr(function, "__qualname__")
            else function
        )
        return text.one_line(_shown(named))

    @display(description=_("Locked until (UTC)"))
    def locked(self, queued: OrmQ) -> str:
        return text.utc(queued.lock)

    @display(description=_("Id"))
    def task_id(self, queued: OrmQ) -> str:
        # Where the payload does not verify, django-q2 puts the error's name in the id's place.
        return text.code(_shown(_task(queued).get("id"))) if _task(queued) else _reason(queued)

    @display(description=_("Arguments"))
    def arguments(self, queued: OrmQ) -> str:
        task = _task(queued)
        return text.block(f"{_shown(task.get('args'))}\n{_shown(task.get('kwargs'))}".strip())

    @display(description=_("Options"))
    def options(self, queued: OrmQ) -> str:
        known = {"id", "name", "func", "args", "kwargs"}
        others = {key: value for key, value in _task(queued).items() if key not in known}
        return text.block("\n".join(f"{_shown(key)}: {_shown(value)}" for key, value in others.items()))


def _task(queued: OrmQ) -> dict[Any, Any]:
    """What the payload holds; empty if its signature does not hold or it is no task."""
    task = queued.task
    return task if isinstance(task, dict) and "func" in task else {}


def _reason(queued: OrmQ) -> str:
    task = queued.task
    error = str(task.get("id", "")).lstrip("*") if isinstance(task, dict) else type(task).__name__
    return gettext("The payload can't be read: %(error)s") % {"error": error}


class FinishedTaskAdmin(ReadOnlyAdmin):
    """What django-q2 keeps of a task that ended."""

    list_display = ("label", "func", "started_at", "seconds", "attempt_count", "outcome")
    list_deferred: ClassVar = ("args", "kwargs")
    fields = (
        "id",
        "name",
        "func",
        "group",
        "cluster",
        "started_at",
        "stopped_at",
        "seconds",
        "attempt_count",
        "arguments",
        "result_text",
    )
    ordering = ("-stopped",)
    search_fields = ("id",)
    search_help_text = _("Task id, name or function")
    search_examples = (("stats.tasks.consume", _("The whole id, name or function.")),)
    empty_text = _("No task has ended this way, or it was not kept.")

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        return rows.filter(Q(id=term) | Q(name=term) | Q(func=term))

    @display(description=_("Task"))
    def label(self, task: Task) -> str:
        return text.one_line(task.name or task.pk)

    @display(description=_("Started (UTC)"))
    def started_at(self, task: Task) -> str:
        return text.utc(task.started)

    @display(description=_("Stopped (UTC)"))
    def stopped_at(self, task: Task) -> str:
        return text.utc(task.stopped)

    @display(description=_("Took"))
    def seconds(self, task: Task) -> str:
        return text.milliseconds(task.time_taken() * 1000)

    @display(description=_("Result"))
    def outcome(self, task: Task) -> str:
        return text.one_line(_shown(task.result))

    @display(description=_("Arguments"))
    def arguments(self, task: Task) -> str:
        return text.block(f"{_shown(task.args)}\n{_shown(task.kwargs)}".strip())

    @display(description=_("Result"))
    def result_text(self, task: Task) -> str:
        return text.block(_shown(task.result))


admin.site.register(Success, FinishedTaskAdmin)
admin.site.register(Failure, FinishedTaskAdmin)


@admin.register(Schedule)
class ScheduleAdmin(CarefulLookups, DjangoQScheduleAdmin, ModelAdmin):
    """When something runs may be changed by who has the permission; what runs only by superusers.

    A schedule names any function of any module: to add one is to run code.
    """

    list_display = (
        "name",
        "func",
        "schedule_type",
        "minutes",
        "cron",
        "repeats",
        "next_run",
    )
    list_display_links = ("name",)
    list_filter = ("schedule_type",)
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser) and super().has_add_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Schedule | None = None) -> tuple[str, ...]:
        return () if request.user.is_superuser else ("name", "func", "hook", "args", "kwargs", "cluster")
