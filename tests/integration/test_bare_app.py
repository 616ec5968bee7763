"""The app that benchmarks compare the whole system with starts under the settings it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import bare_app
from tests.load import get

pytestmark = pytest.mark.slow


def test_the_bare_app_answers(tmp_path: Path) -> None:
    with bare_app.running(tmp_path / "bare") as port:
        assert get(port, "/api/test/up") == 200
