"""The project's own settings, on state of their own.

One folder and one embedded PostgreSQL for the whole run: the first process makes them, pytest-xdist's
workers inherit the environment and use databases of their own in the same server.
"""

import os
import sys
import tempfile
from pathlib import Path

_is_first = "TALLYGATE_TEST_VAR_DIR" not in os.environ
if _is_first:
    os.environ["TALLYGATE_TEST_VAR_DIR"] = tempfile.mkdtemp(prefix="tallygate-test-")
# Hundreds of processes are started, and each would compile the whole project anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
_shared = Path(os.environ["TALLYGATE_TEST_VAR_DIR"])

# The server is shared, everything else is not.
os.environ["VAR_DIR"] = str(_shared)
os.environ.setdefault("SECRET_KEY", "only for tests, and long enough to start with")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_shared / _worker / "metrics")
os.environ.pop("DEBUG", None)

import psycopg  # noqa: E402

from gateway import embedded_postgres  # noqa: E402
from gateway.settings import *  # noqa: E402, F403
from gateway.settings import DATABASES, EMBEDDED_POSTGRES, STATIC_ROOT  # noqa: E402


def without_flushes(var_dir: Path) -> None:
    """No commit waits for the disk: the shared server's data need not survive the machine.

    Servers that tests start for themselves, to kill them, are as the product makes them.
    """
    entry = embedded_postgres.connection_settings(var_dir)
    with psycopg.connect(
        host=entry["HOST"], port=entry["PORT"], user=entry["USER"], dbname=entry["NAME"], autocommit=True
    ) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")


if EMBEDDED_POSTGRES:
    embedded_postgres.ensure_running(_shared)
    if _is_first:
        without_flushes(_shared)

VAR_DIR = _shared / _worker
VAR_DIR.mkdir(parents=True, exist_ok=True)
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
DATABASES["legacy"]["TEST"] = {"NAME": str(VAR_DIR / "legacy-test.sqlite3")}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TEST_ENDPOINT = True
CLIENT_HASH_KEY = "k3y"
TRAFFIC_LINGER = 0.02
