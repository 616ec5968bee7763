"""django-q2's way in. Imports nothing that can fail: an import error here would kill worker after worker."""

import logging

logger = logging.getLogger(__name__)


def consume() -> None:
    """Answers the doorbell: drains all that is due.

    A failure is logged and not raised: django-q2 would keep a row for each one, once a second while the
    cause lasts. The batches are still in the queue and the bell rings again.
    """
    try:
        from stats.consumer import drain

        drain()
    except Exception:
        logger.exception("Consumer failed; what is due stays in the queue")
