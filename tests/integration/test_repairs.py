"""Repairs: chunk by chunk, each once, whoever carries them out and whatever becomes of him."""

from __future__ import annotations

import io
import json
import threading
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connections, transaction
from django.utils import timezone

from stats import background, repairs
from stats.models import DeadLetter, Repair
from stats.repairs import Chunk, kinds
from stats.retention import rows
from tests.integration.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

ITEMS = 10


@pytest.fixture(autouse=True)
def counting(store: None, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A kind of repair that counts to ten by threes, and writes down what it has counted."""
    written: list[int] = []

    def count(repair: Repair) -> Chunk:
        first = repair.cursor or 0
        some = list(range(first, min(first + 3, ITEMS)))
        DeadLetter.objects.bulk_create(
            DeadLetter(payload=str(item), reason="schema", error="", deliveries=1) for item in some
        )
        written.extend(some)
        is_last = first + 3 >= ITEMS
        return Chunk(done=len(some), cursor=None if is_last else first + 3)

    monkeypatch.setattr(kinds, "_kinds", dict(kinds._kinds))
    repairs.kind("count", title="Count", permission="stats.redrive_deadletter", count=lambda repair: ITEMS)(
        count
    )
    return written


def ask(**more: object) -> Repair:
    return repairs.ask("count", {}, by="ada", **more)  # type: ignore[arg-type]


def items() -> list[int]:
    return sorted(int(payload) for payload in DeadLetter.objects.values_list("payload", flat=True))


def fail_at(monkeypatch: pytest.MonkeyPatch, item: int, error: Exception) -> None:
    """The chunk that begins with this item does its work, and then fails once."""
    work = repairs.find("count").work
    failed: list[int] = []

    def failing(repair: Repair) -> Chunk:
        chunk = work(repair)
        if (repair.cursor or 0) == item and not failed:
            failed.append(item)
            raise error
        return chunk

    repairs.kind("count", title="Count", permission="", count=None)(failing)


def test_it_waits_is_carried_out_and_is_done() -> None:
    repair = ask(note="a test")
    assert (repair.state, Repair.objects.get().note) == ("waiting", "a test")

    assert repairs.carry_out_all() == 1

    repair.refresh_from_db()
    assert (repair.state, repair.done, repair.total, repair.cursor) == ("done", ITEMS, ITEMS, None)
    assert repair.asked_at <= repair.started_at <= repair.moved_at <= repair.finished_at
    assert items() == list(range(ITEMS))
    assert repairs.carry_out_all() == 0


def test_a_chunk_whose_process_dies_leaves_nothing_and_is_done_by_the_next(monkeypatch) -> None:
    repair = ask()
    fail_at(monkeypatch, 3, OperationalError("server closed the connection"))

    with pytest.raises(OperationalError):
        repairs.carry_out_all()

    repair.refresh_from_db()
    assert (repair.state, repair.done, repair.cursor, items()) == ("running", 3, 3, [0, 1, 2])
    assert repairs.carry_out_all() == 1
    assert items() == list(range(ITEMS))


def test_an_error_of_its_own_ends_it_as_failed_and_keeps_what_was_done(monkeypatch) -> None:
    repair = ask()
    fail_at(monkeypatch, 6, ValueError("no such\x00item"))

    assert repairs.carry_out_all() == 1

    repair.refresh_from_db()
    assert (repair.state, repair.done, items()) == ("failed", 6, [0, 1, 2, 3, 4, 5])
    assert repair.error == "ValueError: no such\\x00item"


def test_an_environment_that_fails_for_an_hour_ends_it_too(monkeypatch) -> None:
    repair = ask()
    fail_at(monkeypatch, 0, OperationalError("out of memory"))
    Repair.objects.update(
        state="running", started_at=timezone.now(), moved_at=timezone.now() - timedelta(hours=2)
    )

    assert repairs.carry_out_all() == 1

    repair.refresh_from_db()
    assert (repair.state, repair.error) == ("failed", "OperationalError: out of memory")


def test_two_processes_take_turns_and_do_each_item_once() -> None:
    ask()

    def carry_out() -> None:
        try:
            repairs.carry_out_all()
        finally:
            connections.close_all()

    both = [threading.Thread(target=carry_out) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(20)

    assert items() == list(range(ITEMS))
    assert Repair.objects.get().done == ITEMS


def test_a_cancelled_one_goes_no_further_and_can_be_cancelled_once() -> None:
    repair = ask()
    chunks: list[int] = []

    def cancel_after_the_second(repair: Repair) -> None:
        chunks.append(repair.done)
        if len(chunks) == 2:
            assert repairs.cancel(repair, by="bob")
            repair.refresh_from_db()

    repairs.carry_out_all(cancel_after_the_second)

    repair.refresh_from_db()
    assert (repair.state, repair.done, items()) == ("cancelled", 6, [0, 1, 2, 3, 4, 5])
    assert not repairs.cancel(repair, by="bob")


def test_the_admin_log_says_who_asked_and_how_many_it_were() -> None:
    User.objects.create_user("ada")
    ask(note="why not")
    repairs.carry_out_all()

    entries = LogEntry.objects.order_by("pk").values_list("user__username", "change_message")
    assert list(entries) == [("ada", "Asked for: count {} why not"), ("ada", "Done: 10 done")]


def ask_in_a_transaction_that_fails() -> None:
    with transaction.atomic():
        ask()
        raise RuntimeError("the caller fails")


def test_what_is_asked_for_in_a_transaction_that_fails_was_never_asked_for(monkeypatch) -> None:
    started: list[bool] = []
    monkeypatch.setattr("stats.repairs.asking.start", lambda: started.append(True))

    with pytest.raises(RuntimeError):
        ask_in_a_transaction_that_fails()
    assert (Repair.objects.count(), started) == (0, [])

    ask()
    assert started == [True]


def test_an_unknown_kind_is_named_at_once_and_one_that_became_unknown_fails() -> None:
    with pytest.raises(repairs.UnknownKind, match="kind: 'eat' is none of"):
        repairs.ask("eat", {}, by="ada")

    repair = Repair.objects.create(kind="eat", by="ada")
    repairs.carry_out_all()
    repair.refresh_from_db()
    assert repair.state == "failed"


def test_where_no_process_can_be_started_it_waits_and_is_taken_up_later(monkeypatch) -> None:
    monkeypatch.undo()

    def refuse(command: str) -> bool:
        raise OSError("no more processes")

    monkeypatch.setattr(background, "start", refuse)
    repair = repairs.ask("redrive", {"filter": {}, "newest": 0}, by="ada")
    assert repair.state == "waiting"

    started: list[str] = []
    monkeypatch.setattr(background, "start", lambda command: not started.append(command))
    assert repairs.start_if_left()
    assert started == ["carry_out_repairs"]
    repairs.carry_out_all()
    assert not repairs.start_if_left()


def test_the_command_says_how_many_ended_and_fails_when_the_database_does(monkeypatch) -> None:
    ask()
    ask()
    out = io.StringIO()
    call_command("carry_out_repairs", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"ended": 2}

    ask()
    fail_at(monkeypatch, 0, OperationalError("server\nclosed"))
    with pytest.raises(CommandError) as stopped:
        call_command("carry_out_repairs")
    assert (str(stopped.value), stopped.value.returncode) == ("stopped by the database: server closed", 1)


def test_retention_deletes_old_ones_that_have_ended_and_no_other() -> None:
    old = timezone.now() - timedelta(days=31)
    for state, asked_at in (("done", old), ("failed", old), ("running", old), ("done", timezone.now())):
        Repair.objects.create(kind="count", by="ada", state=state, asked_at=asked_at)

    assert rows.delete(rows.repairs(timezone.now())) == 2
    assert sorted(Repair.objects.values_list("state", flat=True)) == ["done", "running"]


def test_asking_starts_a_process_that_does_it(beside: None, monkeypatch) -> None:
    repair = repairs.ask("redrive", {"filter": {}, "newest": 0}, by="ada")

    assert wait_for(lambda: Repair.objects.get(pk=repair.pk).state == "done", 20)
