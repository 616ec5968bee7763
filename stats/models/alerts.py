"""Alerts: the rules, how each stands now, and what has happened by them."""

from __future__ import annotations

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gateway.events import MAX_ROUTE

A_DAY = MaxValueValidator(24 * 60)  # minutes


class AlertRule(models.Model):
    """What is measured, and from which value on a person must know. More is always worse."""

    class Measure(models.TextChoices):
        SERVER_ERROR_RATE = "server_error_rate", _("server errors (5xx)")
        ERROR_RATE = "error_rate", _("errors (4xx and 5xx)")
        P95 = "p95", _("95th percentile of the response times")
        TRAFFIC_JUMP = "traffic_jump", _("more traffic than a week before")
        TRAFFIC_DROP = "traffic_drop", _("less traffic than a week before")
        BACKLOG = "backlog", _("events in the queue")
        OLDEST_AGE = "oldest_age", _("age of the oldest batch in the queue")
        DEAD_LETTERS = "dead_letters", _("dead letters that wait for a decision")
        HEARTBEAT_AGE = "heartbeat_age", _("silence of the consumer")
        FALLBACK = "fallback", _("events that wait in the fallback")

    class Severity(models.TextChoices):
        WARNING = "warning", _("warning")
        CRITICAL = "critical", _("critical")

    name = models.CharField(_("name"), max_length=100, unique=True)
    measure = models.CharField(
        _("measured"), max_length=20, choices=Measure, help_text=_("Can't be changed later.")
    )
    route = models.CharField(
        _("route"),
        max_length=MAX_ROUTE,
        blank=True,
        help_text=_("Only this route; * stands for any text. Empty: all. For errors, times and traffic."),
    )
    bound = models.FloatField(
        _("fires from"),
        help_text=_("In percent, milliseconds, events, seconds or dead letters, as the measure is."),
    )
    clears_at = models.FloatField(
        _("clears at"),
        blank=True,
        help_text=_("This value or less; between both nothing changes. Empty: four fifths of the bound."),
    )
    hold_minutes = models.PositiveSmallIntegerField(
        _("minutes until it fires"), default=3, validators=[A_DAY], help_text=_("So long it must be reached.")
    )
    clear_minutes = models.PositiveSmallIntegerField(
        _("minutes until it clears"), default=5, validators=[A_DAY], help_text=_("So long it must be well.")
    )
    cool_down_minutes = models.PositiveSmallIntegerField(
        _("cool-down, minutes"),
        default=10,
        validators=[A_DAY],
        help_text=_("Between two messages of this rule. What comes back sooner is the same alert."),
    )
    minimum_requests = models.PositiveIntegerField(
        _("smallest number of requests"),
        default=50,
        help_text=_("With fewer in five minutes nothing is said. For errors, times and traffic."),
    )
    severity = models.CharField(_("severity"), max_length=10, choices=Severity, default=Severity.WARNING)
    is_enabled = models.BooleanField(_("switched on"), default=True)
    channels = models.ManyToManyField(
        "stats.AlertChannel",
        blank=True,
        related_name="rules",
        verbose_name=_("channels"),
        help_text=_("Where its messages go. Without any it is shown here only."),
    )
    # So that a shipped rule is made once, whatever it was made into.
    shipped_as = models.CharField(max_length=32, unique=True, null=True, editable=False)  # noqa: DJ001

    class Meta:
        verbose_name = _("alert rule")
        verbose_name_plural = _("alert rules")
        constraints = [
            models.CheckConstraint(condition=Q(bound__gt=F("clears_at")), name="alertrule_clears_below")
        ]

    def __str__(self) -> str:
        return self.name


class AlertState(models.Model):
    """How a rule stands. Apart from the rule, so that who edits one never writes the other."""

    class Phase(models.TextChoices):
        OK = "ok", _("well")
        PENDING = "pending", _("bound reached")
        FIRING = "firing", _("firing")
        CLEARING = "clearing", _("clearing")

    rule = models.OneToOneField(
        AlertRule, primary_key=True, on_delete=models.CASCADE, related_name="state", db_index=False
    )
    phase = models.CharField(max_length=10, choices=Phase, default=Phase.OK)
    since = models.DateTimeField(db_default=Now(), help_text=_("When the phase began."))
    told_at = models.DateTimeField(null=True, help_text=_("When its last message was made."))
    measured_at = models.DateTimeField(null=True)
    value = models.FloatField(null=True, help_text=_("Null: could not be measured."))
    detail = models.TextField(blank=True, help_text=_("What the value is made of, or why there is none."))

    class Meta:
        verbose_name = _("state of a rule")
        verbose_name_plural = _("states of rules")

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.phase}"


class Alert(models.Model):
    """One time that a rule fired, from when its bound was reached until it was well again."""

    rule = models.ForeignKey(AlertRule, on_delete=models.PROTECT, related_name="alerts")
    severity = models.CharField(max_length=10, choices=AlertRule.Severity)
    bound = models.FloatField(help_text=_("The rule's, when it fired."))
    began_at = models.DateTimeField(help_text=_("When the bound was reached."))
    ended_at = models.DateTimeField(null=True)
    worst_value = models.FloatField()
    last_value = models.FloatField()
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.TextField(default="", blank=True)
    note = models.TextField(default="", blank=True)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        permissions = [("acknowledge_alert", _("Can acknowledge alerts"))]
        constraints = [
            models.UniqueConstraint(fields=["rule"], condition=Q(ended_at=None), name="alert_one_open")
        ]
        indexes = [
            # the admin's list: what fires first, then what ended last.
            models.Index(F("ended_at").desc(nulls_first=True), F("id").desc(), name="alert_open_first"),
        ]

    def __str__(self) -> str:
        return gettext("%(rule)s of %(time)s") % {
            "rule": self.rule,
            "time": f"{self.began_at:%Y-%m-%d %H:%M}",
        }
