"""django-q2's way in. Imports nothing that can fail: an import error here would kill worker after worker."""

import logging

logger = logging.getLogger(__name__)


def consume() -> None:
    """Answers the doorbell: drains all that is due, and what comes while it works.

    A failure is logged and not raised: django-q2 would keep a row for each one, once a second while the
    cause lasts. The batches are still in the queue and the bell rings again.
    """
    try:
        from stats.consumer import drain

        drain(attend=True)
    except Exception:
        logger.exception("Consumer failed; what is due stays in the queue")


def roll_up_days() -> None:
    """By the clock: see the command of that name. Nearly always no day is due, and no process is started."""
    try:
        from datetime import UTC, datetime

        from stats import daily

        if daily.due(datetime.now(UTC).date()):
            _begin("roll_up_days")
    except Exception:
        logger.exception("Days that are over not looked for")


def apply_retention() -> None:
    """By the clock: see the command of that name."""
    _begin("apply_retention")


def verify_counts() -> None:
    """By the clock: compares the day before and keeps the report."""
    _begin("verify_counts")


def refresh_snapshot() -> None:
    """By the clock, so that it grows no older while nothing is counted. Only asks: the worker counts."""
    try:
        from stats import refresher

        refresher.ask()
    except Exception:
        logger.exception("Snapshot not refreshed")


def evaluate_alerts() -> None:
    """By the clock: reads in bounds, writes in one transaction. A process starts only if a message is due."""
    try:
        from stats import background
        from stats.alerts import evaluation, outbox

        evaluation.evaluate()
        if outbox.is_due():
            background.start("send_alerts")
    except Exception:
        logger.exception("Alert rules not evaluated")


def _begin(name: str) -> None:
    try:
        from stats import jobs

        jobs.begin(jobs.JOBS[name])
    except Exception:
        logger.exception("Not started: %s", name)
