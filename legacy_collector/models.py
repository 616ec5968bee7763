"""The old collector's tables. They live in a database of their own (`legacy_collector.router`)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Reason(IntFlag):
    """Why the collector holds an event; more than one may be true. The values are stored: never renumber."""

    DUAL = 1  # collected in mode `dual`
    SAMPLE = 2  # in mode `sample`, which picked it
    LEGACY = 4  # in mode `legacy`
    FALLBACK = 8  # the queue refused it

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Reason:
        """The set with these lower-case names. Raises ValueError that names the unknown one."""
        reasons = cls(0)
        for name in names:
            try:
                reasons |= cls[name.upper()]
            except KeyError:
                known = ", ".join(cls.all_names())
                raise ValueError(f"reasons: {name!r} is unknown (known: {known})") from None
        return reasons

    @classmethod
    def all_names(cls) -> tuple[str, ...]:
        return tuple(reason.name.lower() for reason in cls if reason.name)

    @property
    def names(self) -> tuple[str, ...]:
        """The lower-case names in the set."""
        return tuple(reason.name.lower() for reason in type(self) if reason in self and reason.name)


# What the queue has never seen, and nobody has asked it to.
ONLY_LEGACY: dict[str, Any] = {"reasons": Reason.LEGACY.value, "replay_pending": False, "replayed_at": None}


class CollectedEvent(models.Model):
    """An event the collector took over, once however often it came."""

    idempotent_id = models.CharField(max_length=22, primary_key=True)
    payload = models.TextField(help_text=_("The event as its sender encoded it (JSON)."))
    route = models.TextField()
    hour = models.DateTimeField(help_text=_("The hour (UTC) the request belongs to."))
    status = models.SmallIntegerField()
    reasons = models.SmallIntegerField(help_text=_("Bit set: 1 dual, 2 sample, 4 legacy, 8 fallback."))
    replay_pending = models.BooleanField(_("to be replayed"))
    collected_at = models.DateTimeField()
    replayed_at = models.DateTimeField(null=True, help_text=_("When it was last put into the queue."))

    class Meta:
        verbose_name = _("collected event")
        verbose_name_plural = _("collected events")
        ordering = ["-idempotent_id"]
        permissions = [("replay_fallback", _("Can have collected events replayed now"))]
        indexes = [
            # replay: what waits, oldest first. Empty while the queue works.
            models.Index(
                fields=["idempotent_id"], condition=Q(replay_pending=True), name="collectedevent_pending"
            ),
            # retention: what nobody waits for, longest held first.
            models.Index(
                fields=["collected_at"], condition=Q(replay_pending=False), name="collectedevent_expiry"
            ),
            # recall: what mode legacy left to be replayed. Empty once it was.
            models.Index(
                fields=["idempotent_id"], condition=Q(**ONLY_LEGACY), name="collectedevent_only_legacy"
            ),
        ]

    def __str__(self) -> str:
        return self.idempotent_id

    @property
    def reason_names(self) -> tuple[str, ...]:
        """Why it is here, in words."""
        return Reason(self.reasons).names


class CollectedHourly(models.Model):
    """A route's requests in one hour (UTC) that the collector was the first time given."""

    route = models.TextField()
    hour = models.DateTimeField()
    requests = models.BigIntegerField()
    errors = models.BigIntegerField(help_text=_("Requests with a status of 400 or more."))

    class Meta:
        verbose_name = _("collected hourly count")
        verbose_name_plural = _("collected hourly counts")
        constraints = [
            models.UniqueConstraint(fields=["route", "hour"], name="collectedhourly_route_hour"),
        ]
        indexes = [
            # the admin's list and the verification of a range of hours.
            models.Index(fields=["-hour", "-requests"], name="collectedhourly_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.hour:%Y-%m-%d %H}:00"
