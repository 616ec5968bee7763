"""The embedded PostgreSQL: up while somebody uses it, gone when nobody does, whoever was killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from gateway import embedded_postgres
from gateway.embedded_postgres import EmbeddedPostgresError
from tests.integration import prepared
from tests.integration.processes import ROOT, processes_of, wait_for

pytestmark = pytest.mark.slow

USE = """
import sys, time
from pathlib import Path
from gateway import embedded_postgres
embedded_postgres.ensure_running(Path(sys.argv[1]))
print("up", flush=True)
time.sleep(60)
"""
User = subprocess.Popen[str]
StartUser = Callable[[Path], User]


@pytest.fixture
def var_dir(tmp_path: Path) -> Path:
    return tmp_path / "a folder"


@pytest.fixture
def user() -> Iterator[StartUser]:
    """Starts processes that use the server; returns once it is up for them."""
    started: list[User] = []

    def start(var_dir: Path) -> User:
        command = [sys.executable, "-c", USE, str(var_dir)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def used(var_dir: Path) -> Iterator[Path]:
    """A VAR_DIR whose server this process uses; not its first start."""
    prepared.lay(var_dir)
    embedded_postgres.ensure_running(var_dir)
    yield var_dir
    embedded_postgres.leave(var_dir)


def answer(var_dir: Path) -> str:
    entry = embedded_postgres.connection_settings(var_dir)
    with psycopg.connect(
        host=entry["HOST"], port=entry["PORT"], user=entry["USER"], dbname=entry["NAME"]
    ) as connection:
        row = connection.execute(
            "SELECT concat_ws(' ', current_setting('server_encoding'), current_setting('fsync'),"
            " current_setting('synchronous_commit'), current_setting('TimeZone'),"
            " current_setting('listen_addresses'))"
        ).fetchone()
    return str(row and row[0])


def test_users_killed_at_once_leave_no_process_behind(var_dir: Path, user: StartUser) -> None:
    first, second = user(var_dir), user(var_dir)
    keeper = embedded_postgres.keeper_pid(var_dir)
    assert answer(var_dir) == "UTF8 on on UTC "
    first.kill()
    first.wait()
    assert not wait_for(lambda: embedded_postgres.server_pid(var_dir) is None, 2)
    assert embedded_postgres.keeper_pid(var_dir) == keeper
    second.kill()
    second.wait()
    assert wait_for(lambda: not processes_of(var_dir), 8), processes_of(var_dir)


def test_a_killed_keeper_takes_the_server_along_and_the_next_use_starts_both(used: Path) -> None:
    keeper, server = embedded_postgres.keeper_pid(used), embedded_postgres.server_pid(used)
    assert keeper is not None
    os.kill(keeper, signal.SIGKILL)
    assert wait_for(lambda: embedded_postgres.server_pid(used) is None, 8)
    embedded_postgres.ensure_running(used)
    assert embedded_postgres.keeper_pid(used) not in (None, keeper)
    assert embedded_postgres.server_pid(used) not in (None, server)


def test_a_killed_server_is_started_again_with_its_data(used: Path) -> None:
    entry = embedded_postgres.connection_settings(used)
    address = {"host": entry["HOST"], "user": entry["USER"], "dbname": entry["NAME"]}
    with psycopg.connect(**address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    server = embedded_postgres.server_pid(used)
    assert server is not None
    os.kill(server, signal.SIGKILL)
    assert wait_for(lambda: embedded_postgres.server_pid(used) not in (None, server), 15)
    embedded_postgres.ensure_running(used)
    with psycopg.connect(**address) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_suspended_server_stays_down_until_it_is_resumed(used: Path, mode: str) -> None:
    embedded_postgres.suspend(used, mode)
    assert not wait_for(lambda: embedded_postgres.server_pid(used), 1)
    with pytest.raises(EmbeddedPostgresError, match="held down by"):
        embedded_postgres.ensure_running(used, seconds=0.2)
    embedded_postgres.join(used)
    embedded_postgres.resume(used)
    assert answer(used).startswith("UTF8")


def test_who_comes_while_the_keeper_is_ending_ends_with_a_running_server(var_dir: Path) -> None:
    prepared.lay(var_dir)
    for wait in (0.9, 1.1, 1.2, 1.3, 1.4):
        embedded_postgres.ensure_running(var_dir)
        embedded_postgres.leave(var_dir, seconds=wait)
    embedded_postgres.ensure_running(var_dir)
    assert not wait_for(lambda: embedded_postgres.server_pid(var_dir) is None, 2)
    embedded_postgres.leave(var_dir)
    assert not processes_of(var_dir)


def test_sigterm_to_the_keeper_ends_the_server_first(used: Path) -> None:
    keeper = embedded_postgres.keeper_pid(used)
    assert keeper is not None
    os.kill(keeper, signal.SIGTERM)
    assert wait_for(lambda: embedded_postgres.keeper_pid(used) is None, 10)
    assert embedded_postgres.server_pid(used) is None


def test_a_path_too_long_for_a_socket_gets_a_closed_folder_elsewhere(tmp_path: Path) -> None:
    var_dir = tmp_path / ("long" * 30)
    socket_dir = Path(embedded_postgres.connection_settings(var_dir)["HOST"])
    assert not socket_dir.is_relative_to(tmp_path)
    embedded_postgres.ensure_running(var_dir)
    try:
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
        assert answer(var_dir).startswith("UTF8")
    finally:
        embedded_postgres.leave(var_dir)
        socket_dir.rmdir()


def test_nothing_in_the_folder_can_be_read_by_others(var_dir: Path) -> None:
    embedded_postgres.ensure_running(var_dir)
    try:
        for path in (var_dir / "postgres").rglob("*"):
            open_to_others = stat.S_IMODE(path.lstat().st_mode) & 0o077
            closed_above = any(parent.name in ("data", "socket") for parent in path.parents)
            assert closed_above or not open_to_others, path
    finally:
        embedded_postgres.leave(var_dir)


def test_a_deleted_folder_ends_server_and_keeper(used: Path, tmp_path: Path) -> None:
    used.rename(tmp_path / "moved")
    assert wait_for(lambda: not processes_of(used), 15), processes_of(used)


def test_connection_settings_start_and_make_nothing(var_dir: Path) -> None:
    assert embedded_postgres.connection_settings(var_dir) == embedded_postgres.connection_settings(var_dir)
    assert not var_dir.exists()


def test_a_var_dir_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match=r"\AVAR_DIR: cannot write to .*\Z"):
        embedded_postgres.ensure_running(tmp_path / "file")


def test_data_of_another_major_version_is_one_clear_line(var_dir: Path) -> None:
    data = var_dir / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("16\n")
    try:
        with pytest.raises(EmbeddedPostgresError, match=r"\A.*made by PostgreSQL 16, this one is 18.*\Z"):
            embedded_postgres.ensure_running(var_dir)
    finally:
        embedded_postgres.leave(var_dir)
