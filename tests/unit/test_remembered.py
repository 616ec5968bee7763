"""A row's summaries are taken up again for the version they were written to, and for no other."""

from __future__ import annotations

from stats.estimators import estimator
from stats.remembered import Remembered, Summaries


def summaries() -> Summaries:
    return Summaries(estimator().latency(), estimator().clients())


def test_what_was_written_is_taken_up_once():
    remembered, written = Remembered(), summaries()
    remembered.keep("row", "7", written)
    assert remembered.take("row", "7") is written
    assert remembered.take("row", "7") is None


def test_another_version_of_the_row_forgets_it():
    remembered = Remembered()
    remembered.keep("row", "7", summaries())
    assert remembered.take("row", "8") is None
    assert remembered.take("row", "7") is None


def test_a_row_that_was_never_written_is_unknown():
    assert Remembered().take("row", "7") is None


def test_of_too_many_rows_the_one_written_longest_ago_is_forgotten():
    remembered = Remembered(capacity=2)
    for row in ("first", "second", "first", "third"):
        remembered.keep(row, "1", summaries())
    assert [row for row in ("first", "second", "third") if remembered.take(row, "1")] == ["first", "third"]
