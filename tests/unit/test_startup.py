"""A step of the start in a process of its own: its result and its failures arrive, its memory does not."""

from __future__ import annotations

import os
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
