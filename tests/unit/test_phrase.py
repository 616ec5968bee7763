"""A phrase is English for programs, and in a page's language for people."""

from __future__ import annotations

import copy
import json

import pytest
from django.utils import translation

from gateway.phrase import Phrase, shown
from gateway.read_settings import read_settings
from stats.dashboard.choice import Choice
from stats.reports import InvalidFilter


def test_it_is_its_english_text():
    phrase = Phrase("%(count)s events", count="1,204")
    with translation.override("zh-hans"):
        assert phrase == "1,204 events"
        assert json.dumps({"figure": phrase}) == '{"figure": "1,204 events"}'
        assert f"{phrase:>13}" == " 1,204 events"


def test_a_page_shows_it_in_its_language():
    phrase = Phrase("%(count)s events", count="1,204")
    assert shown(phrase) == "1,204 events"
    with translation.override("zh-hans"):
        assert shown(phrase) == "1,204 个事件"


def test_a_copy_is_shown_just_so():
    phrase = copy.deepcopy(Phrase("< 1 %% on each of the last %(days)s days", days=7))
    with translation.override("zh-hans"):
        assert shown(phrase) == "最近 7 天每天 < 1 %"


def test_any_other_text_is_shown_as_it_is():
    with translation.override("zh-hans"):
        assert shown("100 % of it") == "100 % of it"


def test_a_refused_reader_is_told_in_the_language_and_names_the_field():
    with pytest.raises(ValueError, match="queue_readers: 'ann' is neither") as refused:
        read_settings("queue", "ann")
    with translation.override("zh-hans"):
        assert shown(refused.value.args[0]).startswith("queue_readers: 'ann' 既不是")


def test_a_refused_range_is_told_in_the_language():
    choice = Choice.of({"start": "2025-11-23T12:00", "end": "2025-11-22T12:00"}, "UTC")
    with pytest.raises(InvalidFilter, match="end: 2025-11-22T12:00:00") as refused:
        choice.period()
    with translation.override("zh-hans"):
        assert shown(refused.value.reason) == "2025-11-22T12:00:00+00:00 不晚于开始时间"
