"""Who is answered from where follows from the reader's name, and says what is wrong with a wish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.read_settings import NOBODY, ReadSettings, read_settings

readers = st.text(min_size=1, max_size=30).map("user:{}".format)


@given(readers, st.floats(0, 100), st.floats(0, 100))
def test_a_greater_percentage_keeps_the_readers_of_a_smaller_one(reader, one, other):
    small, great = sorted((one, other))
    assert not (ReadSettings(small).source_of(reader) == "queue" != ReadSettings(great).source_of(reader))


@given(readers)
def test_all_or_none_are_answered_at_the_ends(reader):
    assert ReadSettings(100).source_of(reader) == "queue"
    assert ReadSettings(0).source_of(reader) == "legacy"


def test_a_percentage_is_as_many_readers_as_it_says():
    settings = ReadSettings(25)
    chosen = sum(settings.source_of(f"user:{number}") == "queue" for number in range(10_000))
    assert 2_300 < chosen < 2_700


@pytest.mark.parametrize(("reader", "place"), [("user:ann", 71.7), ("token:grafana", 23.4)])
def test_a_reader_has_the_same_place_in_every_process(reader, place):
    assert ReadSettings(place).source_of(reader) == "legacy"
    assert ReadSettings(place + 0.1).source_of(reader) == "queue"


def test_a_list_has_its_readers_answered_whatever_the_percentage():
    settings = read_settings(0, "user:ann, token:grafana board", ["user:ben"])
    assert [settings.source_of(reader) for reader in ("user:ann", "token:grafana board", "user:ben")] == [
        "queue",
        "queue",
        "legacy",
    ]
    assert read_settings(100, (), "user:ben\nuser:cay\n").source_of("user:cay") == "legacy"


def test_nobody_in_particular_is_answered_by_the_queue_path_unless_no_reader_is():
    assert ReadSettings(1).source_of(NOBODY) == "queue"
    assert ReadSettings(0).source_of(NOBODY) == "legacy"


@pytest.mark.parametrize(
    ("word", "percent"), [("queue", 100), (" Legacy ", 0), ("25", 25), (12.5, 12.5), ("0", 0)]
)
def test_a_share_is_a_word_or_a_number(word, percent):
    assert read_settings(word).percent == percent


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("both",), "percent: 'both' is no percentage from 0 to 100, nor queue or legacy"),
        (("101",), "percent: '101' is no percentage"),
        (("nan",), "percent: 'nan' is no percentage"),
        ((100, (), (), "-1"), "compared_percent: '-1' is no percentage from 0 to 100"),
        ((100, "ann"), "queue_readers: 'ann' is neither user:NAME nor token:NAME"),
        ((100, "user: "), "queue_readers: 'user:' is neither user:NAME nor token:NAME"),
        ((100, (), [7]), "legacy_readers: 7 is neither user:NAME nor token:NAME"),
        ((100, 7), "queue_readers: 7 is no list of readers"),
        ((100, "user:ann", "user:ann"), "legacy_readers: 'user:ann' is among the queue_readers, too"),
    ],
)
def test_a_wrong_wish_is_named(arguments, message):
    with pytest.raises(ValueError) as caught:
        read_settings(*arguments)
    assert str(caught.value).startswith(message)
