"""`python -m tests.chaos.hostile --requests 20000 --seed S [--url URL] [--json] [--memory]`.

Starts the whole system in a fresh folder, unless `--url` names one that runs already; of that one, only
the answers are known. Exit code 0 if nothing went wrong; otherwise the folder stays. `--memory` measures the
processes instead.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.chaos.hostile import memory, report
from tests.chaos.hostile.arsenal import attacks
from tests.chaos.hostile.client import send_all
from tests.chaos.hostile.report import Report
from tests.integration.stack import Server, served


def main() -> int:
    options = _options()
    if options.url:
        where = urlsplit(options.url)
        outcomes = send_all(
            (where.hostname or "127.0.0.1", where.port or 80), attacks(options.seed, options.requests)
        )
        return _finish(report.of_answers(options.seed, outcomes), options.json)
    folder = Path(tempfile.mkdtemp(prefix="tallygate-hostile-"))
    with served(folder / "var", LOG_LEVEL="WARNING") as (server,):
        status = _measure(server, options) if options.memory else _attack(server, options)
    if status:
        print(f"seed {options.seed}; what is left is in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return status


def _measure(server: Server, options: argparse.Namespace) -> int:
    figures = memory.measure(server)
    _print(figures, options.json)
    return 0 if figures["within_20_percent"] else 1


def _attack(server: Server, options: argparse.Namespace) -> int:
    return _finish(attack(server, options.seed, options.requests), options.json)


def attack(server: Server, seed: int, count: int) -> Report:
    """Sends `count` attacks to a system of one's own, and what became of it."""
    before = memory.resident(server)
    outcomes = send_all(("127.0.0.1", server.port), attacks(seed, count))
    found = report.of_answers(seed, outcomes)
    report.add_stores(found, server, outcomes)
    found.rss_kb_before, found.rss_kb_after = before, memory.resident(server)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.hostile")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", help="a system that runs already")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory", action="store_true", help="RSS after 10,000 and after 100,000 events")
    return parser.parse_args()


def _finish(found: Report, as_json: bool) -> int:
    _print(found.as_json(), as_json)
    return 0 if found.is_clean else 1


def _print(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        lines = [f"\n  {line}" for line in figure] if isinstance(figure, list) else [f" {figure}"]
        print(f"{name}:{''.join(lines) or ' none'}")


if __name__ == "__main__":
    sys.exit(main())
