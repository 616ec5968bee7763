"""`script/chaos`: the command."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.disk import own_mounts
from tests.chaos.faults import FAULTS
from tests.chaos.plan import Plan
from tests.chaos.report import as_object, as_table
from tests.chaos.run import run, to_stderr
from tests.chaos.system import BARE, TALLYGATE

BARE_DRAIN_SECONDS = 45.0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/chaos",
        description="Starts the whole system, injects one fault a cycle under load, and reconciles every"
        " answered request with what was counted. Exit code 0 only if nothing was lost or doubled.",
        epilog="Faults: " + ", ".join(sorted(FAULTS)),
    )
    parser.add_argument("--cycles", type=int, default=20, metavar="N", help="faults to inject (20)")
    parser.add_argument(
        "--seed", type=int, metavar="S", help="of the order and the moments (random, printed)"
    )
    parser.add_argument("--only", type=_faults, default=[], metavar="FAULT,…", help="these kinds only")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--bare", action="store_true", help="a plain django-q2 task per event instead")
    return parser.parse_args(arguments)


def _faults(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FAULTS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(unknown)} (known: {', '.join(sorted(FAULTS))})"
        )
    return names


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    plan = Plan(options.cycles, seed, options.only, TALLYGATE)
    if options.bare:
        plan = Plan(options.cycles, seed, options.only, BARE, BARE_DRAIN_SECONDS)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    own_mounts()
    folder = Path(tempfile.mkdtemp(prefix="tallygate-chaos-"))
    to_stderr(f"seed {seed}, {folder}")
    result = run(plan, folder, to_stderr)
    print(json.dumps(as_object(result)) if options.json else as_table(result))
    if result.is_green:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    to_stderr(f"red: seed {seed}; everything is kept in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
