"""`import_legacy_counts` brings in what the source says, once, and nothing that the queue path has."""

from __future__ import annotations

import csv
import io
import json
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections, transaction

from gateway.events import TrafficEvent
from legacy_collector.collector import collect
from legacy_collector.models import CollectedHourly
from stats import imported_hours, pipeline
from stats.consumer import drain
from stats.importing_counts import writing
from stats.importing_counts.folding import Hour
from stats.models import ImportedHourly, TrafficDay
from stats.readiness import readiness
from stats.verification import Verdict, verify
from tests.conftest import BOTH
from tests.integration.api_traffic import database_away
from tests.integration.processes import wait_for

pytestmark = [pytest.mark.django_db(databases=BOTH, transaction=True), pytest.mark.usefixtures("store")]

FIRST = datetime(2025, 11, 20, 8, tzinfo=UTC)
ROUTES = ("/api/users", '/slow, "quoted"\n', "(not found)")

Row = tuple[str, datetime, int, int]


def hour(number: int) -> datetime:
    return FIRST + timedelta(hours=number)


def milliseconds(number: int) -> int:
    """A moment inside that hour."""
    return int(hour(number).timestamp() * 1000) + 1_234


def rows(hours: int = 5, routes: Iterable[str] = ROUTES) -> list[Row]:
    return [
        (route, hour(number), 100 * (place + 1) + number, number)
        for number in range(hours)
        for place, route in enumerate(routes)
    ]


def written(path: Path, given: Iterable[Row]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("route", "hour", "requests", "errors"))
        writer.writerows((route, moment.isoformat(), *numbers) for route, moment, *numbers in given)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return written(tmp_path / "old.csv", rows())


def stored() -> list[Row]:
    found = ImportedHourly.objects.order_by("hour", "requests")
    return list(found.values_list("route", "hour", "requests", "errors"))


def run(*arguments: str | Path) -> tuple[dict[str, Any], int]:
    """What the command prints as JSON, and its exit code."""
    out = io.StringIO()
    try:
        call_command("import_legacy_counts", *map(str, arguments), "--json", stdout=out)
    except SystemExit as ended:
        return json.loads(out.getvalue()), int(ended.code or 0)
    return json.loads(out.getvalue()), 0


def refused(*arguments: str | Path, code: int = 2) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("import_legacy_counts", *map(str, arguments))
    assert caught.value.returncode == code
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is imported ------------------------------------------------------------------------------


def test_every_row_of_a_table_is_one_row(table: Path) -> None:
    result, code = run(table)

    assert (code, result["read"], result["imported_rows"], result["imported_hours"]) == (0, 15, 15, 5)
    assert stored() == rows()
    assert set(ImportedHourly.objects.values_list("source", "superseded_at")) == {("old.csv", None)}


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_json_says_the_same(tmp_path: Path, form: str) -> None:
    objects = [
        {"route": route, "hour": moment.isoformat(), "requests": requests, "errors": errors}
        for route, moment, requests, errors in rows()
    ]
    path = tmp_path / f"old.{form}"
    path.write_text(json.dumps(objects) if form == "json" else "\n".join(map(json.dumps, objects)))

    assert run(path)[1] == 0
    assert stored() == rows()


def test_standard_input_needs_a_format(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table.read_bytes())))
    assert "--format: - does not end as a format does" in refused("-")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table.read_bytes())))
    assert run("-", "--format", "csv")[1] == 0
    assert stored() == rows()
    assert set(ImportedHourly.objects.values_list("source", flat=True)) == {"standard input"}


def test_a_second_run_changes_nothing(table: Path) -> None:
    run(table)
    before = list(ImportedHourly.objects.order_by("pk").values())

    result, code = run(table)

    assert (code, result["imported_rows"], result["unchanged_rows"]) == (0, 0, 15)
    assert list(ImportedHourly.objects.order_by("pk").values()) == before


def test_what_a_later_run_says_stands(table: Path, tmp_path: Path) -> None:
    run(table)
    changed = written(tmp_path / "better.csv", [(ROUTES[0], hour(1), 999, 9), ("/new", hour(1), 1, 0)])

    result, _ = run(changed)

    assert (result["imported_rows"], result["imported_hours"]) == (2, 1)
    assert ImportedHourly.objects.count() == 16
    better = ImportedHourly.objects.get(route=ROUTES[0], hour=hour(1))
    assert (better.requests, better.errors, better.source) == (999, 9, "better.csv")


def test_batches_are_of_whole_hours_and_the_whole_is_the_same(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "ROWS", 4)
    batches = []
    write = writing.write

    def note(hours: list[Hour], *arguments: Any, **options: Any) -> writing.Written:
        batches.append([each.hour * 3600 for each in hours])
        return write(hours, *arguments, **options)

    monkeypatch.setattr(writing, "write", note)
    run(table)

    expected = [[hour(0), hour(1)], [hour(2), hour(3)], [hour(4)]]
    assert batches == [[moment.timestamp() for moment in batch] for batch in expected]
    assert stored() == rows()


def test_since_and_until_bound_the_hours(table: Path) -> None:
    result, code = run(table, "--since", "2025-11-20T09:00", "--until", "2025-11-20T12:00+01:00")

    assert (code, result["outside"]) == (0, 9)
    assert stored() == [row for row in rows() if hour(1) <= row[1] < hour(3)]


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(table: Path) -> None:
    planned, code = run(table, "--dry-run")
    assert (code, planned["dry_run"], stored()) == (0, True, [])

    done, _ = run(table)
    assert planned | {"dry_run": False, "seconds": 0} == done | {"seconds": 0}
    assert run(table, "--dry-run")[0]["unchanged_rows"] == 15


def test_what_was_imported_can_be_removed(table: Path) -> None:
    run(table)
    bounds = ("--since", "2025-11-20T09:00", "--until", "2025-11-20T11:00")

    assert run("--remove", *bounds, "--dry-run") == ({"rows": 6, "hours": 2}, 0)
    assert ImportedHourly.objects.count() == 15
    assert run("--remove", *bounds) == ({"rows": 6, "hours": 2}, 0)
    assert stored() == [row for row in rows() if row[1] in (hour(0), hour(3), hour(4))]


def test_the_report_is_readable(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with table.open("a") as file:
        file.write("/x,2025-11-20T08:00Z,1\n")
    with pytest.raises(SystemExit):
        call_command("import_legacy_counts", str(table), "--since", "2025-11-20T09:00")
    assert capsys.readouterr().out.splitlines()[1:] == [
        "left out: 3 rows outside of --since and --until",
        "refused: 1 rows",
        "  old.csv, line 22: 3 cells where the first line names 4 columns",
    ]
    call_command("import_legacy_counts", "--remove", "--since", "2025-11-20", "--until", "2025-11-21")
    assert capsys.readouterr().out == "removed: 12 rows of 4 hours\n"


# --- the collector ---------------------------------------------------------------------------------


def test_the_collectors_own_counts_are_imported(make_event: Callable[..., TrafficEvent]) -> None:
    events = [
        make_event(
            timestamp=milliseconds(number % 50), route=ROUTES[number % 3], status=500 if number % 4 else 200
        )
        for number in range(300)
    ]
    collect(events, {"legacy"}, replay=False)

    result, code = run()

    assert (code, result["imported_hours"]) == (0, 50)
    counted = CollectedHourly.objects.using("legacy").values_list("route", "hour", "requests", "errors")
    assert sorted(stored()) == sorted(counted)
    assert sum(row[2] for row in stored()) == 300
    assert set(ImportedHourly.objects.values_list("source", flat=True)) == {"collector"}
    assert run("--since", "2025-11-21")[0]["unchanged_rows"] == len(
        [row for row in stored() if row[1].day > 20]
    )


def test_the_hour_that_still_runs_is_left_to_a_later_run(make_event: Callable[..., TrafficEvent]) -> None:
    now = datetime.now(UTC)
    before = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    collect(
        [make_event(timestamp=int(moment.timestamp() * 1000)) for moment in (before, now)],
        {"legacy"},
        replay=False,
    )

    assert run()[1] == 0
    assert [row[1] for row in stored()] == [before]


def test_an_empty_collector_is_no_failure() -> None:
    result, code = run()
    assert (code, result["read"], result["imported_rows"], result["problems"]) == (0, 0, 0, [])


def test_a_collector_that_is_away_is_said(tmp_path: Path) -> None:
    legacy = connections["legacy"]
    name = legacy.settings_dict["NAME"]
    legacy.close()
    legacy.settings_dict["NAME"] = str(tmp_path)  # a folder is no database
    try:
        assert refused(code=1).startswith("the legacy collector can't be asked: unable to open")
    finally:
        legacy.close()
        legacy.settings_dict["NAME"] = name


# --- what the queue path has -----------------------------------------------------------------------


def test_hours_that_the_queue_path_has_are_passed_over_and_counted(
    table: Path, send: Callable[..., int], make_event: Callable[..., TrafficEvent]
) -> None:
    send(make_event(timestamp=milliseconds(1)), make_event(timestamp=milliseconds(3)))
    drain()

    result, code = run(table)

    assert (code, result["skipped_hours"], result["skipped_rows"], result["imported_hours"]) == (0, 2, 6, 3)
    assert stored() == [row for row in rows() if row[1] not in (hour(1), hour(3))]


def test_a_day_whose_hourly_rows_were_dropped_is_passed_over_as_a_whole(table: Path) -> None:
    TrafficDay.objects.create(day=date(2025, 11, 20), hours_dropped_at=datetime.now(UTC))
    assert run(table)[0]["skipped_hours"] == 5
    assert stored() == []


def test_the_pipeline_the_verification_and_the_gate_know_nothing_of_imports(
    table: Path, send: Callable[..., int], make_event: Callable[..., TrafficEvent]
) -> None:
    events = [make_event(timestamp=milliseconds(number)) for number in (6, 7)]
    send(*events)
    drain()
    collect(events, {"dual"}, replay=False)
    run(table)

    assert pipeline.status()["requests"] == 2
    report = verify(hour(0), hour(9))
    assert sum(row.queue for row in report.hours) == 2
    assert (report.inside.mismatches, report.verdict) == ([], Verdict.HOLDS)
    now = hour(10)
    assert [each.figure for each in readiness(now).conditions[:2]] == ["2 requests", "2 requests"]


def test_whoever_drops_hours_waits_for_a_batch_and_then_sees_it() -> None:
    """Otherwise a batch that is not committed yet would escape the mark."""
    seen: list[int] = []

    def drop() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            imported_hours.hold_imports(cursor)
            seen.append(ImportedHourly.objects.count())
        connection.close()

    dropping = threading.Thread(target=drop)
    with transaction.atomic():
        ImportedHourly.objects.create(route="/a", hour=hour(0), requests=1, errors=0, source="x")
        dropping.start()
        assert not wait_for(lambda: bool(seen), 0.5)
    dropping.join(10)
    assert seen == [1]


# --- what is refused -------------------------------------------------------------------------------


def test_a_route_and_hour_that_come_twice_are_refused_and_both_places_named(
    tmp_path: Path, table: Path
) -> None:
    other = written(tmp_path / "again.csv", [("/new", hour(0), 1, 0), (ROUTES[0], hour(0), 5, 0)])

    result, code = run(table, other)

    assert (code, result["refused"], result["imported_rows"]) == (1, 1, 16)
    assert result["problems"] == ["again.csv, line 3: route, hour: as in old.csv, line 2, which stands"]
    assert ImportedHourly.objects.get(route=ROUTES[0], hour=hour(0)).requests == 100


def test_the_first_twenty_refused_rows_are_named_and_the_others_imported(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    good = '{"route": "/a", "hour": "2025-11-20T08:00Z", "requests": 3, "errors": 1}\n'
    path.write_text(good.replace("3", "-3") * 30 + good)

    result, code = run(path)

    assert (code, result["read"], result["refused"], result["imported_rows"]) == (1, 31, 30, 1)
    assert len(result["problems"]) == 20
    assert result["problems"][1] == (
        "odd.jsonl, line 2: requests: -3 does not lie between 0 and 1099511627776"
    )
    assert stored() == [("/a", hour(0), 3, 1)]


def test_a_file_that_breaks_off_imports_nothing(table: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('[{"route": "/a", "hour": "2025-11-20T08:00Z", "requests": 3, "errors": 1},')

    assert refused(table, broken).startswith(f"{broken}: line 1: ends inside the array")
    assert stored() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/no/such.csv"], "/no/such.csv: No such file or directory"),
        (["counts.txt"], "--format: counts.txt does not end as a format does; say csv, json, jsonl"),
        (["a.csv", "a.csv"], "FILE: given twice"),
        (["--format", "csv"], "--format: the legacy collector's tables have none"),
        (["--remove", "a.csv"], "--remove: not beside a FILE; it goes by hours"),
        (["--remove", "--since", "2025-11-20"], "--remove: needs --since and --until"),
        (
            ["--since", "2025-11-20", "--until", "2025-11-20"],
            "--until: 2025-11-20 00:00 does not lie after --since",
        ),
        (["--since", "yesterday"], "Error: argument --since: invalid moment value: 'yesterday'"),
    ],
)
def test_a_bad_argument_is_named(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("import_legacy_counts", *arguments)
    assert str(caught.value) == message
    assert message.startswith("Error") or caught.value.returncode == 2


def test_a_database_that_is_away_is_said(table: Path) -> None:
    with database_away():
        message = refused(table, code=1)
    assert message.startswith(
        "stopped by the database (what was written stays; run again, nothing counts twice)"
    )


# --- the cap ---------------------------------------------------------------------------------------


def test_the_busiest_routes_of_an_hour_are_kept_and_the_rest_is_other(tmp_path: Path, settings: Any) -> None:
    settings.STATS_ROUTES_PER_HOUR = 2
    given = [(f"/{number}", hour(0), 10 + number, number) for number in range(5)]
    given += [("(other)", hour(0), 7, 7), ("/alone", hour(1), 1, 0)]

    result, _ = run(written(tmp_path / "old.csv", given))

    assert (result["folded"], result["imported_rows"]) == (3, 4)
    assert stored() == [
        ("/3", hour(0), 13, 3),
        ("/4", hour(0), 14, 4),
        ("(other)", hour(0), 7 + 10 + 11 + 12, 7 + 0 + 1 + 2),
        ("/alone", hour(1), 1, 0),
    ]


def test_a_route_that_a_later_run_folds_is_not_counted_beside_other(tmp_path: Path, settings: Any) -> None:
    settings.STATS_ROUTES_PER_HOUR = 2
    run(written(tmp_path / "first.csv", [("/a", hour(0), 5, 0), ("/b", hour(0), 4, 0)]))

    grown = [("/a", hour(0), 5, 0), ("/b", hour(0), 6, 0), ("/c", hour(0), 9, 0)]
    result, _ = run(written(tmp_path / "second.csv", grown))

    assert stored() == [("(other)", hour(0), 5, 0), ("/b", hour(0), 6, 0), ("/c", hour(0), 9, 0)]
    assert result["imported_rows"] == 3
