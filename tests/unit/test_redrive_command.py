"""`redrive_dead_letters`: which letters it takes, and what it says."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from stats import dead_letters
from stats.models import DeadLetter

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

Reason = DeadLetter.Reason
NAMED = '{"idempotent_id": "1763900000001-0000000a"}'


@pytest.fixture
def letters(store: None) -> list[int]:
    """The numbers of three dead letters: one without an id, one of the same reason, one with an id."""
    dead_letters.bury(
        [
            dead_letters.Failure("not JSON", Reason.UNDECODABLE, "no", 1),
            dead_letters.Failure("[]", Reason.UNDECODABLE, "no", 1),
            dead_letters.Failure(NAMED, Reason.EXHAUSTED, "value too long", 4),
        ]
    )
    return list(DeadLetter.objects.order_by("id").values_list("id", flat=True))


def redrive(*arguments: str) -> str:
    out = io.StringIO()
    call_command("redrive_dead_letters", *arguments, stdout=out)
    return out.getvalue()


def redriven() -> list[int]:
    return list(DeadLetter.objects.filter(state="redriven").order_by("id").values_list("id", flat=True))


def test_without_arguments_all_that_are_dead_go_back_once(letters: list[int]) -> None:
    assert redrive() == "Redriven: 3\n"
    assert redriven() == letters
    assert redrive() == "Redriven: 0\n"


def test_a_redriven_letter_says_who_did_it(letters: list[int]) -> None:
    redrive("--id", str(letters[0]))

    assert DeadLetter.objects.get(pk=letters[0]).settled_by == "redrive_dead_letters"


def test_only_those_of_one_reason(letters: list[int]) -> None:
    assert json.loads(redrive("--reason", "undecodable", "--json")) == {"redriven": 2}
    assert redriven() == letters[:2]


def test_only_those_named_by_number_or_event(letters: list[int]) -> None:
    redrive("--id", str(letters[0]), "--id", "1763900000001-0000000a")

    assert redriven() == [letters[0], letters[2]]


def test_both_arguments_must_fit(letters: list[int]) -> None:
    assert redrive("--id", str(letters[0]), "--reason", "exhausted") == "Redriven: 0\n"
    assert redrive("--id", "999999999") == "Redriven: 0\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reason", "tired"], "--reason: 'tired' is none of undecodable, schema"),
        (["--id", "12", "--id", "first"], "--id: 'first' is no number of a dead letter and no event id"),
        (["--id", "-1"], "--id: '-1'"),
        (["--id", str(2**63)], "--id: "),
    ],
)
def test_a_bad_argument_is_named_and_nothing_is_redriven(
    letters: list[int], arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError) as caught:
        redrive(*[f"{name}={value}" for name, value in zip(arguments[::2], arguments[1::2], strict=True)])

    assert str(caught.value).startswith(message)
    assert caught.value.returncode == 2
    assert redriven() == []


def test_a_database_error_is_one_line_and_exit_code_1(letters: list[int]) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("ALTER TABLE gateway_queuedbatch RENAME TO elsewhere")
    try:
        with pytest.raises(CommandError) as caught:
            redrive()
    finally:
        with connections["default"].cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO gateway_queuedbatch")

    assert str(caught.value).startswith("stopped by the database: ")
    assert "\n" not in str(caught.value)
    assert caught.value.returncode == 1
    assert redriven() == []
