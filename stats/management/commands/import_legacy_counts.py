"""`manage.py import_legacy_counts`: a legacy collector's hourly counts of the past."""

from __future__ import annotations

import json
import sqlite3
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from rich.console import Console
from rich.progress import Progress

from gateway.logs import printable
from legacy_collector.database import CollectorRefused
from stats.errors import one_line
from stats.importing.files import LogFile, named
from stats.importing_counts import writing
from stats.importing_counts.formats import RECORDS, by_name
from stats.importing_counts.importer import Importer
from stats.importing_counts.result import Result
from stats.importing_counts.sources import Collector, CountsFile, Source
from stats.importing_counts.writing import Removed
from stats.management.days import moment

RUN_AGAIN = "what was written stays; run again, nothing counts twice"


class Command(BaseCommand):
    """Exit code 0 if every row was imported, 1 if not, 2 on a bad argument."""

    help = (
        "Brings a legacy collector's hourly counts into the statistics, for hours of which the queue path "
        "has nothing: from the collector's own tables, or from files."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = (
            "A row says route, hour, requests and errors: columns of a CSV file whose first line names\n"
            "them, or members of JSON objects (an array, or one a line); others are ignored. Hours are\n"
            "whole hours of UTC in ISO 8601, 2025-11-23T12:00+01:00; without an offset they are UTC.\n"
            "Files are read to their end before anything is written, and together say each route and\n"
            "hour once: a second one is refused, as the file probably holds everything twice.\n"
            "A row stands in the place of the one imported before, so a second run changes nothing.\n"
            "Hours that the queue path has are passed over, and an imported hour is ignored as soon as\n"
            "it has an event. Hours that are not over yet are refused in files, and left to a later run\n"
            "in the collector.\n"
            "Exit code: 0 every row was imported, but for hours that the queue path has; 1 a row was\n"
            "refused, or the database or the collector could not be asked; 2 a bad argument or file,\n"
            "and nothing was imported."
        )
        parser.add_argument(
            "files",
            metavar="FILE",
            nargs="*",
            help="plain or gzip; `-` is standard input (default: the legacy collector's tables)",
        )
        parser.add_argument(
            "--format", choices=sorted(RECORDS), help="of all files (default: as their names end)"
        )
        parser.add_argument("--since", type=moment, help="first hour, UTC: 2026-01-31 or 2026-01-31T14:00")
        parser.add_argument("--until", type=moment, help="end, excluded, UTC")
        parser.add_argument(
            "--dry-run", action="store_true", help="says what it would do, and changes nothing"
        )
        parser.add_argument(
            "--remove", action="store_true", help="deletes what was imported from --since up to --until"
        )
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        _check(options)
        if options["remove"]:
            with _stopping():
                removed = writing.remove(options["since"], options["until"], dry_run=options["dry_run"])
            self._say(removed._asdict(), readable_removal(removed, options["dry_run"]), options["json"])
            return
        with _stopping(), named(_files(options["files"])) as files, _bar() as on_progress:
            result = Importer(
                _sources(files, options),
                since=options["since"],
                until=options["until"],
                dry_run=options["dry_run"],
                on_progress=on_progress,
            ).run()
        self._say(result.as_dict(), readable(result), options["json"])
        if not result.holds:
            sys.exit(1)

    def _say(self, found: dict[str, Any], text: str, as_json: bool) -> None:
        self.stdout.write(json.dumps(found) if as_json else text)


def _check(options: dict[str, Any]) -> None:
    """Raises CommandError that names the argument."""
    since, until = options["since"], options["until"]
    if since and until and since >= until:
        raise CommandError(f"--until: {until:%Y-%m-%d %H:%M} does not lie after --since", returncode=2)
    if options["remove"] and options["files"]:
        raise CommandError("--remove: not beside a FILE; it goes by hours", returncode=2)
    if options["remove"] and not (since and until):
        raise CommandError("--remove: needs --since and --until", returncode=2)
    if options["format"] and not options["files"]:
        raise CommandError("--format: the legacy collector's tables have none", returncode=2)


def _files(names: Sequence[str]) -> Sequence[str]:
    if len(set(names)) < len(names):
        raise CommandError("FILE: given twice", returncode=2)
    return names


def _sources(files: Sequence[LogFile], options: dict[str, Any]) -> list[Source]:
    """Raises CommandError for a file whose format can't be told."""
    if not files:
        running = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        return [Collector(options["since"], min(options["until"] or running, running))]
    found: list[Source] = []
    for file in files:
        kind = options["format"] or by_name(file.name)
        if kind is None:
            raise CommandError(
                f"--format: {printable(file.name)} does not end as a format does; say {', '.join(RECORDS)}",
                returncode=2,
            )
        found.append(CountsFile(file, kind))
    return found


@contextmanager
def _stopping() -> Iterator[None]:
    """Exit codes of what stops a run, in one line."""
    try:
        yield
    except CollectorRefused as error:
        raise CommandError(f"the legacy collector can't be asked: {error}", returncode=1) from None
    except Error as error:
        raise CommandError(
            f"stopped by the database ({RUN_AGAIN}): {one_line(error)}", returncode=1
        ) from None
    except sqlite3.Error as error:
        raise CommandError(f"no room to sort the rows: {error}", returncode=1) from None
    except OSError as error:  # no file, or none that can be read to its end
        raise CommandError(printable(str(error)), returncode=2) from None


@contextmanager
def _bar() -> Iterator[Callable[[str, float], None]]:
    """On standard error, if that is a terminal."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, part: bar.update(task, description=printable(what), completed=part)


def readable(result: Result) -> str:
    verb = "would be imported" if result.dry_run else "imported"
    lines = [
        f"{verb}: {result.imported_rows} rows of {result.imported_hours} hours"
        f" (unchanged: {result.unchanged_rows} rows), of {result.read} read in {result.seconds:.1f} s"
    ]
    if result.skipped_hours:
        lines.append(
            f"passed over: {result.skipped_hours} hours ({result.skipped_rows} rows) that the queue path has"
        )
    if result.folded:
        lines.append(f"folded into (other): {result.folded} rows, past the cap of routes an hour")
    if result.outside:
        lines.append(f"left out: {result.outside} rows outside of --since and --until")
    if result.refused:
        lines.append(f"refused: {result.refused} rows")
        lines.extend(f"  {printable(problem)}" for problem in result.problems)
    if result.refused > len(result.problems):
        lines.append("  \u2026")
    return "\n".join(lines)


def readable_removal(removed: Removed, dry_run: bool) -> str:
    verb = "would be removed" if dry_run else "removed"
    return f"{verb}: {removed.rows} rows of {removed.hours} hours"
