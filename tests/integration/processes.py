"""What the tests with real processes share: starting them, waiting, and finding what one left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# What the environment of whoever runs the tests must not decide.
CLEARED = (
    "DATABASE_URL",
    "LEGACY_DATABASE_URL",
    "PROMETHEUS_MULTIPROC_DIR",
    "SECRET_KEY",
    "HOST",
    "PORT",
    "WEB_CONCURRENCY",
    "WEB_THREADS",
)


def environment(var_dir: Path, **extra: str) -> dict[str, str]:
    """An environment for `manage.py` that knows nothing of the tests' own settings."""
    kept = {name: value for name, value in os.environ.items() if name not in CLEARED}
    return {**kept, "DJANGO_SETTINGS_MODULE": "gateway.settings", "VAR_DIR": str(var_dir), **extra}


def manage(var_dir: Path, *arguments: str, **extra: str) -> subprocess.Popen[str]:
    """`manage.py` with its output in pipes, or in the file that `log` names."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        cwd="/",
        env=environment(var_dir, **extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    """Whether `condition` came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def processes_of(var_dir: Path) -> dict[int, str]:
    """Every living process that was started for `var_dir`: by its environment, arguments or folder."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            trace = command + (entry / "environ").read_bytes() + os.fsencode(os.readlink(entry / "cwd"))
        except OSError:
            continue
        if os.fsencode(var_dir) in trace:
            found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def kill_all(var_dir: Path, seconds: float = 20.0) -> bool:
    """Kills all of them, again until none is left, since one may start another meanwhile; whether none is."""

    def are_killed() -> bool:
        for pid in processes_of(var_dir):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not processes_of(var_dir)

    return wait_for(are_killed, seconds)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
