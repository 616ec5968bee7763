"""`serve`, and what it is made of: it says what is wrong, restarts what dies, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.integration import prepared
from tests.integration.processes import ROOT, environment, free_port, manage, processes_of, wait_for
from tests.integration.stack import served

pytestmark = pytest.mark.slow

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
time.sleep(60)
"""


def one_line(var_dir: Path, *arguments: str, **extra: str) -> tuple[int, str]:
    """Exit code and output of a command that is to fail with one line."""
    process = manage(var_dir, *arguments, **extra)
    out, err = process.communicate(timeout=60)
    lines = (out + err).splitlines()
    assert len(lines) == 1, out + err
    return process.returncode, lines[0]


def test_two_servers_run_at_once_and_sigterm_leaves_nothing_of_either(tmp_path: Path) -> None:
    with served(tmp_path / "one with spaces", tmp_path / "two", first_start=True) as servers:
        for server in servers:
            assert server.answers()
            assert server.output().count("Superuser created: admin, password ") == 1
        first, second = servers
        assert first.stop() == 0
        assert not processes_of(first.var_dir), processes_of(first.var_dir)
        assert second.answers()
        second.process.send_signal(signal.SIGINT)
        assert second.process.wait(40) == 0
        assert not processes_of(second.var_dir), processes_of(second.var_dir)


def test_what_dies_is_started_again_and_a_killed_supervisor_takes_all_along(tmp_path: Path) -> None:
    with served(tmp_path / "var", first_start=True) as (server,):
        for words in (("gunicorn",), ("qcluster",), ("embedded_postgres.keeper",), ("postgres", "-D")):
            before = server.settled(*words)
            os.kill(before[0], signal.SIGKILL)
            assert wait_for(partial(server.replaced, before, words), 20), words
        assert wait_for(server.answers, 20), server.output()
        server.process.kill()
        server.process.wait()
        assert wait_for(lambda: not processes_of(server.var_dir), 30), processes_of(server.var_dir)
        collected = {path: path.stat().st_mtime_ns for path in (server.var_dir / "static").rglob("*.css.gz")}
        with served(server.var_dir) as (again,):
            assert again.output().count("Superuser created") == 1  # the first start's
            # Compressed once, not at each start.
            assert len(collected) > 10
            assert all(path.stat().st_mtime_ns == modified for path, modified in collected.items())


def test_static_files_that_changed_are_collected_anew(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    prepared.lay(var_dir)
    (stylesheet,) = (var_dir / "static").rglob("gateway/admin.css")
    stylesheet.unlink()  # as if it was new
    (var_dir / "static.digest").write_text("of the files before")
    with served(var_dir):
        assert stylesheet.exists()


def test_a_guard_kills_a_group_that_does_not_listen(tmp_path: Path) -> None:
    guard = [sys.executable, "-m", "gateway.process_group", "0.5", sys.executable, "-c", STUBBORN]
    process = subprocess.Popen(guard, cwd=ROOT, env=environment(tmp_path / "guarded"))
    assert wait_for(lambda: len(processes_of(tmp_path / "guarded")) == 3)
    process.terminate()
    assert process.wait(20) == 128 + signal.SIGKILL
    assert not processes_of(tmp_path / "guarded")


def test_a_guard_ends_with_the_status_of_its_command() -> None:
    guard = [sys.executable, "-m", "gateway.process_group", "1", sys.executable, "-c", "raise SystemExit(7)"]
    assert subprocess.run(guard, cwd=ROOT, timeout=20, check=False).returncode == 7


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert one_line(tmp_path / "var", "serve", PORT=port) == (2, f"error: PORT: {port} is in use")


def test_a_port_that_is_no_number_is_one_line(tmp_path: Path) -> None:
    expected = (2, "error: PORT: 'http' is not a number from 1 to 65535")
    assert one_line(tmp_path / "var", "serve", PORT="http") == expected


def test_an_unreachable_database_is_one_line_without_the_password(tmp_path: Path) -> None:
    port = free_port()
    code, line = one_line(
        tmp_path / "var",
        "serve",
        PORT=str(free_port()),
        SECRET_KEY="0123456789" * 6,
        DATABASE_URL=f"postgres://someone:hunter2hunter2@127.0.0.1:{port}/traffic",
    )
    assert code == 2
    assert line.startswith(f"error: DATABASE_URL: cannot connect to database 'traffic' at 127.0.0.1:{port}: ")
    assert "refused" in line
    assert "hunter2" not in line


def test_a_missing_secret_key_is_one_line(tmp_path: Path) -> None:
    code, line = one_line(tmp_path / "var", "migrate", DATABASE_URL="postgres://someone@127.0.0.1:1/traffic")
    assert code == 2
    assert line.startswith("error: SECRET_KEY: required when DATABASE_URL is set")


def test_a_worker_with_a_wrong_configuration_stops_gunicorn_instead_of_being_restarted_for_ever(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "gunicorn", "gateway.wsgi:application", "--no-control-socket"]
    done = subprocess.run(
        [*command, "--bind", f"127.0.0.1:{free_port()}"],
        cwd=ROOT,
        env=environment(tmp_path / "var", DATABASE_URL="postgres://someone@127.0.0.1:1/traffic"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.count("error: SECRET_KEY: required") == 1
    assert "Traceback" not in done.stderr


def test_runserver_ends_by_exit_on_sigterm(tmp_path: Path) -> None:
    port = free_port()
    prepared.lay(tmp_path / "var")
    process = manage(tmp_path / "var", "runserver", "--noreload", str(port))
    try:
        reachable = lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0  # noqa: E731
        assert wait_for(reachable, 60)
        process.terminate()
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, out + err
    finally:
        process.kill()
    assert wait_for(lambda: not processes_of(tmp_path / "var"), 10)
