"""Channels: what their addresses may be, their secrets, and test messages."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.utils import timezone

from gateway.conf import conf
from gateway.logs import printable
from stats.alerts import addresses, mail, messages, outbox, signing
from stats.alerts.addresses import Refused
from stats.models import AlertChannel, AlertDelivery, AlertRule

logger = logging.getLogger(__name__)


def check(kind: str, target: str) -> None:
    """Whether messages can be sent there, as far as that shows without asking anybody.

    Raises ValidationError. A name is looked up when a message is sent, and judged then.
    """
    if kind == AlertChannel.Kind.EMAIL:
        mail.recipients(target)
        return
    try:
        found = addresses.target_of(target)
        address = addresses.literal(found.host)
        if address and not addresses.is_permitted(address, found.is_encrypted, conf.webhook_networks):
            raise Refused(addresses.why_not(found, [address]))
    except Refused as reason:
        raise ValidationError(str(reason)) from None


def renew_secret(channel: AlertChannel) -> str:
    """Gives a webhook a new secret, which is shown now and never again. Raises django.db.Error."""
    channel.secret = signing.make_secret()
    channel.save(using=conf.database)
    logger.info("Secret of an alert channel made: %s", printable(channel.name))
    return channel.secret


def send_test(
    channels: Iterable[AlertChannel], by: str, rule: AlertRule | None = None
) -> list[AlertDelivery]:
    """Has a test message wait for each channel. Raises django.db.Error."""
    made = []
    for channel in channels:
        content = messages.of_test(channel, by, rule)
        made += outbox.put([channel], AlertDelivery.Kind.TEST, content, timezone.now())
    return made
