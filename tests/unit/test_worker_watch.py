"""The watch blames a cluster that shows no sign of life, and none that could not show one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace

import pytest
from django.db import OperationalError

from gateway.supervisor import STEADY, Service
from stats import cluster_processes
from stats.bell import IDLE_SECONDS
from stats.cluster_processes import sound_members
from stats.heartbeat import Signs
from stats.worker_watch import (
    ACKNOWLEDGE_SECONDS,
    ANSWER_SECONDS,
    MISSING_SECONDS,
    START_SECONDS,
    Figures,
    Watch,
    verdict,
)
from tests.integration.processes import wait_for

STALE = 20.0
WELL = Figures(silent=1.0, has_beaten=True)
WHOLE = frozenset((pid, 1) for pid in range(5))


@pytest.mark.parametrize(
    "figures",
    [
        WELL,
        replace(WELL, silent=STALE - 1, due=STALE),
        replace(WELL, silent=STALE + 5, due=1.0),  # it was idle, and has just got something to do
        replace(WELL, silent=STALE + IDLE_SECONDS - 1),
        replace(WELL, silent=START_SECONDS - 1, has_beaten=False, due=START_SECONDS),
        replace(WELL, missing=MISSING_SECONDS - 1),
        replace(WELL, unanswered=60.0),  # the consumer works through other doorbells
        replace(WELL, unanswered=ANSWER_SECONDS - 1, silent=15.0),  # it has only just been asked
    ],
)
def test_a_cluster_that_shows_signs_of_life_is_left_alone(figures):
    assert verdict(figures, STALE) is None


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        (replace(WELL, silent=STALE, due=STALE), "no sign of life for 20 s, while work is due"),
        (replace(WELL, silent=STALE + IDLE_SECONDS), "no sign of life for 30 s, while the bell rings"),
        (replace(WELL, silent=START_SECONDS, has_beaten=False), "no sign of life"),
        (replace(WELL, missing=MISSING_SECONDS), "gone or stopped"),
        (replace(WELL, silent=ANSWER_SECONDS, unanswered=ANSWER_SECONDS), "nobody answers the doorbell"),
        (replace(WELL, unanswered=ACKNOWLEDGE_SECONDS), "nobody acknowledges a task"),
    ],
)
def test_a_cluster_that_hangs_is_blamed_with_the_reason(figures, reason):
    assert reason in verdict(figures, STALE)


@dataclass
class World:
    """A cluster, a database and a clock, as the watch sees them."""

    now: float = 1000.0
    signs: Signs = field(default_factory=lambda: Signs("1", is_due=False, is_busy=False, has_doorbell=False))
    members: frozenset[tuple[int, int]] = WHOLE
    is_away: bool = False
    beats: bool = True
    rung: int = 0

    def look(self, doorbell: int | None) -> Signs:
        if self.is_away:
            raise OperationalError("connection refused")
        if self.beats:
            self.signs = replace(self.signs, beat=str(self.now))
        return replace(self.signs, has_doorbell=self.signs.has_doorbell and doorbell is not None)

    def ring(self) -> int:
        self.rung += 1
        return self.rung

    def watch(self) -> Watch:
        watch = Watch(self.look, self.ring, lambda guard: self.members, lambda: self.now)
        watch.began(1)
        return watch

    def blamed_within(self, watch: Watch, seconds: int) -> int | None:
        """After how many seconds the watch speaks up."""
        for second in range(1, seconds + 1):
            self.now += 1
            if watch.problem():
                return second
        return None


@pytest.fixture
def world(settings) -> World:
    settings.TRAFFIC_STALE_SECONDS = STALE
    settings.Q_CLUSTER = {**settings.Q_CLUSTER}
    assert cluster_processes.expected() == len(WHOLE)
    return World()


def test_a_silent_consumer_is_blamed_sooner_when_work_is_due(world):
    # That a batch is due is first seen a second later.
    for due, bound in ((True, 1 + STALE), (False, STALE + IDLE_SECONDS)):
        world.beats, watch = True, world.watch()
        assert world.blamed_within(watch, 5) is None
        world.beats = False
        world.signs = replace(world.signs, is_due=due)
        assert world.blamed_within(watch, 60) == bound


def test_a_statement_under_way_is_a_sign_of_life(world):
    watch = world.watch()
    assert world.blamed_within(watch, 5) is None
    world.beats = False
    world.signs = replace(world.signs, is_due=True, is_busy=True)
    assert world.blamed_within(watch, 120) is None


def test_a_clock_that_is_set_back_is_no_reason(world):
    watch = world.watch()
    world.beats = False
    for hour in range(24, 0, -1):
        world.signs = replace(world.signs, beat=f"{hour}:00", is_due=True)
        assert world.blamed_within(watch, 5) is None


def test_nobody_is_blamed_while_the_database_is_away_and_the_clock_starts_anew_afterwards(world):
    watch = world.watch()
    assert world.blamed_within(watch, 5) is None
    world.is_away, world.beats = True, False
    assert world.blamed_within(watch, 600) is None
    assert watch.is_blameless()
    world.is_away = False
    world.signs = replace(world.signs, is_due=True)
    assert world.blamed_within(watch, 60) == 1 + STALE


def test_a_consumer_that_was_idle_has_its_time_when_something_is_due(world, settings):
    """The bell rings an idle one every ten seconds, which may be more than the silence that is allowed."""
    settings.TRAFFIC_STALE_SECONDS = 6.0
    watch = world.watch()
    assert world.blamed_within(watch, 5) is None
    world.beats = False
    assert world.blamed_within(watch, 9) is None  # idle
    world.signs = replace(world.signs, is_due=True)
    assert world.blamed_within(watch, 5) is None
    world.beats = True
    assert world.blamed_within(watch, 60) is None


def test_the_last_beat_of_the_cluster_before_is_no_beat_of_this_one(world):
    world.beats = False
    watch = world.watch()
    assert world.blamed_within(watch, 60) == START_SECONDS
    assert not watch.is_blameless()
    watch.began(2)
    world.beats = True
    assert world.blamed_within(watch, 5) is None
    assert watch.is_blameless()


def test_a_process_that_is_gone_or_stopped_is_missed_after_seconds(world):
    watch = world.watch()
    assert world.blamed_within(watch, 5) is None
    world.members = frozenset(list(WHOLE)[:-1])
    assert world.blamed_within(watch, 60) == MISSING_SECONDS


def test_a_cluster_that_was_never_whole_is_starting(world):
    world.members = frozenset()
    assert world.blamed_within(world.watch(), 20) is None


def test_a_replaced_process_is_asked_and_left_alone_if_it_answers(world):
    watch = world.watch()
    assert world.blamed_within(watch, 5) is None
    world.members = frozenset([*list(WHOLE)[:-1], (77, 2)])
    assert world.blamed_within(watch, 60) is None
    assert world.rung == 2  # the first time as a new cluster


@pytest.mark.parametrize("beats", [False, True], ids=["the worker", "the monitor"])
def test_a_replaced_process_that_does_not_answer_is_blamed(world, beats):
    watch = world.watch()
    assert world.blamed_within(watch, 10) is None
    world.members = frozenset([*list(WHOLE)[:-1], (77, 2)])
    world.signs = replace(world.signs, has_doorbell=True)
    world.beats = beats
    assert world.blamed_within(watch, 1) is None
    world.beats = False  # a worker beats once for the doorbell, though nobody acknowledges it
    assert world.blamed_within(watch, 60) == ANSWER_SECONDS


def test_an_outage_in_between_asks_again(world):
    watch = world.watch()
    assert world.blamed_within(watch, 5) is None
    world.members = frozenset([*list(WHOLE)[:-1], (77, 2)])
    world.signs = replace(world.signs, has_doorbell=True)
    assert world.blamed_within(watch, 3) is None
    world.is_away = True
    assert world.blamed_within(watch, 60) is None
    world.is_away = False
    world.signs = replace(world.signs, has_doorbell=False)
    assert world.blamed_within(watch, 60) is None
    assert world.rung == 3


TREE = """
import os, time
def fork(*inside):
    if not os.fork():
        for one in inside:
            one()
        time.sleep(60)
leaf = lambda: fork()
fork(leaf, leaf, leaf)
time.sleep(60)
"""


def test_stopped_and_dead_processes_of_a_cluster_do_not_count():
    # The guard is this process: the leader leads a group of its own, sentinel and the others are below.
    leader = subprocess.Popen([sys.executable, "-c", TREE], process_group=0)
    try:
        assert wait_for(lambda: len(sound_members(os.getpid())) == cluster_processes.expected())
        last = max(pid for pid, _ in sound_members(os.getpid()))
        os.kill(last, signal.SIGSTOP)
        assert wait_for(lambda: last not in dict(sound_members(os.getpid())))
        os.kill(last, signal.SIGCONT)
        assert wait_for(lambda: last in dict(sound_members(os.getpid())))
        os.kill(last, signal.SIGKILL)
        assert wait_for(lambda: last not in dict(sound_members(os.getpid())))
    finally:
        os.killpg(leader.pid, signal.SIGKILL)
        leader.wait()


@dataclass
class Hopeless:
    """A watch of something that never works."""

    blameless: bool = False

    def began(self, guard: int) -> None:
        pass

    def problem(self) -> str | None:
        return None

    def is_blameless(self) -> bool:
        return self.blameless


@pytest.mark.parametrize("blameless", [False, True])
def test_only_ends_without_having_worked_count_towards_giving_up(blameless):
    service = Service("nothing", ["false"], watch=Hopeless(blameless), most_failures=3)
    pauses = []
    for _ in range(3):
        service.started -= STEADY  # it ran for long
        service._put_off("ended")
        pauses.append(service.backoff)
    assert service.is_hopeless is not blameless
    assert pauses == ([1.0, 1.0, 1.0] if blameless else [1.0, 2.0, 4.0])
