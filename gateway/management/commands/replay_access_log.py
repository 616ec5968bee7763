"""`manage.py replay_access_log`: real traffic from an access log."""

from __future__ import annotations

import json
import math
import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.accesslog.replay import Replay, Result, Target

MAX_CONCURRENCY = 256


class Command(BaseCommand):
    """Exit code 0 if every well-formed line was answered with its status, 1 if not, 2 on a bad argument."""

    help = "Sends each line of an Apache or nginx access log as a real HTTP request to a gateway."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = (
            "The log may be in common or combined format. A request has its line's client address, path,\n"
            "method and user agent, asks for its status and size (up to 1 MB), and names itself\n"
            "`CF-Ray: <file name>:<line number>`, so that within the gateway's window of repeats a second\n"
            "replay counts nothing twice. Host names become addresses in fd00::/8. Malformed lines are\n"
            "counted and shown. Exit code: 0 every well-formed line was answered with its status, 1 not so,\n"
            "2 a bad argument."
        )
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument("--url", required=True, help="the gateway, such as http://127.0.0.1:8000")
        parser.add_argument("--rate", type=float, help="requests a second, at most (default: no bound)")
        parser.add_argument("--limit", type=int, help="only the first LIMIT lines of the file")
        parser.add_argument("--prefix", default="/api/test", help="path to send below (default: %(default)s)")
        parser.add_argument(
            "--concurrency", type=int, default=4, help="connections at once (default: %(default)s)"
        )
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        replay = make_replay(options)
        try:
            result = run_with_bar(replay, options)
        except OSError as error:
            raise CommandError(f"FILE: {options['file']}: {error.strerror}", returncode=2) from None
        self.stdout.write(json.dumps(result.as_dict()) if options["json"] else readable(result))
        if not result.holds:
            sys.exit(1)


def make_replay(options: dict[str, Any]) -> Replay:
    """Raises CommandError that names the argument."""
    rate, limit, concurrency = options["rate"], options["limit"], options["concurrency"]
    if not options["file"].is_file():
        raise CommandError(f"FILE: {options['file']} is no file", returncode=2)
    if rate is not None and not (rate > 0 and math.isfinite(rate)):
        raise CommandError(f"--rate: {rate:g} is not above 0", returncode=2)
    if limit is not None and limit < 1:
        raise CommandError(f"--limit: {limit} is not at least 1", returncode=2)
    if not 1 <= concurrency <= MAX_CONCURRENCY:
        raise CommandError(f"--concurrency: {concurrency} is not from 1 to {MAX_CONCURRENCY}", returncode=2)
    try:
        target = Target.parse(options["url"], options["prefix"])
    except ValueError as error:
        raise CommandError(str(error), returncode=2) from None
    return Replay(options["file"], target, rate=rate, limit=limit)


def run_with_bar(replay: Replay, options: dict[str, Any]) -> Result:
    """Runs it under a progress bar on standard error, if that is a terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        total = options["limit"] or options["file"].stat().st_size
        task = bar.add_task("", total=total)

        def show(running: Replay) -> None:
            sent = running.result.sent
            bar.update(
                task,
                completed=sent if options["limit"] else running.bytes_read,
                description=f"{sent} requests",
            )

        return replay.run(options["concurrency"], show)


def readable(result: Result) -> str:
    rate = result.sent / result.seconds if result.seconds else 0.0
    lines = [
        f"sent {result.sent}, answered {result.answered}, failed {result.failed}, "
        f"mismatched {result.mismatched}, malformed {result.malformed.count} "
        f"in {result.seconds:.1f} s ({rate:.0f} a second)"
    ]
    for what, tally in (("malformed", result.malformed), ("status can't be asked for", result.unaskable)):
        if tally.count:
            more = ", …" if tally.count > len(tally.lines) else ""
            lines.append(f"{what}: lines {', '.join(map(str, tally.lines))}{more}")
    return "\n".join([*lines, *result.problems])
