"""Dead letters: what could not be counted."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from stats.models.repairs import Repair


class DeadLetter(models.Model):
    """Something that could not be counted, kept as it was received until a person decides."""

    class Reason(models.TextChoices):
        UNDECODABLE = "undecodable", _("no readable JSON")
        SCHEMA = "schema", _("breaks the event schema")
        TOO_OLD = "too_old", _("before 2001-09-09")
        FUTURE = "future", _("ahead of the database's clock for an hour")
        COLLISION = "collision", _("same id as a different request")
        EXHAUSTED = "exhausted", _("failed on every delivery")
        LATE = "late", _("its day has been dropped")
        MOVED = "moved", _("moved out of the queue by a person")
        PURGED = "purged", _("purged from the queue by a person")

    class State(models.TextChoices):
        DEAD = "dead", _("dead")
        REDRIVEN = "redriven", _("redriven")
        DISCARDED = "discarded", _("discarded")

    event_id = models.CharField(max_length=22, null=True, db_collation="C", help_text=_("If known."))  # noqa: DJ001
    route = models.CharField(
        max_length=512, default="", db_default="", blank=True, db_collation="C", help_text=_("If known.")
    )
    payload = models.TextField(help_text=_("As received."))
    original = models.TextField(
        default="", db_default="", blank=True, help_text=_("As received, where the payload was edited.")
    )
    reason = models.CharField(max_length=16, choices=Reason)
    error = models.TextField()
    traceback = models.TextField(default="", blank=True)
    deliveries = models.PositiveIntegerField(help_text=_("Times a consumer took it."))
    first_failed_at = models.DateTimeField(db_default=Now())
    last_failed_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=16, choices=State, default=State.DEAD)
    settled_at = models.DateTimeField(null=True, help_text=_("When it was redriven or discarded."))
    settled_by = models.TextField(default="", blank=True)
    note = models.TextField(default="", db_default="", blank=True, help_text=_("Why it was discarded."))
    batch = models.BigIntegerField(null=True, help_text=_("The batch that its redrive queued."))
    # Neither has a constraint: retention deletes the older one first, and need not look for the younger.
    repair = models.ForeignKey(
        Repair,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        help_text=_("The repair that settled it."),
    )
    earlier = models.ForeignKey(
        "self",
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="later",
        help_text=_("Its life before: the letter that was redriven and failed again as this one."),
    )

    class Meta:
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")
        default_permissions = ("view",)
        permissions = [
            ("redrive_deadletter", _("Can redrive dead letters")),
            ("discard_deadletter", _("Can discard dead letters")),
            ("edit_deadletter", _("Can edit the payload of dead letters")),
            ("export_deadletter", _("Can download dead letters")),
        ]
        indexes = [
            # the admin's list and the redrive by reason: what is dead, newest first.
            models.Index(fields=["state", "reason", "-id"], name="deadletter_state"),
            models.Index(fields=["event_id"], name="deadletter_event"),
            # the groups by reason and route, and what each of them leads to.
            models.Index(fields=["state", "reason", "route", "-id"], name="deadletter_group"),
            # a repair undone. None is on the dead alone, by id: a list of one reason's dead would go by it,
            # through all that are dead for another one.
            models.Index(
                fields=["repair", "id"], condition=models.Q(repair__isnull=False), name="deadletter_repair"
            ),
            # what failed again: by its batch the life before, by that one the lives behind.
            models.Index(fields=["batch"], condition=models.Q(batch__isnull=False), name="deadletter_batch"),
            models.Index(
                fields=["earlier"], condition=models.Q(earlier__isnull=False), name="deadletter_earlier"
            ),
        ]

    def __str__(self) -> str:
        return gettext("dead letter %(number)s (%(reason)s)") % {"number": self.pk, "reason": self.reason}
