"""The worker's processes wait for others, in whichever way the kernel compares them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway import priority

Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process that waits; its id."""
    started: list[subprocess.Popen[bytes]] = []

    def one(*, leads: bool = False) -> int:
        started.append(subprocess.Popen(["sleep", "60"], start_new_session=leads))
        return started[-1].pid

    yield one
    for process in started:
        process.kill()
        process.wait()


def niceness(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def session_niceness(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/autogroup").read_text().split()[-1])
    except (OSError, IndexError):  # empty where a session has no group of its own, as the kernel's first
        pytest.skip("this kernel does not weigh sessions against each other")


def test_a_process_gets_it_and_keeps_it_when_told_again(start: Start) -> None:
    pid = start()
    priority.lower(pid, 10)
    priority.lower(pid, 10)
    assert niceness(pid) == 10


def test_what_is_nicer_already_is_left_so(start: Start) -> None:
    pid = start(leads=True)
    priority.lower(pid, 15)
    priority.lower(pid, 10)
    assert niceness(pid) == 15
    assert session_niceness(pid) == 15


def test_zero_changes_nothing(start: Start) -> None:
    pid = start(leads=True)
    priority.lower(pid, 0)
    assert (niceness(pid), session_niceness(pid)) == (0, 0)


def test_the_session_that_it_leads_is_lowered_too(start: Start) -> None:
    pid = start(leads=True)
    priority.lower(pid, 10)
    assert session_niceness(pid) == 10


def test_a_session_that_others_lead_is_left_alone() -> None:
    with subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo $!; wait"], start_new_session=True, stdout=subprocess.PIPE
    ) as leader:
        assert leader.stdout is not None
        pid = int(leader.stdout.readline())
        try:
            priority.lower(pid, 10)
            assert (niceness(pid), niceness(leader.pid)) == (10, 0)
            assert session_niceness(leader.pid) == session_niceness(pid) == 0
        finally:
            os.killpg(leader.pid, signal.SIGKILL)


def test_a_kernel_that_is_asked_too_often_is_asked_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = start(leads=True)
    session_niceness(pid)
    write, refusals = Path.write_text, [BlockingIOError(), BlockingIOError()]

    def refuse_first(path: Path, text: str) -> int:
        if refusals:
            raise refusals.pop()
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", refuse_first)
    monkeypatch.setattr(priority, "PAUSE_SECONDS", 0.0)
    priority.lower(pid, 10)
    assert session_niceness(pid) == 10


def test_a_process_that_has_ended_is_no_error(start: Start) -> None:
    process = subprocess.Popen(["true"], start_new_session=True)
    priority.lower(process.pid, 10)  # maybe a zombie
    process.wait()
    priority.lower(process.pid, 10)
