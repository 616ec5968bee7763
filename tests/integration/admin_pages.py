"""Which lists the admin has, their addresses, what a page shows, and who looks."""

from __future__ import annotations

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django_q.models import Failure, OrmQ, Schedule, Success

from gateway.models import QueuedBatch
from legacy_collector.models import CollectedEvent, CollectedHourly
from stats.models import (
    ConsumerHeartbeat,
    DeadLetter,
    Event,
    ImportedHourly,
    JobRun,
    PathStatsHourly,
    Repair,
    WorkerStart,
)

READ_ONLY = [
    Event,
    PathStatsHourly,
    ImportedHourly,
    QueuedBatch,
    DeadLetter,
    Repair,
    ConsumerHeartbeat,
    WorkerStart,
    JobRun,
    CollectedEvent,
    CollectedHourly,
    OrmQ,
    Success,
    Failure,
]
LISTED = [*READ_ONLY, Schedule]


def url(model, page="changelist", *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def change_url(row):
    return url(type(row), "change", row.pk)


def results(response):
    return list(response.context["cl"].result_list)


def texts(response):
    return [str(message) for message in response.context["messages"]]


def found(client, model, term):
    return {row.pk for row in results(client.get(url(model), {"q": term}))}


def staff(*permissions: str) -> Client:
    """Logged in as somebody of the staff with just these permissions, by their code names."""
    user = User.objects.create_user("staff", password="secret", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client
