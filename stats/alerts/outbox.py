"""The messages that wait: written with what they tell of, tried until they are sent or a day is over.

An attempt is counted and committed before it is made, with the time of the next one: whoever is killed while
he sends has the message sent again, later, under the same id. At least once, and never in a tight loop.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from gateway.conf import conf
from gateway.logs import printable
from gateway.queue.transactions import bounded_transaction
from stats.models import Alert, AlertChannel, AlertDelivery

logger = logging.getLogger(__name__)

SECONDS = 2.0  # bound on each statement
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 15, 30, 60))  # then an hour each
TRIED_FOR = timedelta(days=1)
MAX_ERROR = 500  # characters

# The oldest first, and of one alert one after the other: who gets "resolved" has got "fired", or never will.
_CLAIM = """
UPDATE stats_alertdelivery SET attempts = attempts + 1,
       next_attempt_at = clock_timestamp() + (%s::interval[])[least(attempts + 1, %s)]
WHERE id = (
    SELECT id FROM stats_alertdelivery AS due
    WHERE state = 'waiting' AND next_attempt_at <= clock_timestamp()
      AND NOT EXISTS (SELECT FROM stats_alertdelivery AS earlier
                      WHERE earlier.state = 'waiting' AND earlier.channel_id = due.channel_id
                        AND earlier.alert_id = due.alert_id AND earlier.id < due.id)
    ORDER BY next_attempt_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


def put(
    channels: Iterable[AlertChannel],
    kind: str,
    payload: dict[str, Any],
    now: datetime,
    alert: Alert | None = None,
) -> list[AlertDelivery]:
    """Has a message wait for each channel, in the caller's transaction. Raises django.db.Error."""
    made = []
    for channel in channels:
        uid = uuid.uuid4()
        made.append(
            AlertDelivery(
                uid=uid,
                alert=alert,
                channel=channel,
                kind=str(kind),
                payload={"id": str(uid), **payload},
                give_up_at=now + TRIED_FOR,
            )
        )
    return AlertDelivery.objects.using(conf.database).bulk_create(made)


def is_due() -> bool:
    """Whether a message may be tried now. Raises django.db.Error."""
    waiting = AlertDelivery.objects.using(conf.database).filter(state=AlertDelivery.State.WAITING)
    return waiting.filter(next_attempt_at__lte=Now()).exists()


def claim() -> AlertDelivery | None:
    """The next message to try, counted as tried; None if none is due. Raises django.db.Error."""
    with bounded_transaction(SECONDS) as cursor:
        cursor.execute(_CLAIM, [list(PAUSES), len(PAUSES)])
        row = cursor.fetchone()
    if row is None:
        return None
    return AlertDelivery.objects.using(conf.database).select_related("channel").get(pk=row[0])


def settle(delivery: AlertDelivery, error: str = "", *, is_hopeless: bool = False) -> None:
    """Keeps what came of an attempt. A failed one is the last if it is hopeless or the time is over.

    Raises django.db.Error.
    """
    now = timezone.now()
    delivery.error = error[:MAX_ERROR]
    if not error:
        delivery.state = AlertDelivery.State.SENT
    elif is_hopeless or now >= delivery.give_up_at:
        delivery.state = AlertDelivery.State.GIVEN_UP
    delivery.settled_at = None if delivery.state == AlertDelivery.State.WAITING else now
    delivery.save(using=conf.database, update_fields=["state", "error", "settled_at"])
    channel = printable(delivery.channel.name)
    if error:
        log = logger.error if delivery.settled_at else logger.warning
        log(
            "Alert message not sent (%s): %s | Channel: %s",
            delivery.state,
            printable(delivery.error),
            channel,
        )
    else:
        logger.info("Alert message sent: %s | Channel: %s", delivery.uid, channel)


def retry(rows: QuerySet[AlertDelivery]) -> int:
    """Has what was not sent tried again now, for another day; how many. Raises django.db.Error."""
    unsent = rows.exclude(state=AlertDelivery.State.SENT)
    return unsent.update(
        state=AlertDelivery.State.WAITING,
        next_attempt_at=Now(),
        give_up_at=timezone.now() + TRIED_FOR,
        settled_at=None,
    )
