"""Every benchmark that has a target, one after the other, and one table of all targets. `script/bench all`.

Each runs in a process of its own. One that fails is named, the others are run all the same; the exit code is
0 only if each ran and every target holds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.report import Target, machine, parser, progress, table

NAMES = ("capture", "producer", "consumer", "freshness", "growth", "sustained", "idle", "estimators")


def main(arguments: list[str]) -> int:
    made = parser("all", __doc__)
    made.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="runs only these")
    made.add_argument("--keep", type=Path, help="folder of filled databases, for `growth`")
    options = made.parse_args(arguments)
    results = {name: _run(name, options) for name in options.only}
    holds = all(result["holds"] for result in results.values())
    if options.json:
        print(json.dumps({"holds": holds, "benchmarks": results, "machine": machine()}))
    else:
        print(_text(results))
    return 0 if holds else 1


def _run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """What the benchmark reported, or under `error` why it reported nothing."""
    command = [sys.executable, "-m", "benchmarks", name, "--json"]
    command += ["--quick"] if options.quick else []
    command += ["--plot", options.plot] if options.plot else []
    command += ["--keep", str(options.keep)] if options.keep and name == "growth" else []
    progress(f"== {name}")
    started = time.monotonic()
    # Its progress goes to our own standard error. Ctrl-C reaches it as it reaches us, and it cleans up.
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        output, _ = process.communicate()
    seconds = round(time.monotonic() - started, 1)
    try:
        result: dict[str, Any] = json.loads(output)
    except ValueError:
        result = {"holds": False, "targets": [], "error": f"no result, exit code {process.returncode}"}
    result["seconds"] = seconds
    progress(f"== {name}: {_verdict(result)}, {seconds:.0f} s")
    return result


def _verdict(result: dict[str, Any]) -> str:
    if "error" in result:
        return str(result["error"])
    missed = sum(not target["holds"] for target in result["targets"])
    return "all targets hold" if not missed else f"{missed} of {len(result['targets'])} targets do not hold"


def _text(results: dict[str, dict[str, Any]]) -> str:
    targets = [_target(name, found) for name, result in results.items() for found in result["targets"]]
    failed = [f"{name}: {result['error']}" for name, result in results.items() if "error" in result]
    seconds = sum(result["seconds"] for result in results.values())
    return "\n".join([*table(targets), "", *failed, f"{seconds:.0f} s in all"])


def _target(name: str, found: dict[str, Any]) -> Target:
    fields = {field: value for field, value in found.items() if field not in ("holds", "is_certain")}
    return Target(**{**fields, "name": f"{name}: {found['name']}"})
