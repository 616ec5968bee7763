"""`manage.py import_access_log`: access logs of the past, straight into the queue."""

from __future__ import annotations

import json
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.logs import printable
from stats.importing import formats, shift
from stats.importing.files import LogFile, named
from stats.importing.hand_over import DEFAULT_MAX_WAITING
from stats.importing.importer import Importer
from stats.importing.line_format import LineFormat
from stats.importing.notation import BadFormat
from stats.importing.result import FileResult, Result
from stats.importing.sources import CannotImport

AUTO = "auto"


class Command(BaseCommand):
    """Exit code 0 if every well-formed line was queued, 1 if not, 2 on a bad argument."""

    help = "Queues the requests in Apache or nginx access logs, so that they are counted like live ones."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = (
            "A line's id follows from the log's content, the line's number and its time: importing a log\n"
            "again, under another name, compressed or grown, counts nothing twice. A log whose times were\n"
            "shifted has other ids; `--shift-to now` therefore shifts a log that was shifted before by the\n"
            "same span again, as kept below VAR_DIR/imports, and another DATE than before is warned of.\n"
            "Times are those of the log, so the worker counts the lines into the past; events wait in the\n"
            "queue up to --max-waiting, and live ones wait behind them.\n"
            "Exit code: 0 every well-formed line was queued, but for days that take no events any more;\n"
            "1 not so; 2 a bad argument, and nothing was queued."
        )
        parser.add_argument(
            "files", metavar="FILE", nargs="+", help="a log, plain or gzip; `-` is standard input"
        )
        parser.add_argument(
            "--format",
            default=AUTO,
            help=f"{AUTO} (the default: found by the first lines), {', '.join(formats.NAMED)}, or what stands"
            " behind nginx's log_format or Apache's LogFormat",
        )
        parser.add_argument(
            "--shift-to",
            metavar="DATE|now",
            help="move all times by one span: the first file's first line to this day (UTC, by whole days),"
            " or the latest line of all to now",
        )
        parser.add_argument(
            "--max-waiting",
            type=int,
            default=DEFAULT_MAX_WAITING,
            help="events that may wait in the queue (default: %(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        with named(options["files"]) as files:
            try:
                result = self._run(files, options)
            except (CannotImport, OSError) as error:  # no file, or no place to keep the span of a shift
                raise CommandError(printable(str(error)), returncode=2) from None
        self.stdout.write(json.dumps(result.as_dict()) if options["json"] else readable(result))
        if not result.holds:
            sys.exit(1)

    def _run(self, files: Sequence[LogFile], options: dict[str, Any]) -> Result:
        console = Console(stderr=True)
        columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
            task = bar.add_task("")

            def show(running: Importer) -> None:
                lines = running.result.total("lines")
                bar.update(task, completed=running.bytes_read, description=f"{lines} lines")

            importer = make_importer(files, options, show)
            bar.update(task, total=sum(file.path.stat().st_size for file in files))
            for warning in importer.warnings:
                self.stderr.write(f"warning: {printable(warning)}")
            return importer.run()


def make_importer(files: Sequence[LogFile], options: dict[str, Any], on_progress: Any) -> Importer:
    """Raises CommandError that names the argument, CannotImport, Unreadable."""
    line_format: LineFormat | None = None
    target: shift.Target | None = None
    if options["max_waiting"] < 1:
        raise CommandError(f"--max-waiting: {options['max_waiting']} is not at least 1", returncode=2)
    try:
        if options["format"] != AUTO:
            line_format = formats.named_or_compiled(options["format"])
    except BadFormat as error:
        raise CommandError(f"--format: {printable(str(error))}", returncode=2) from None
    try:
        if options["shift_to"] is not None:
            target = shift.Target.parse(options["shift_to"], datetime.now(UTC).date())
    except shift.BadShift as error:
        raise CommandError(f"--shift-to: {printable(str(error))}", returncode=2) from None
    return Importer(
        files,
        format=line_format,
        target=target,
        max_waiting=options["max_waiting"],
        on_progress=on_progress,
    )


def readable(result: Result) -> str:
    lines = [
        f"queued {result.total('queued')} of {result.total('lines')} lines in {result.seconds:.1f} s"
        f" ({result.lines_per_second:.0f} a second, {result.waited_seconds:.1f} s waiting for the queue):"
        f" malformed {result.total('malformed')}, refused {result.total('refused')},"
        f" skipped {result.total('skipped_sealed')}"
    ]
    for file in result.files:
        lines.extend(_readable_file(file))
    if result.sealed_days:
        first, last = result.sealed_days[0], result.sealed_days[-1]
        lines.append(
            f"skipped {result.total('skipped_sealed')} lines of {len(result.sealed_days)} days that take no"
            f" events any more ({first} to {last})"
        )
    if result.error:
        lines.append(f"ended early, to be run again: {printable(result.error)}")
    return "\n".join(lines)


def _readable_file(file: FileResult) -> list[str]:
    lines = [f"{printable(file.name)}: {file.lines} lines, format: {printable(file.format)}"]
    lines.extend(f"  {problem}" for problem in file.problems)
    for what, tally in (("malformed", file.malformed), ("refused", file.refused)):
        if tally.count > len(tally.lines):
            lines.append(f"  … {tally.count} lines {what} in all")
    if file.error:
        lines.append(f"  {printable(file.error)}")
    return lines
