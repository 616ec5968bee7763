"""Sends what waits, one after the other. In a process of its own: never in the worker or in a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stats.alerts import mail, outbox, webhook
from stats.alerts.undelivered import Undelivered
from stats.models import AlertChannel, AlertDelivery

SENDERS: dict[str, Callable[[AlertDelivery], None]] = {
    AlertChannel.Kind.EMAIL: mail.send,
    AlertChannel.Kind.WEBHOOK: webhook.send,
}


@dataclass(slots=True)
class Sent:
    """What one run did."""

    sent: int = 0
    failed: int = 0  # of which some are tried again


def send_due() -> Sent:
    """Tries each message that is due, once. Raises django.db.Error."""
    done = Sent()
    while (delivery := outbox.claim()) is not None:
        if attempt(delivery):
            done.sent += 1
        else:
            done.failed += 1
    return done


def attempt(delivery: AlertDelivery) -> bool:
    """Tries a message that was claimed; whether it arrived. Raises django.db.Error."""
    if not delivery.channel.is_enabled:
        outbox.settle(delivery, "the channel was switched off", is_hopeless=True)
        return False
    try:
        SENDERS[delivery.channel.kind](delivery)
    except Undelivered as reason:
        outbox.settle(delivery, str(reason))
        return False
    outbox.settle(delivery)
    return True
