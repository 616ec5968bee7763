"""A step of the start in a process of its own: its result and its failures arrive, its memory does not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.core.management.base import SystemCheckError

from gateway import startup

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


def _in_another_process() -> int:
    sys.modules["loaded_by_a_step"] = sys
    return os.getpid()


def _fails() -> None:
    raise SystemCheckError("a setting is wrong")


def test_a_step_runs_apart_and_its_result_arrives():
    assert startup.apart(_in_another_process) != os.getpid()
    assert "loaded_by_a_step" not in sys.modules


def test_what_a_step_raises_is_raised():
    with pytest.raises(SystemCheckError, match="a setting is wrong"):
        startup.apart(_fails)


@pytest.mark.parametrize("package", ["numpy", "pydantic"])
def test_a_process_that_only_starts_does_not_load(package):
    """Each takes ten megabytes in each of the processes that watch others."""
    program = f"import sys, django; django.setup(); print({package!r} in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
