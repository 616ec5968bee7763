"""What readers need: the snapshot that answers at once, and the tokens of the API."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Snapshot(models.Model):
    """A report kept where every process sees it."""

    name = models.TextField(primary_key=True)
    version = models.PositiveIntegerField(help_text=_("Of the payload's shape."))
    payload = models.JSONField()
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("snapshot")
        verbose_name_plural = _("snapshots")

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """A bearer token of the JSON API. Only its digest is kept: it is shown once, when it is made."""

    name = models.CharField(_("name"), max_length=100, help_text=_("Who or what uses it."))
    digest = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=8, help_text=_("Its beginning, to tell it from others."))
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
