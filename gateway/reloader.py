"""`runserver` with autoreload, ended gently.

Django's reloader runs the server in a child by `subprocess.run`, which kills the child at once when the
parent is told to end, and gives it a quarter of a second on Ctrl-C. What the child's sender still holds
would be lost; so here the parent passes the end on and waits for it.
"""

from __future__ import annotations

import os
import subprocess

from django.utils import autoreload

RELOAD = 3  # the exit status by which the child asks to be started again


def install() -> None:
    """Puts the gentle parent in the place of Django's."""
    autoreload.restart_with_reloader = run_child


def run_child() -> int:
    """Runs the server in a child until that ends for another reason than a changed file; its status."""
    environment = {**os.environ, autoreload.DJANGO_AUTORELOAD_ENV: "true"}
    while True:
        child = subprocess.Popen(autoreload.get_child_arguments(), env=environment, close_fds=False)  # noqa: S603
        try:
            status = child.wait()
        except SystemExit:  # SIGTERM, see manage.py
            child.terminate()
            child.wait()
            raise
        except KeyboardInterrupt:  # the terminal has told the child, too
            child.wait()
            raise
        if status != RELOAD:
            return status
