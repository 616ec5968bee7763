"""Imports of access logs: what they queue is counted exactly once, however often and in whatever form."""

from __future__ import annotations

import gzip
import io
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections
from django.db.models import Sum

from gateway import queue
from gateway.idempotency import generate_idempotent_id, hash_ip
from gateway.models import QueuedBatch
from stats.consumer import drain
from stats.importing import hand_over as hand_over_module
from stats.importing.files import LogFile
from stats.importing.fingerprint import Fingerprint
from stats.importing.hand_over import HandOver, QueueAway
from stats.importing.importer import Importer
from stats.models import DeadLetter, Event, PathStatsHourly, TrafficDay
from tests.conftest import BOTH
from tests.integration.processes import wait_for
from tests.integration.stack import served

pytestmark = [pytest.mark.django_db(databases=BOTH, transaction=True), pytest.mark.usefixtures("store")]

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"
START = datetime(2025, 11, 20, 8, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "var"


def line(second: int, path: str = "/", status: int = 200, start: datetime = START) -> str:
    moment = start + timedelta(seconds=second)
    return (
        f"192.0.2.{second % 7} - - [{moment:%d/%b/%Y:%H:%M:%S} +0000]"
        f' "GET {path} HTTP/1.1" {status} 10 "-" "Agent"\n'
    )


def lines(count: int, start: datetime = START) -> str:
    return "".join(line(n // 4, f"/p{n % 5}?n={n}", 404 if n % 10 == 0 else 200, start) for n in range(count))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_text(lines(600))
    return path


def run(*arguments: str | Path) -> tuple[dict[str, Any], int]:
    """What the command prints as JSON, and its exit code."""
    out = io.StringIO()
    try:
        call_command("import_access_log", *map(str, arguments), "--json", stdout=out)
    except SystemExit as ended:
        return json.loads(out.getvalue()), int(ended.code or 0)
    return json.loads(out.getvalue()), 0


def refused(*arguments: str | Path) -> str:
    """The message of a command that exits with 2, and that nothing was queued."""
    with pytest.raises(CommandError) as caught:
        call_command("import_access_log", *map(str, arguments))
    assert caught.value.returncode == 2
    assert "\n" not in str(caught.value)
    assert not QueuedBatch.objects.exists()
    return str(caught.value)


def test_every_line_becomes_one_event(log: Path) -> None:
    result, code = run(log)
    drain()

    assert (result["lines"], result["queued"], result["malformed"], result["refused"], code) == (
        600,
        600,
        0,
        0,
        0,
    )
    assert result["lines_per_second"] > 0
    events = list(Event.objects.all())
    assert Counter(event.path for event in events) == {f"/p{n}": 120 for n in range(5)}
    assert Counter(event.status for event in events) == {200: 540, 404: 60}
    assert {event.timestamp // 1000 for event in events} == {
        int(START.timestamp()) + second for second in range(150)
    }
    assert PathStatsHourly.objects.aggregate(Sum("requests"))["requests__sum"] == 600
    assert not DeadLetter.objects.exists()


def test_batches_are_of_the_size_of_live_ones(log: Path) -> None:
    run(log)

    assert set(QueuedBatch.objects.values_list("events", flat=True)) == {100}


def test_a_log_counts_once_again_renamed_packed_grown_or_from_standard_input(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, grown = tmp_path / "access.log.1.gz", tmp_path / "grown.log"
    packed.write_bytes(gzip.compress(log.read_bytes()[:20_000]) + gzip.compress(log.read_bytes()[20_000:]))
    grown.write_text(log.read_text() + line(1000) + line(1001))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(log.read_bytes())))

    for name in (log, log, packed, grown, "-"):
        _, code = run(name)
        assert code == 0
    run("--format", "combined", packed)
    totals = drain()

    assert (totals.inserted, totals.duplicates, totals.dead) == (602, 600 * 5, 0)
    assert Event.objects.count() == 602


def test_a_line_cut_short_by_an_import_is_counted_when_it_is_whole(log: Path) -> None:
    whole = log.read_text()
    log.write_text(whole[:-30])
    first, _ = run(log)
    log.write_text(whole)
    run(log)
    drain()

    assert (first["queued"], first["malformed"]) == (599, 1)
    assert Event.objects.count() == 600


def test_logs_of_two_hosts_that_begin_alike_are_both_counted(tmp_path: Path) -> None:
    health = line(0, "/health")
    for host in ("a", "b"):
        (tmp_path / host).write_text(health + line(1, f"/{host}") + line(2, "/health") + line(3, "/health"))

    run(tmp_path / "a", tmp_path / "b")
    drain()

    # The first line of both can't be told from one line of one log; all after the first difference can.
    assert Counter(Event.objects.values_list("path", flat=True)) == {"/health": 5, "/a": 1, "/b": 1}


def colliding_paths() -> tuple[str, str]:
    """Two paths that make one id of 32 bits for the first line of a log, for the same client and second."""
    seen: dict[str, str] = {}
    timestamp, name = int(START.timestamp()) * 1000 + 1, Fingerprint().name(1)
    for number in range(2_000_000):
        path = f"/{number}"
        other = seen.setdefault(generate_idempotent_id(timestamp, hash_ip("192.0.2.0"), path, name), path)
        if other != path:
            return other, path
    raise AssertionError("unreachable")


def test_two_requests_that_share_an_id_are_named(tmp_path: Path) -> None:
    first, second = colliding_paths()
    (tmp_path / "a").write_text(line(0, first))
    (tmp_path / "b").write_text(line(0, second))

    result, _ = run(tmp_path / "a", tmp_path / "b")
    drain()

    assert result["queued"] == 2
    assert Event.objects.get().path == first
    letter = DeadLetter.objects.get()
    assert letter.reason == DeadLetter.Reason.COLLISION
    assert json.loads(letter.payload)["path"] == second
    assert letter.event_id == Event.objects.get().idempotent_id


def test_malformed_lines_are_named_and_cost_no_other_line(log: Path) -> None:
    written = log.read_bytes().splitlines(keepends=True)
    written[10] = b"\xff\xfe garbage \x00\n"
    written[20] = b"\n"
    written[30] = written[30].replace(b"/p0", b"/caf\xe9")
    log.write_bytes(b"".join(written))

    result, code = run(log)
    drain()

    assert (result["lines"], result["queued"], result["malformed"], code) == (600, 598, 2, 0)
    assert result["files"][0]["malformed"] == {"count": 2, "lines": [11, 21]}
    assert result["files"][0]["problems"][0] == "line 11: does not fit the format at $remote_user"
    assert Event.objects.filter(path="/caf%E9").count() == 1
    assert not DeadLetter.objects.exists()


def test_a_person_reads_counts_formats_and_lines(log: Path) -> None:
    log.write_text(log.read_text() + "garbage\n")
    out = io.StringIO()

    call_command("import_access_log", str(log), stdout=out)

    assert "queued 600 of 601 lines in " in out.getvalue()
    assert f"{log}: 601 lines, format: combined" in out.getvalue()
    assert "line 601: does not fit the format" in out.getvalue()


def test_the_duration_of_a_request_is_in_milliseconds(log: Path) -> None:
    log.write_text(log.read_text().replace('"Agent"\n', '"Agent" 0.250\n'))

    result, _ = run(log)
    drain()

    assert result["files"][0]["format"] == "combined, seconds"
    assert set(Event.objects.values_list("response_time", flat=True)) == {250.0}


def test_times_before_2001_need_a_shift_and_the_error_says_so(tmp_path: Path) -> None:
    old = tmp_path / "old.log"
    old.write_text(lines(20, datetime(1995, 8, 1, tzinfo=UTC)))

    message = refused(old)

    assert "2001-09-09" in message
    assert "1995-08-01" in message
    assert "--shift-to" in message


def test_old_lines_between_new_ones_are_refused_and_so_are_lines_of_the_future(log: Path) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    log.write_text(lines(10) + lines(3, datetime(1995, 8, 1, tzinfo=UTC)) + lines(2, soon))

    result, code = run(log)

    assert (result["queued"], result["refused"], code) == (10, 5, 1)
    assert result["files"][0]["refused"]["lines"] == [11, 12, 13, 14, 15]


def test_a_shift_to_a_day_moves_all_lines_by_whole_days(tmp_path: Path) -> None:
    old = tmp_path / "old.log"
    old.write_text(lines(600, datetime(1995, 8, 1, 23, 59, 0, tzinfo=UTC)))

    result, code = run(old, "--shift-to", "2025-08-01")
    run(old, "--shift-to", "2025-08-01")
    drain()

    assert (result["queued"], code) == (600, 0)
    hours = PathStatsHourly.objects.values_list("hour").annotate(Sum("requests"))
    assert dict(hours) == {
        datetime(2025, 8, 1, 23, tzinfo=UTC): 240,
        datetime(2025, 8, 2, 0, tzinfo=UTC): 360,
    }


def test_a_shift_to_now_is_the_same_when_the_log_is_imported_again(tmp_path: Path) -> None:
    old = tmp_path / "old.log"
    old.write_text(lines(600, datetime(1995, 8, 1, tzinfo=UTC)))
    first, _ = run(old, "--shift-to", "now")
    before = time.time()
    time.sleep(1.1)
    old.write_text(old.read_text() + line(150, start=datetime(1995, 8, 1, tzinfo=UTC)))
    complaints = io.StringIO()
    call_command("import_access_log", str(old), "--shift-to", "now", stdout=io.StringIO(), stderr=complaints)
    drain()

    assert Event.objects.count() == 601
    latest = Event.objects.order_by("-timestamp")[1].timestamp / 1000
    assert before - 5 < latest < before + 2
    assert first["shift_seconds"] > 0
    assert "shifted by the same" in complaints.getvalue()


def test_another_shift_than_before_is_warned_of(log: Path) -> None:
    run(log)
    complaints = io.StringIO()

    call_command(
        "import_access_log", str(log), "--shift-to", "2025-10-01", stdout=io.StringIO(), stderr=complaints
    )

    assert "counted a second time" in complaints.getvalue()


def test_lines_of_sealed_days_are_skipped_with_one_summary(tmp_path: Path) -> None:
    path = tmp_path / "three-days.log"
    path.write_text(
        "".join(line(n, start=START + timedelta(days=day)) for day in (0, 1, 2) for n in range(100))
    )
    sealed = {START.date(), START.date() + timedelta(days=2), date(2020, 1, 1)}

    result = Importer([LogFile("log", path)], sealed_days=lambda: sealed).run()
    drain()

    assert (result.total("queued"), result.total("skipped_sealed")) == (100, 200)
    assert result.sealed_days == ["2025-11-20", "2025-11-22"]
    assert result.holds
    assert {event.occurred_at.date() for event in Event.objects.all()} == {date(2025, 11, 21)}


def test_the_command_skips_what_the_database_says_is_sealed(log: Path) -> None:
    log.write_text(log.read_text() + lines(100, START + timedelta(days=1)))
    TrafficDay.objects.create(day=START.date(), sealed_at=datetime.now(UTC))
    out = io.StringIO()

    result, code = run(log)
    call_command("import_access_log", str(log), stdout=out)
    drain()

    assert (result["queued"], result["skipped_sealed"], code) == (100, 600, 0)
    assert result["sealed_days"] == ["2025-11-20"]
    assert (
        "skipped 600 lines of 1 days that take no events any more (2025-11-20 to 2025-11-20)"
        in out.getvalue()
    )
    assert Event.objects.count() == 100
    assert not DeadLetter.objects.exists()


def test_a_day_sealed_during_the_import_is_skipped_from_then_on(log: Path) -> None:
    answers = iter([set(), set(), {START.date()}])

    result = Importer(
        [LogFile("log", log)], max_waiting=100, sealed_days=lambda: next(answers, {START.date()})
    )
    thread = threading.Thread(target=drained_until, args=(lambda: result.result.seconds > 0,))
    thread.start()
    result.run()
    thread.join()

    assert (result.result.total("queued"), result.result.total("skipped_sealed")) == (200, 400)


def drained_until(ended: Callable[[], bool]) -> None:
    """A worker beside the import."""
    try:
        while not ended():
            drain()
            time.sleep(0.02)
        drain()
    finally:
        connections.close_all()


def test_the_import_waits_while_the_queue_is_full(log: Path) -> None:
    highest = 0
    importer = Importer([LogFile("log", log)], max_waiting=250)

    def watch() -> bool:
        nonlocal highest
        highest = max(highest, queue.depth().events)
        return importer.result.seconds > 0

    thread = threading.Thread(target=run_and_close, args=(importer,))
    thread.start()
    assert wait_for(lambda: queue.depth().events == 250)
    time.sleep(0.3)
    assert queue.depth().events == 250  # nobody drains, so nothing more comes

    while not watch():
        drain()
    thread.join()
    drain()

    assert highest <= 250
    assert importer.result.total("queued") == Event.objects.count() == 600
    assert importer.result.waited_seconds > 0.25


def run_and_close(importer: Importer) -> None:
    try:
        importer.run()
    finally:
        connections.close_all()


def test_a_queue_that_refuses_for_a_while_costs_nothing(
    log: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.TRAFFIC_SEND_TIMEOUT = 0.3
    monkeypatch.setattr(hand_over_module, "RETRY_SECONDS", 0.1)
    importer = Importer([LogFile("log", log)])
    with connections["default"].cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE gateway_queuedbatch IN EXCLUSIVE MODE")
        thread = threading.Thread(target=run_and_close, args=(importer,))
        thread.start()
        time.sleep(1.0)
        cursor.execute("ROLLBACK")
    thread.join()
    drain()

    assert importer.result.holds
    assert Event.objects.count() == 600


def test_a_queue_that_goes_on_refusing_ends_the_import(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.TRAFFIC_SEND_TIMEOUT = 0.2
    monkeypatch.setattr(hand_over_module, "RETRY_SECONDS", 0.1)
    hand_over, problems = HandOver(2, patience=0.5), []

    def work() -> None:
        try:
            hand_over.add(b"{}")
            hand_over.add(b"{}")
        except QueueAway as error:
            problems.append(str(error))
        finally:
            connections.close_all()

    with connections["default"].cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE gateway_queuedbatch IN EXCLUSIVE MODE")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        cursor.execute("ROLLBACK")

    assert len(problems) == 1
    assert "the queue refuses" in problems[0]
    assert hand_over.queued == 0


def test_a_damaged_archive_is_imported_up_to_the_damage(log: Path, tmp_path: Path) -> None:
    packed = tmp_path / "cut.gz"
    packed.write_bytes(gzip.compress(log.read_bytes())[:-200])

    result, code = run(packed)

    assert code == 1
    assert 0 < result["queued"] < 600
    assert "after line" in result["files"][0]["error"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "combine"], "--format: "),
        (["--format", "%h %t"], "--format: "),
        (["--format", '%h %l %u %t "%r" %>s %b'], "--format: none of the first 200 lines"),
        (["--shift-to", "yesterday"], "--shift-to: "),
        (["--shift-to", "2999-01-01"], "--shift-to: "),
        (["--max-waiting", "0"], "--max-waiting: "),
        (["missing.log"], "missing.log: "),
        (["/"], "/: "),
    ],
)
def test_a_bad_argument_is_named_in_one_line(log: Path, arguments: list[str], message: str) -> None:
    assert refused(log, *arguments).startswith(message)


def test_a_log_in_no_known_format_is_refused_before_another_is_queued(log: Path, tmp_path: Path) -> None:
    (tmp_path / "json.log").write_text('{"time": "now"}\n' * 10)

    assert "--format" in refused(log, tmp_path / "json.log")


def test_an_empty_log_holds(tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()

    result, code = run(tmp_path / "empty.log", "--shift-to", "now")

    assert (result["lines"], result["queued"], code) == (0, 0, 0)


def test_real_logs_are_counted_to_the_last_line() -> None:
    names = ("apache_combined_2015.log", "nasa_clf_1995-08-01.log")
    if not all((REAL / name).exists() for name in names):
        pytest.skip("no real logs beside this checkout")

    result, code = run(REAL / names[0])
    assert (result["queued"], result["malformed"], code) == (9_999, 1, 0)
    drain()
    result, code = run(REAL / names[1], "--shift-to", "2025-08-01", "--max-waiting", "100000")
    drain()

    assert (result["queued"], result["malformed"], code) == (30_969, 0, 0)
    assert Event.objects.count() == 9_999 + 30_969
    assert (
        Event.objects.filter(timestamp__lt=1_600_000_000_000).values("client_ip_hash").distinct().count()
        == 1_753
    )
    assert PathStatsHourly.objects.aggregate(Sum("requests"))["requests__sum"] == 9_999 + 30_969
    assert not DeadLetter.objects.exists()


@pytest.mark.slow
def test_a_running_system_counts_an_imported_log(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(lines(5_000))
    with served(tmp_path / "system") as (server,):
        for _ in range(2):
            done = server.manage("import_access_log", str(log), "--json", "--max-waiting", "1000")
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["queued"] == 5_000

        assert server.drained(5_000)
        assert not server.rows("SELECT FROM stats_deadletter")
