"""Figures are written as people read them, and an address says what is looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats.dashboard import numbers
from stats.dashboard.choice import RANGES, SORTS, Choice
from stats.dashboard.heat import heat, is_shown
from stats.reports import InvalidFilter, Range
from stats.reports.buckets import bucket
from stats.reports.figures import Counts
from stats.reports.shapes import TimeSeries
from stats.reports.spans import coverage

NOW = datetime(2025, 11, 23, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (999, "999"),
        (99_999, "99,999"),
        (100_000, "100 k"),
        (1_234_567, "1.23 M"),
        (4.56e9, "4.56 G"),
    ],
)
def test_counts(value, written):
    assert numbers.count(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "-"), (0.04, "0.0 ms"), (9.94, "9.9 ms"), (12.4, "12 ms"), (12_340, "12.3 s")],
)
def test_times(value, written):
    assert numbers.milliseconds(value) == written


@pytest.mark.parametrize(
    ("value", "written"), [(None, "-"), (0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (2.5e9, "2.5 GB")]
)
def test_sizes(value, written):
    assert numbers.size(value) == written


@given(st.floats(0, 1e18))
def test_any_size_has_a_unit(value):
    assert numbers.size(value).split()[1] in ("B", "kB", "MB", "GB", "TB", "PB")


def test_a_change_is_of_what_was_before():
    assert numbers.change(110, 100) == pytest.approx(0.1)
    assert (numbers.change(5, 0), numbers.change(None, 5), numbers.change(5, None)) == (None, None, None)
    assert [numbers.signed(change) for change in (0.1, -0.052, 0.5, 11)] == [
        "+10%",
        "-5.2%",
        "+50%",
        "12 times",
    ]


given_words = st.dictionaries(
    st.sampled_from(["last", "start", "end", "sort", "search", "compare", "other"]),
    st.one_of(st.sampled_from([*RANGES, *SORTS, "0"]), st.text(max_size=50)),
)


@given(given_words)
def test_any_address_is_a_choice_that_its_own_address_gives_again(words):
    choice = Choice.of(words, "UTC")
    assert Choice.of(dict(parse_qsl(choice.url()[1:])), "UTC") == choice


@given(given_words)
def test_any_choice_is_a_range_or_says_what_is_wrong(words):
    choice = Choice.of(words, "Europe/Berlin")
    if choice.is_custom:
        with pytest.raises(InvalidFilter, match=r"^(start|end): "):
            choice.period(NOW)
    else:
        assert Choice.step(choice.period(NOW)) in ("minute", "hour", "day")


def test_a_custom_range_is_of_the_viewer_s_clock():
    choice = Choice.of({"start": "2025-11-23T12:00", "end": "2025-11-23T14:00"}, "Europe/Berlin")
    period = choice.period(NOW)
    assert period.start == datetime(2025, 11, 23, 11, tzinfo=UTC)
    assert (period.length, choice.step(period)) == (timedelta(hours=2), "minute")


@pytest.mark.parametrize(
    ("last", "step"), [("1h", "minute"), ("24h", "hour"), ("7d", "hour"), ("30d", "day")]
)
def test_a_range_has_steps_that_can_be_told_apart(last, step):
    assert Choice.step(Choice(last=last).period(NOW)) == step


def test_what_is_the_default_is_not_in_the_address():
    assert Choice().url() == "?"
    assert Choice(last="7d").url(sort="p95") == "?last=7d&sort=p95"
    assert Choice(start="a", end="b").url(last="1h", start="", end="") == "?last=1h"


def test_a_heat_map_is_of_an_average_week_in_the_viewer_s_zone():
    start = datetime(2025, 11, 9, 23, tzinfo=UTC)  # Monday, 00:00 in Berlin
    period = Range(start, start + timedelta(days=14), "Europe/Berlin")
    hours = [start + timedelta(hours=number) for number in range(14 * 24)]
    counted = {0: 10, 7 * 24: 30, 25: 20}
    buckets = tuple(
        bucket(period, (hour, hour + timedelta(hours=1)), Counts(counted.get(number, 0)), None, None)
        for number, hour in enumerate(hours)
    )
    rows = heat(TimeSeries(coverage(period), "queue", "hour", buckets, ()))

    assert is_shown(period)
    assert [(row.weekday, len(row.cells)) for row in rows][:2] == [("Mon", 24), ("Tue", 24)]
    assert (rows[0].cells[0].requests, rows[0].cells[0].level) == (20, 9)
    assert (rows[1].cells[1].requests, rows[1].cells[1].level) == (10, 4)
    assert sum(cell.level for row in rows for cell in row.cells) == 13


def test_less_than_a_week_has_no_heat_map():
    assert not is_shown(Choice(last="24h").period(NOW))
    assert is_shown(Choice(last="30d").period(NOW))
