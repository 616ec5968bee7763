"""Long work runs beside the worker, one process a command."""

from __future__ import annotations

import fcntl
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import Schedule

from stats import background, schedule

pytestmark = pytest.mark.django_db(databases=["default", "legacy"])


@pytest.mark.slow
def test_a_command_runs_in_a_process_of_its_own_and_only_once_at_a_time():
    assert background.start("check")
    assert not background.start("check")  # it needs longer to start than we to ask
    assert background.start("check", alone_as="another")
    for process in background._running:
        assert process.wait(30) == 0
    assert background.start("check")
    assert background._running[-1].wait(30) == 0
    assert len(background._running) == 1  # those that ended were reaped


def test_a_command_that_runs_elsewhere_on_this_host_is_not_started(settings):
    folder = settings.VAR_DIR / "background"
    folder.mkdir(exist_ok=True)
    with open(folder / "check.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not background.start("check")


def test_schedules_are_made_once_and_then_the_operator_s():
    Schedule.objects.filter(func="stats.tasks.apply_retention").update(repeats=0)
    schedule.create_schedules("default")

    rows = dict(Schedule.objects.filter(func__startswith="stats.tasks.").values_list("func", "repeats"))
    assert rows == {
        "stats.tasks.roll_up_days": -1,
        "stats.tasks.refresh_snapshot": -1,
        "stats.tasks.evaluate_alerts": -1,
        "stats.tasks.apply_retention": 0,
        "stats.tasks.verify_counts": -1,
    }
    nightly = Schedule.objects.get(func="stats.tasks.apply_retention")
    assert nightly.calculate_next_run() - timezone.now() < timedelta(days=1, seconds=1)
