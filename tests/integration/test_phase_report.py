"""One text says what a phase was like, in live figures."""

from __future__ import annotations

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
from legacy_collector.collector import collect
from stats.consumer import drain
from stats.models import DeadLetter, VerificationReport
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
    assert f"| {today} | fallback | the queue refused | 3 |" in text
    assert f"| {today} | drill | asked for | 7 | all counted |" in text
    assert "| &lt;b>ann | dead letter" in text
    assert "Redriven." in text


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
