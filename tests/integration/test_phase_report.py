"""One text says what a phase was like, in live figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.base import CommandError

from gateway import modes, queue
from gateway.events import TrafficEvent, encode
from gateway.models import FallbackDrill
from gateway.starts import Cause
from legacy_collector.collector import collect
from stats.consumer import drain
from stats.models import DeadLetter, VerificationReport, WorkerStart
from stats.phase_problems import RESTARTS
from stats.phase_report import phase_report

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
    pytest.mark.usefixtures("store"),
]
DAY = timedelta(days=1)


def midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def phase(make_event: Callable[..., TrafficEvent]) -> None:
    """Yesterday was verified and had its troubles; the day before was not."""
    yesterday = midnight() - DAY
    events = [
        make_event(timestamp=int((yesterday + timedelta(hours=9)).timestamp() * 1000) + number)
        for number in range(12)
    ]
    queue.send([encode(event) for event in events])
    drain()
    collect(events[:3], {"fallback"}, replay=False)
    modes.change("dual", by="ann", note="first | week")
    VerificationReport.objects.create(
        since=yesterday,
        until=yesterday + DAY,
        made_at=midnight(),
        verdict="does not hold",
        error=0.021,
        compared=12,
        details={
            "findings": ["route /a: 12 in the queue path, 6 in the collector"],
            "inside": {"duplicates": 0},
        },
    )
    letter = DeadLetter.objects.create(
        payload="{}", reason="schema", error="", deliveries=1, state="redriven", settled_by="ann"
    )
    FallbackDrill.objects.create(requested_by="ann", seconds=5, fallen_back=7, verified_at=datetime.now(UTC))
    LogEntry.objects.create(
        user=User.objects.create_user("<b>ann"),
        content_type=ContentType.objects.get_for_model(DeadLetter),
        object_id=str(letter.pk),
        object_repr=str(letter),
        action_flag=CHANGE,
        change_message="Redriven.",
    )


def test_it_has_the_three_parts_with_what_was_found(phase):
    text = phase_report(2)
    today, yesterday = f"{midnight():%Y-%m-%d}", f"{midnight() - DAY:%Y-%m-%d}"

    assert "Mode in force: dual." in text
    assert ", by ann: first \\| week" in text
    assert (
        "| verification | 0 of 7 days hold, worst 2.100% | < 1 % on each of the last 7 days | **fail** |"
        in text.replace("&lt;", "<")
    )
    assert f"| {yesterday} | 12 | 12 | 2.100% | does not hold | route /a: 12 in the queue path" in text
    assert f"| {midnight() - 2 * DAY:%Y-%m-%d} | 0 | - | - | not verified |  |" in text
    assert f"| {today} | dead letter | schema | 1 | redriven |" in text
    assert re.search(rf"\| {today} \d\d:00 \| fallback \| the queue refused \| 3 \| all replayed \|", text)
    assert re.search(rf"\| {today} \d\d:\d\d:\d\d \| drill \| asked for \| 7 \| all counted \|", text)
    assert "| &lt;b>ann | dead letter" in text
    assert "Redriven." in text


def started(when: datetime, cause: Cause, reason: str = "") -> None:
    WorkerStart.objects.create(started_at=when, host="web-1", pid=4711, cause=cause.value, reason=reason)


def test_each_restart_of_the_worker_is_a_problem_with_time_and_reason():
    morning = midnight() - DAY + timedelta(hours=9, minutes=5)
    started(morning, Cause.STARTED)
    started(morning + timedelta(hours=1), Cause.ENDED, "the cluster is gone")
    started(morning + timedelta(hours=2), Cause.RESTARTED, "nobody answers the doorbell | or <b>so")
    started(morning + timedelta(hours=3), Cause.RECYCLED)
    started(midnight() - 2 * DAY, Cause.ENDED, "before the phase")
    text = phase_report(1)

    day, done = f"{morning:%Y-%m-%d}", "started again as process 4711 on web-1"
    restarts = [line for line in text.splitlines() if "restart of the worker" in line]
    assert restarts == [
        f"| {day} 10:05:00 | restart of the worker | unexpected end: the cluster is gone | - | {done} |",
        f"| {day} 11:05:00 | restart of the worker | restarted by the supervisor: nobody answers the doorbell"
        f" \\| or &lt;b>so | - | {done} |",
    ]
    assert (
        "Starts of the worker: 1 recycled, 1 restarted by the supervisor, 1 started, 1 unexpected end."
        in text
    )


def test_of_a_worker_that_dies_all_the_time_the_newest_restarts_are_listed():
    for number in range(RESTARTS + 5):
        started(midnight() - timedelta(minutes=number + 1), Cause.ENDED, f"number {number}")
    text = phase_report(1)

    assert text.count("restart of the worker") == RESTARTS
    assert "number 0 " in text
    assert f"number {RESTARTS} " not in text
    assert f"Of its restarts the newest {RESTARTS} are listed." in text


def test_what_waits_for_its_replay_is_said(make_event: Callable[..., TrafficEvent]):
    collect([make_event(), make_event()], {"fallback"}, replay=True)
    assert "| 2 | 2 wait to be replayed |" in phase_report(1)


def test_a_quiet_phase_says_so():
    text = phase_report(1)
    assert "None were seen." in text
    assert "Not every condition passes." in text


def test_the_command_writes_a_file(phase, tmp_path: Path):
    out = StringIO()
    call_command("phase_report", "--days", "1", "--output", str(tmp_path / "report.md"), stdout=out)
    assert (tmp_path / "report.md").read_text().startswith("# Traffic statistics: ")
    assert "Written: " in out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--days", "0"), "--days: 0 is not from 1 to 366"), (("--output", "/nowhere/x"), "--output: ")],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(CommandError, match=message) as caught:
        call_command("phase_report", *arguments)
    assert caught.value.returncode == 2
