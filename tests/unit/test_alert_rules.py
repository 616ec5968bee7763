"""What a rule may say, field by field, and how its values are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats.alerts.defaults import SHIPPED
from stats.alerts.measures import KINDS, Measure, figure
from stats.alerts.rules import derived_clears_at, problems
from stats.models import AlertRule
from stats.reports.recent import like


def fields(**said):
    given = {"measure": "error_rate", "route": "", "bound": 5.0, "clears_at": 2.0, **said}
    return [field for field, _ in problems(**given)]


def test_a_sound_rule_has_no_problem():
    assert fields() == []
    assert fields(route="/api/*", measure="p95", bound=2000.0) == []


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"bound": 0.0}, "bound"),
        ({"bound": -1.0}, "bound"),
        ({"bound": float("nan")}, "bound"),
        ({"bound": 101.0}, "bound"),
        ({"bound": 101.0, "measure": "traffic_drop"}, "bound"),
        ({"clears_at": 5.0}, "clears_at"),
        ({"clears_at": 6.0}, "clears_at"),
        ({"clears_at": -1.0}, "clears_at"),
        ({"clears_at": float("inf")}, "clears_at"),
        ({"route": "/api", "measure": "backlog"}, "route"),
        ({"route": "*" * 11}, "route"),
    ],
)
def test_what_can_not_be_is_said_at_its_field(said, field):
    assert fields(**said) == [field]


@given(st.sampled_from(Measure.values), st.floats(0.001, 1e12))
def test_where_it_clears_is_below_the_bound_and_a_value_that_can_be(measure, bound):
    found = derived_clears_at(measure, bound)
    assert 0 <= found < bound
    assert found == int(found) or not KINDS[measure].is_whole


def test_one_dead_letter_clears_at_none():
    assert derived_clears_at("dead_letters", 1) == 0
    assert derived_clears_at("backlog", 1000) == 800
    assert derived_clears_at("p95", 2000) == 1600


def test_the_shipped_rules_are_sound():
    for said in SHIPPED.values():
        assert fields(**{name: said[name] for name in ("measure", "bound", "clears_at")}) == []
        assert said["measure"] in AlertRule.Measure.values
    assert {said["measure"] for said in SHIPPED.values()} == set(Measure.values)


@pytest.mark.parametrize(
    ("measure", "value", "shown"),
    [
        ("error_rate", 12.3456, "12.3 %"),
        ("error_rate", 0, "0 %"),
        ("traffic_jump", 12345.6, "12,346 %"),
        ("traffic_drop", -20.04, "-20 %"),
        ("p95", 2000, "2000 ms"),
        ("p95", 12_345, "12.3 s"),
        ("backlog", 123_456, "123 k"),
        ("oldest_age", 61.2, "61.2 s"),
        ("dead_letters", 1, "1"),
        ("p95", None, "-"),
    ],
)
def test_values_are_written_with_their_unit(measure, value, shown):
    assert figure(measure, value) == shown


@pytest.mark.parametrize(
    ("pattern", "sql"), [("/api/*", "/api/%"), ("/a_b", "/a\\_b"), ("100%*\\", "100\\%%\\\\"), ("*", "%")]
)
def test_only_a_star_stands_for_any_text(pattern, sql):
    assert like(pattern) == sql
