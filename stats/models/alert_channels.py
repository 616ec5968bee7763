"""Where messages of alerts go, and the messages themselves."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from stats.models.alerts import Alert


class AlertChannel(models.Model):
    """A place that messages go to: some e-mail addresses, or a webhook."""

    class Kind(models.TextChoices):
        EMAIL = "email", _("e-mail")
        WEBHOOK = "webhook", _("webhook")

    name = models.CharField(_("name"), max_length=100, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, help_text=_("Can't be changed later."))
    target = models.TextField(
        _("address"),
        help_text=_("E-mail addresses with commas between, or the URL that is posted to."),
    )
    is_enabled = models.BooleanField(
        _("switched on"), default=True, help_text=_("Off: what waits for it is given up.")
    )
    # In clear: each message is signed with it. No page and no log shows it again.
    secret = models.TextField(default="", editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("alert channel")
        verbose_name_plural = _("alert channels")
        permissions = [("test_alertchannel", _("Can send test messages"))]

    def __str__(self) -> str:
        return self.name


class AlertDelivery(models.Model):
    """One message to one channel: written with the change it tells of, and sent afterwards."""

    class Kind(models.TextChoices):
        FIRED = "fired", _("fired")
        RESOLVED = "resolved", _("resolved")
        TEST = "test", _("test")

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENT = "sent", _("sent")
        GIVEN_UP = "given_up", _("given up")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, help_text=_("The same each time it is sent."))
    alert = models.ForeignKey(Alert, null=True, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(AlertChannel, on_delete=models.PROTECT, related_name="deliveries")
    kind = models.CharField(max_length=10, choices=Kind)
    payload = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    next_attempt_at = models.DateTimeField(db_default=Now())
    give_up_at = models.DateTimeField(help_text=_("An attempt that fails after this is the last one."))
    settled_at = models.DateTimeField(null=True, help_text=_("When it was sent or given up."))
    error = models.TextField(default="", blank=True, help_text=_("Of the last attempt."))

    class Meta:
        verbose_name = _("alert message")
        verbose_name_plural = _("alert messages")
        indexes = [
            # what is due, the oldest first
            models.Index(
                fields=["next_attempt_at"], condition=Q(state="waiting"), name="alertdelivery_waiting"
            ),
            # retention
            models.Index(fields=["created_at"], name="alertdelivery_created_at"),
        ]

    def __str__(self) -> str:
        return gettext("%(kind)s to %(channel)s") % {"kind": self.get_kind_display(), "channel": self.channel}
