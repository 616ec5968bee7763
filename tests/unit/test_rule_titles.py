"""A shipped rule is called so in its viewer's language; what somebody named is called what he named it."""

from __future__ import annotations

import pytest
from django.utils import translation

from stats.admin.rule_titles import title_of
from stats.alerts.defaults import SHIPPED
from stats.models import AlertRule


@pytest.mark.parametrize("key", SHIPPED)
def test_a_shipped_rule_has_a_title_in_each_language(key):
    rule = AlertRule(name=SHIPPED[key]["name"], shipped_as=key)
    with translation.override("en"):
        assert title_of(rule) == rule.name
    with translation.override("zh-hans"):
        assert title_of(rule) != rule.name


@translation.override("zh-hans")
def test_what_somebody_named_stays():
    assert title_of(AlertRule(name="Night shift", shipped_as="backlog")) == "Night shift"
    assert title_of(AlertRule(name="Backlog")) == "Backlog"
