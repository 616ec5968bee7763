"""`script/bench NAME`: runs one benchmark."""

from __future__ import annotations

import sys

from benchmarks import all as every
from benchmarks import (
    archive,
    consumer,
    estimators,
    freshness,
    goaccess,
    growth,
    idle,
    journal,
    outage,
    producer,
    reading,
    sustained,
    verification,
)
from benchmarks.capture import measure as capture

BENCHMARKS = {
    "all": every.main,
    "archive": archive.main,
    "capture": capture.main,
    "consumer": consumer.main,
    "estimators": estimators.main,
    "freshness": freshness.main,
    "goaccess": goaccess.main,
    "growth": growth.main,
    "idle": idle.main,
    "journal": journal.main,
    "outage": outage.main,
    "producer": producer.main,
    "reading": reading.main,
    "sustained": sustained.main,
    "verification": verification.main,
}


def main(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    if name not in BENCHMARKS:
        print(f"usage: script/bench {{{'|'.join(BENCHMARKS)}}} [--help]", file=sys.stderr)
        return 2
    return BENCHMARKS[name](arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
