"""What the statistics do by the clock."""

from __future__ import annotations

from typing import Any

from django_q.models import Schedule

from gateway import schedules


def create_schedules(using: str, **kwargs: Any) -> None:
    """A receiver of `post_migrate`."""
    schedules.ensure(
        using,
        "stats.tasks.roll_up_days",
        name="Merge hours into days",
        schedule_type=Schedule.MINUTES,
        minutes=10,
    )
    schedules.ensure(
        using,
        "stats.tasks.refresh_snapshot",
        name="Refresh the snapshot",
        schedule_type=Schedule.MINUTES,
        minutes=1,
    )
    schedules.ensure(
        using,
        "stats.tasks.evaluate_alerts",
        name="Evaluate alert rules",
        schedule_type=Schedule.MINUTES,
        minutes=1,
    )
    schedules.ensure(
        using,
        "stats.tasks.verify_counts",
        name="Verify the day before",
        schedule_type=Schedule.CRON,
        cron="40 1 * * *",
    )
    schedules.ensure(
        using,
        "stats.tasks.apply_retention",
        name="Archive and drop what is old",
        schedule_type=Schedule.CRON,
        cron="10 2 * * *",
    )
