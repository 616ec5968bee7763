"""`script/bench NAME`: runs one benchmark."""

from __future__ import annotations

import sys

from benchmarks import (
    archive,
    consumer,
    estimators,
    freshness,
    goaccess,
    idle,
    journal,
    outage,
    reading,
    sustained,
)

BENCHMARKS = {
    "archive": archive.main,
    "consumer": consumer.main,
    "estimators": estimators.main,
    "freshness": freshness.main,
    "goaccess": goaccess.main,
    "idle": idle.main,
    "journal": journal.main,
    "outage": outage.main,
    "reading": reading.main,
    "sustained": sustained.main,
}


def main(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    if name not in BENCHMARKS:
        print(f"usage: script/bench {{{'|'.join(BENCHMARKS)}}} [--help]", file=sys.stderr)
        return 2
    return BENCHMARKS[name](arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
