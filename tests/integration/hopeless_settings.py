"""The project's settings with a cluster that can't start, and a supervisor that soon tries again."""

import sys

from gateway import supervisor
from gateway.settings import *  # noqa: F403

supervisor.LAST_BACKOFF = 0.1

if sys.argv[1:2] == ["qcluster"]:
    raise RuntimeError("this cluster never starts")
