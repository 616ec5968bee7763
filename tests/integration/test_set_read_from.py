"""The read path is changed by a command that says what is in force, and since when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from stats import read_from
from stats.models import ReadChange
from tests.integration.api_traffic import database_away

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture(autouse=True)
def _as_the_settings_say(store: None) -> Iterator[None]:
    yield
    read_from.forget()


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("set_read_from", *arguments, stdout=out)
    return out.getvalue()


def test_without_arguments_it_says_what_is_in_force() -> None:
    assert run() == "In force: 100 % of the readers from the queue path; 0 % of the answers are compared\n"
    assert not ReadChange.objects.exists()


def test_what_is_not_given_stays() -> None:
    run("legacy", "--queue-readers", "user:ann,token:grafana", "--compare", "10", "--by", "ann")
    printed = run("25", "--note", "a quarter", "--by", "ann")

    assert printed.startswith("In force: 25 % of the readers from the queue path; 10 % of the answers are")
    assert "always from the queue path: token:grafana, user:ann" in printed
    assert "by ann: a quarter" in printed
    assert read_from.in_force().percent == 25


def test_a_list_is_emptied_by_an_empty_one() -> None:
    run("--legacy-readers", "user:ann")
    run("--legacy-readers", "")
    assert read_from.in_force().legacy_readers == frozenset()


def test_it_says_so_to_programs() -> None:
    run("queue", "--by", "ann")
    said = json.loads(run("0", "--json"))

    assert (said["percent"], said["queue_readers"], said["compared_percent"]) == (0, [], 0)
    assert [change["percent"] for change in said["changes"]] == [0, 100]
    assert said["changes"][0]["changed_by"].startswith("set_read_from by ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("both",), "percent: 'both' is no percentage"),
        (("--compare", "200"), "compared_percent: '200' is no percentage"),
        (("--queue-readers", "ann"), "queue_readers: 'ann' is neither user:NAME nor token:NAME"),
    ],
)
def test_a_wrong_argument_is_named(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        run(*arguments)
    assert caught.value.returncode == 2
    assert not ReadChange.objects.exists()


def test_a_database_that_is_away_is_said() -> None:
    with database_away(), pytest.raises(CommandError, match="database: ") as caught:
        run("legacy")
    assert caught.value.returncode == 1
