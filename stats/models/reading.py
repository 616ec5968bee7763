"""What readers need: the snapshot that answers at once, and the tokens of the API."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Snapshot(models.Model):
    """A report kept where every process sees it."""

    name = models.TextField(primary_key=True)
    version = models.PositiveIntegerField(help_text="Of the payload's shape.")
    payload = models.JSONField()
    made_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """A bearer token of the JSON API. Only its digest is kept: it is shown once, when it is made."""

    name = models.CharField(max_length=100, help_text="Who or what uses it.")
    digest = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=8, help_text="Its beginning, to tell it from others.")
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "API token"
        verbose_name_plural = "API tokens"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
