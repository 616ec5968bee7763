"""A mode is changed by a command that says what is in force, and since when."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from gateway import modes
from gateway.models import ModeChange

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
    pytest.mark.usefixtures("store"),
]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("set_mode", *arguments, stdout=out)
    return out.getvalue()


def test_without_a_mode_it_says_what_is_in_force(settings: Any) -> None:
    settings.STATS_MODE = "dual"
    assert run() == "In force: dual\n"
    assert not ModeChange.objects.exists()


def test_a_mode_is_in_force_with_its_share_and_its_reason() -> None:
    printed = run("sample", "--sample-rate", "0.05", "--note", "dual was fine for a week", "--by", "ann")

    assert printed.startswith("In force: sample, 5.000% of the events\n  sample (5.00%) from 20")
    assert "by ann: dual was fine for a week" in printed
    assert modes.in_force() == modes.InForce("sample", 0.05)


def test_it_says_so_to_programs() -> None:
    run("queue", "--by", "ann")
    said = json.loads(run("legacy", "--json"))

    assert (said["mode"], said["sample_rate"]) == ("legacy", 0.01)
    assert [change["mode"] for change in said["changes"]] == ["legacy", "queue", "queue"]
    assert said["changes"][0]["changed_by"].startswith("set_mode by ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("both",), "invalid choice: 'both'"),
        (("sample", "--sample-rate", "0"), "sample_rate: 0.0 is no share"),
        (("--sample-rate", "0.5"), "--sample-rate: needs a mode"),
    ],
)
def test_a_wrong_argument_is_named(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        run(*arguments)
    assert caught.value.returncode in (1, 2)
    assert not ModeChange.objects.exists()


def test_a_database_that_is_away_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    connections["default"].close()
    monkeypatch.setitem(connections["default"].settings_dict, "HOST", "/nowhere")
    with pytest.raises(CommandError, match="database: ") as caught:
        run("queue")
    assert caught.value.returncode == 1
