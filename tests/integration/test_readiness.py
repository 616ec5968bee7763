"""The gate is open only if everything passes, and says what to do where it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from gateway import queue
from gateway.events import TrafficEvent, encode
from gateway.models import FallbackDrill, Timing
from gateway.timings import NAMES, size_of
from legacy_collector.collector import collect
from stats.consumer import drain
from stats.models import DeadLetter, VerificationReport
from stats.readiness import DAYS, State, readiness

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
    pytest.mark.usefixtures("store"),
]

Make = Callable[..., TrafficEvent]
DAY = timedelta(days=1)


def states() -> dict[str, State]:
    return {condition.name: condition.state for condition in readiness().conditions}


@pytest.fixture
def recent(make_event: Make) -> list[TrafficEvent]:
    """A thousand requests of the last minutes, counted."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    events = [make_event(timestamp=now - 60_000 + number) for number in range(1_000)]
    queue.send([encode(event) for event in events])
    drain()
    return events


def verified(day: datetime, verdict: str = "holds", error: float = 0.0, duplicates: int = 0) -> None:
    VerificationReport.objects.create(
        since=day,
        until=day + DAY,
        made_at=day + DAY,
        verdict=verdict,
        error=error,
        compared=1000,
        details={"inside": {"duplicates": duplicates}},
    )


def midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def all_well(recent: list[TrafficEvent]) -> None:
    for number in range(1, DAYS + 1):
        verified(midnight() - number * DAY)
    now = datetime.now(UTC)
    FallbackDrill.objects.create(
        requested_by="ann", seconds=5, taken_at=now, ended_at=now, fallen_back=3, verified_at=now
    )
    hour = now.replace(minute=0, second=0, microsecond=0)
    for name in NAMES:
        Timing.objects.update_or_create(
            hour=hour, name=name, size=size_of(0.0005), defaults={"count": 1_000_000}
        )


def test_all_conditions_that_pass_open_the_gate(all_well):
    found = readiness()
    assert {condition.name: condition.state for condition in found.conditions} == {
        "sent to the queue": State.PASS,
        "consumed": State.PASS,
        "backlog": State.PASS,
        "oldest waiting": State.PASS,
        "duplicates": State.PASS,
        "verification": State.PASS,
        "fallback": State.PASS,
        "making an id, p99": State.PASS,
        "hand-over of a batch, p99": State.PASS,
        "consumption of a batch, p99": State.PASS,
    }
    assert found.is_open


def test_a_new_installation_is_not_ready_and_says_what_is_missing():
    found = readiness()
    assert not found.is_open
    assert states()["verification"] is State.UNKNOWN
    assert all(condition.advice for condition in found.conditions if condition.state is not State.PASS)


def test_events_that_fell_back_close_it(all_well, recent):
    collect(recent[:5], {"fallback"}, replay=False)
    assert states()["sent to the queue"] is State.FAIL


def test_what_fell_back_in_a_drill_does_not(all_well, recent):
    collect(recent[:3], {"fallback"}, replay=False)
    assert states()["sent to the queue"] is State.PASS


def test_dead_letters_close_it(all_well):
    for _ in range(5):
        DeadLetter.objects.create(payload="{}", reason="schema", error="", deliveries=1)
    assert states()["consumed"] is State.FAIL


def test_a_backlog_closes_it(all_well, make_event):
    queue.send([encode(make_event()) for _ in range(100)])
    assert states()["backlog"] is State.FAIL


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"verdict": "does not hold", "error": 0.02}, State.FAIL),
        ({"verdict": "not enough data", "error": None}, State.UNKNOWN),
    ],
)
def test_a_day_that_does_not_hold_closes_it_until_it_is_verified_again(all_well, change, expected):
    day = midnight() - 3 * DAY
    verified(day, **change)
    assert states()["verification"] is expected
    verified(day)
    assert states()["verification"] is State.PASS


def test_a_day_that_nobody_verified_closes_it(all_well):
    VerificationReport.objects.filter(since=midnight() - 2 * DAY).delete()
    assert states()["verification"] is State.UNKNOWN
    assert states()["duplicates"] is State.UNKNOWN


def test_duplicates_close_it(all_well):
    verified(midnight() - 2 * DAY, duplicates=1)
    assert states()["duplicates"] is State.FAIL


def test_a_drill_of_last_week_is_too_old(all_well):
    FallbackDrill.objects.update(verified_at=datetime.now(UTC) - 8 * DAY)
    assert states()["fallback"] is State.UNKNOWN


@pytest.mark.parametrize("name", NAMES)
def test_what_takes_too_long_closes_it(all_well, name):
    Timing.objects.create(
        hour=datetime.now(UTC) - timedelta(hours=2), name=name, size=size_of(0.2), count=100_000
    )
    assert list(states().values()).count(State.FAIL) == 1


def test_what_can_not_be_asked_is_not_enough_data(all_well, settings, tmp_path):
    connections["default"].close()
    settings_dict = connections["default"].settings_dict
    host = settings_dict["HOST"]
    settings_dict["HOST"] = "/nowhere"
    try:
        found = readiness()
    finally:
        settings_dict["HOST"] = host
        connections["default"].close()
    assert {condition.state for condition in found.conditions} == {State.UNKNOWN}
    assert "could not be asked" in found.conditions[0].advice


# --- the command -------------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("readiness", *arguments, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_command_ends_with_0_only_when_all_pass(all_well):
    code, printed = run()
    assert (code, printed.splitlines()[-1]) == (0, "Ready.")
    VerificationReport.objects.all().delete()
    code, printed = run()
    assert code == 1
    assert printed.splitlines()[-1] == "Not ready: 2 of 10 conditions don't pass."
    assert "-> not verified: " in printed


def test_it_says_so_to_programs(all_well: Any) -> None:
    code, printed = run("--json")
    said = json.loads(printed)
    assert (code, said["ready"], len(said["conditions"])) == (0, True, 10)
    assert set(said["conditions"][0]) == {"name", "figure", "bound", "state", "advice"}
