"""A repeated edge request gets the first one's time, whoever asks and however often."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import repeats
from gateway.idempotency import generate_idempotent_id

START = 1_763_900_000_000  # ms
MINUTE = 60_000
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def own_memory(settings, tmp_path):
    settings.VAR_DIR = tmp_path


@pytest.fixture
def ray(make_event):
    """An edge request; the same one unless told otherwise."""

    def make(milliseconds=0, **fields):
        return make_event(**{"timestamp": START + milliseconds, "path": "/a", "request_id": "ray", **fields})

    return make


def times(*events):
    """When each is said to have come first, in ms after START."""
    return [event.timestamp - START for event in repeats.resolve(events)[0]]


def test_a_first_request_stays_as_it_is(ray):
    event = ray()
    assert repeats.resolve([event]) == ([event], 0)


def test_a_repeat_gets_the_first_one_s_time_and_id_and_is_counted(ray):
    first, second = ray(), ray(1000)

    repeats.resolve([first])
    (resolved,), count = repeats.resolve([second])

    assert (resolved.idempotent_id, resolved.timestamp) == (first.idempotent_id, first.timestamp)
    assert resolved.response_time == second.response_time
    assert count == 1


def test_a_repeat_in_the_same_batch_is_known_too(ray):
    resolved, count = repeats.resolve([ray(), ray(1), ray(2)])
    assert len({event.idempotent_id for event in resolved}) == 1
    assert count == 2


def test_the_window_is_ten_minutes_from_the_first(ray):
    assert times(ray()) == [0]
    assert times(ray(10 * MINUTE)) == [0]
    assert times(ray(10 * MINUTE + 1)) == [10 * MINUTE + 1]


def test_repeats_do_not_stretch_the_window(ray):
    assert times(ray(), ray(6 * MINUTE), ray(9 * MINUTE)) == [0, 0, 0]
    assert times(ray(12 * MINUTE)) == [12 * MINUTE]
    assert times(ray(13 * MINUTE)) == [12 * MINUTE]


@pytest.mark.parametrize(
    "other",
    [{"method": "POST"}, {"path": "/b"}, {"client_ip_hash": "f" * 16}, {"request_id": "other"}],
)
def test_another_method_path_client_or_request_id_is_no_repeat(ray, other):
    assert times(ray(), ray(1000, **other)) == [0, 1000]


@pytest.mark.parametrize(
    "other", [{"status": 500}, {"host": "b"}, {"user_agent": "b"}, {"response_bytes": 9}]
)
def test_nothing_else_keeps_a_repeat_from_being_one(ray, other):
    assert times(ray(), ray(1000, **other)) == [0, 0]


def test_fields_do_not_run_into_each_other(ray):
    assert times(ray(path="/a", request_id="b"), ray(5, path="/", request_id="ab")) == [0, 5]


def test_one_that_came_first_but_is_sent_later_joins_the_other(ray):
    assert times(ray(5000)) == [5000]
    assert times(ray(0)) == [5000]
    assert times(ray(6000)) == [5000]


arrivals = st.lists(st.integers(0, 40 * MINUTE), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(batches=st.lists(arrivals, min_size=1, max_size=5), again=st.data())
def test_a_batch_sent_twice_gets_the_same_answers(ray, settings, tmp_path_factory, batches, again):
    settings.VAR_DIR = tmp_path_factory.mktemp("memory")
    answers = {}
    for number, batch in enumerate(batches):
        answers[number] = times(*map(ray, batch))
        sent_before = again.draw(st.sampled_from(sorted(answers)))
        assert times(*map(ray, batches[sent_before])) == answers[sent_before]
    for number, batch in enumerate(batches):
        assert times(*map(ray, batch)) == answers[number]
        for arrival, first in zip(batch, answers[number], strict=True):
            assert abs(arrival - first) <= 10 * MINUTE


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(order=st.permutations(list(range(0, 10 * MINUTE + 1, MINUTE))))
def test_what_came_within_ten_minutes_is_one_request_in_whatever_order_it_is_sent(
    ray, settings, tmp_path_factory, order
):
    settings.VAR_DIR = tmp_path_factory.mktemp("memory")
    assert len({times(ray(arrival))[0] for arrival in order}) == 1


def test_several_processes_share_the_memory(ray, tmp_path):
    """Four at once, on a memory that isn't there yet."""
    program = textwrap.dedent(
        """
        import sys
        from django.conf import settings
        settings.configure(VAR_DIR=sys.argv[1])
        from gateway import repeats
        from gateway.events import decode
        event = decode(sys.argv[2])
        sys.stdin.read()
        print(repeats.resolve([event])[0][0].idempotent_id)
        """
    )
    from gateway.events import encode

    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), encode(ray(number * 1000)).decode()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    answers = [process.communicate() for process in started]

    assert {error for _, error in answers} == {""}
    assert len({answer for answer, _ in answers}) == 1


def test_the_memory_is_bounded_by_age(ray):
    repeats.resolve([ray()])
    repeats.resolve([ray(repeats.KEEP_MS + 1, request_id="another")])
    assert remembered() == 1


def test_the_memory_is_bounded_by_rows(ray, monkeypatch):
    monkeypatch.setattr(repeats, "MAX_ROWS", 20)
    monkeypatch.setattr(repeats, "COUNT_SHARE", 1.0)
    repeats.resolve([ray(number, request_id=str(number)) for number in range(21)])

    assert remembered() == 18
    assert times(ray(100, request_id="20")) == [20]
    assert times(ray(100, request_id="0")) == [100]


def remembered() -> int:
    with sqlite3.connect(repeats.memory_path()) as memory:
        return memory.execute("SELECT count(*) FROM seen").fetchone()[0]


def test_the_memory_is_closed_to_others_and_holds_no_readable_request(ray):
    repeats.resolve([ray(path="/secret", request_id="visible")])
    assert stat.S_IMODE(repeats.memory_path().parent.stat().st_mode) == 0o700
    for path in repeats.memory_path().parent.iterdir():
        assert b"secret" not in path.read_bytes()
        assert b"visible" not in path.read_bytes()


def test_a_repeat_s_id_is_the_one_of_its_fields(ray):
    (_, resolved), _ = repeats.resolve([ray(), ray(77)])
    fields = (resolved.timestamp, resolved.client_ip_hash, resolved.path, resolved.request_id)
    assert resolved.idempotent_id == generate_idempotent_id(*fields)


def test_a_memory_that_can_not_be_asked_says_so(ray):
    repeats.memory_path().mkdir(parents=True)
    with pytest.raises(sqlite3.Error):
        repeats.resolve([ray()])


def test_a_damaged_memory_is_begun_anew(ray, caplog):
    assert times(ray(), ray(1000)) == [0, 0]
    repeats.memory_path().write_bytes(b"this is no database at all" * 1000)

    assert times(ray(2000), ray(3000)) == [2000, 2000]
    assert "begun anew" in caplog.text
