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
# Of `wait_for`, in seconds between two questions, and as a share of the time waited so far.
SHORTEST_PAUSE, LONGEST_PAUSE, PAUSE_SHARE = 0.01, 0.25, 0.05


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
    """Whether `condition` came true within `seconds`.

    The longer it waits, the seldomer it asks: to ask costs CPU that what is waited for could use.
    """
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        if waited > seconds:
            return False
        time.sleep(min(max(SHORTEST_PAUSE, waited * PAUSE_SHARE), LONGEST_PAUSE))
    return True


def processes_of(var_dir: Path) -> dict[int, str]:
    """Every living process that was started for `var_dir`: by its environment, arguments or folder."""
    wanted, own = os.fsencode(var_dir), str(os.getpid())
    found: dict[int, str] = {}
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or pid == own:
            continue
        process = f"/proc/{pid}"
        try:
            command = _read(f"{process}/cmdline")
            if (
                wanted in command
                or wanted in _read(f"{process}/environ")
                or wanted in os.fsencode(os.readlink(f"{process}/cwd"))
            ):
                found[int(pid)] = command.replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    return found


def _read(path: str) -> bytes:
    """As `Path.read_bytes`, in half the time: a look at all processes takes hundreds of these."""
    with open(path, "rb", buffering=0) as file:
        return file.read()


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
