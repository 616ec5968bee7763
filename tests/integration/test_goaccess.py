"""GoAccess counts what we count; and the comparison sees it where we don't."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.goaccess import compare, main, measure, table
from tests.integration import access_log

without_goaccess = pytest.mark.skipif(shutil.which("goaccess") is None, reason="goaccess is not installed")


@pytest.mark.slow
@without_goaccess
def test_an_independent_tool_counts_the_same(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    access_log.generate(log, 2_000)
    log.write_text(log.read_text().replace("20/May/2015", "01/Aug/1995"))

    result = measure(log, "2025-08-01")

    assert result["agree"], table(result)
    assert result["hits"] == {"goaccess": 2_000, "tallygate": 2_000}
    assert result["clients"]["tallygate"] == access_log.clients(log)
    assert not any(found["explained"] for found in result["comparisons"])


def test_a_difference_is_left_over_unless_malformed_lines_explain_it() -> None:
    theirs, ours = Counter({"/a": 3, "/b": 2, "/c": 1}), Counter({"/a": 3, "/b": 1, "/d": 1})

    found = compare("path", theirs, ours, Counter({"/b": 1}))

    assert found.equal == 1
    assert found.explained == ["/b: 2 and 1, 1 in malformed lines"]
    assert found.unexplained == ["/c: 1 and 0", "/d: 0 and 1"]


def test_without_goaccess_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")

    assert main(["access.log"]) == 2
    assert "not installed" in capsys.readouterr().err
