"""`script/messages`: the command."""

from __future__ import annotations

import argparse
import sys

from tests.messages import catalogue
from tests.messages.marked import marked


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/messages",
        description="Brings the catalogue of translations up to date with the texts that are marked in"
        " Python and templates, names those that still want a translation, and compiles it. Exit code: 0 all"
        " are translated, 1 some are not, 2 a bad argument.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing, only tell")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    found = catalogue.updated(catalogue.read(), marked())
    if not options.check:
        catalogue.PO.write_bytes(catalogue.written(found))
        catalogue.MO.write_bytes(catalogue.compiled(found))
    missing = [one for one in catalogue.messages(found) if not catalogue.is_translated(one)]
    for message in missing:
        places = ", ".join(place for place, _ in message.locations)
        print(f"{places}: {message.id!r}")
    every = sum(1 for _ in catalogue.messages(found))
    print(f"{catalogue.PO.parent.parent.name}: {every} messages, {len(missing)} to be translated")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
