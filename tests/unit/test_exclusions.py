"""What is no traffic is told by whole segments of a path, or by a pattern."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.conf import DEFAULT_EXCLUDE
from gateway.exclusions import Exclusions


def test_a_path_that_only_begins_like_an_exclusion_is_traffic():
    shipped = Exclusions(DEFAULT_EXCLUDE)
    assert shipped.covers("/metrics")
    assert not shipped.covers("/metrics-report")
    assert not shipped.covers("/administration")


def test_exclusions_are_prefixes_and_patterns():
    exclusions = Exclusions(["/internal/", r"re:\.(?:css|js)$", "re:^/v[0-9]+/ping$"])
    for path in ("/internal", "/internal/x", "/a/b.css", "/v2/ping"):
        assert exclusions.covers(path)
    for path in ("/internals", "/x/internal/", "/b.css.html", "/v2/ping/x", "/"):
        assert not exclusions.covers(path)


@given(
    st.lists(st.from_regex(r"(/[ab]{0,2}){0,2}/?|re:a", fullmatch=True)),
    st.from_regex(r"(/[ab]{0,3}){0,3}", fullmatch=True),
)
def test_what_begins_with_no_root_is_never_covered(entries, path):
    exclusions = Exclusions(entries)
    assert path.startswith(exclusions.roots) or not exclusions.covers(path)


def test_nothing_excludes_nothing():
    assert not Exclusions([]).covers("/")


def test_a_pattern_that_can_not_be_read_is_refused():
    with pytest.raises(re.error):
        Exclusions(["re:("])
