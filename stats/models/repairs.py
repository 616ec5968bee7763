"""Repairs: work that a person asked for and that takes longer than a page may."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class Repair(models.Model):
    """One piece of work in the background, as it was asked for, and how far it is (`stats.repairs`)."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    UNFINISHED: ClassVar = (State.WAITING, State.RUNNING)

    kind = models.CharField(max_length=32, help_text=_("What is done."))
    parameters = models.JSONField(default=dict, help_text=_("To what; as it was asked for."))
    cursor = models.JSONField(null=True, help_text=_("Where the next chunk goes on."))
    by = models.CharField(max_length=150)
    note = models.TextField(default="", blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    asked_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField(null=True, help_text=_("When its last chunk was committed."))
    finished_at = models.DateTimeField(null=True)
    total = models.BigIntegerField(null=True, help_text=_("How many there were, if they could be counted."))
    done = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0, help_text=_("Looked at, and left as they were."))
    error = models.TextField(default="", blank=True)

    class Meta:
        verbose_name = _("repair")
        verbose_name_plural = _("repairs")
        ordering = ["-id"]
        # Nobody adds, changes or deletes one by hand; who may do a thing may ask for it (`Kind.permission`).
        default_permissions = ("view",)
        indexes = [
            # The bell's look, once every few seconds: mostly an index without an entry.
            models.Index(
                fields=["id"],
                condition=models.Q(state__in=["waiting", "running"]),
                name="repair_unfinished",
            ),
            # retention
            models.Index(fields=["asked_at"], name="repair_asked_at"),
        ]

    def __str__(self) -> str:
        return gettext("repair %(number)s (%(kind)s)") % {"number": self.pk, "kind": self.kind}

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED
