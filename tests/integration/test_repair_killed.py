"""A repair whose process is killed in its midst ends exactly once all the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from django.db import connection

from gateway.models import QueuedBatch
from stats import letter_repairs, repairs
from stats.dead_letters import Filter
from stats.models import DeadLetter, Repair
from tests.integration.processes import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]

LETTERS = 2_000


@pytest.fixture(autouse=True)
def letters(store: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO stats_deadletter (payload, reason, error, traceback, deliveries, state, settled_by)"
            " SELECT '{\"n\": ' || n || '}', 'schema', '', '', 1, 'dead', ''"
            " FROM generate_series(1, %s) AS n",
            [LETTERS],
        )


def carry_out() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(ROOT / "manage.py"), "carry_out_repairs"], env=os.environ)


def kill_when(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    """SIGKILL at the moment `condition` comes true."""
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.wait()


def redriven() -> int:
    return DeadLetter.objects.filter(state="redriven").count()


@pytest.mark.usefixtures("beside")
def test_two_thousand_letters_are_redriven_and_undone_once_however_often_it_is_killed(monkeypatch) -> None:
    monkeypatch.setattr(
        "stats.repairs.asking.start", lambda: False
    )  # the test starts, and kills, them itself
    repair = repairs.ask("redrive", letter_repairs.parameters(Filter()), by="ada")
    for some in (1, 700, 1_500):
        kill_when(carry_out(), lambda some=some: redriven() >= some)
        assert redriven() == QueuedBatch.objects.count() == Repair.objects.get().done < LETTERS

    assert carry_out().wait(60) == 0

    repair.refresh_from_db()
    assert (repair.state, repair.done, repair.failed) == ("done", LETTERS, 0)
    batches = set(QueuedBatch.objects.values_list("pk", flat=True))
    assert set(DeadLetter.objects.values_list("batch", flat=True)) == batches
    assert len(batches) == redriven() == LETTERS
    assert QueuedBatch.objects.values("payload").distinct().count() == LETTERS

    undo = repairs.undo(repair, by="ada")
    kill_when(carry_out(), lambda: redriven() <= 1_000)
    assert carry_out().wait(60) == 0

    undo.refresh_from_db()
    assert (undo.state, undo.done, QueuedBatch.objects.count()) == ("done", LETTERS, 0)
    assert DeadLetter.objects.filter(state="dead", batch=None).count() == LETTERS
