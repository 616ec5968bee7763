"""The files of a run, looked at before anything is queued: their formats, and how far their times move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from gateway.idempotency import FIRST_TIMESTAMP
from stats.importing import fingerprint, formats, shift
from stats.importing.files import LogFile, opened
from stats.importing.line_format import LineFormat
from stats.importing.notation import BadFormat
from stats.partitions import day_of

TOO_OLD = "before 2001-09-09T01:46:40Z, so the milliseconds do not have 13 digits"


class CannotImport(ValueError):
    """The command as it stands can't be carried out; nothing was queued. The message names the argument."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was looked at."""

    file: LogFile
    format: LineFormat
    fingerprint: str
    moments: tuple[int, ...]  # of its first lines, ms since the epoch


def look_at(file: LogFile, line_format: LineFormat | None) -> Source:
    """What the first lines of a file say. Raises CannotImport, Unreadable."""
    with opened(file) as log:
        lines = [line for _, line in islice(log.lines(), formats.SAMPLE_LINES)]
    try:
        chosen = line_format or formats.detect(lines)
    except BadFormat as error:
        raise CannotImport(f"{file.name}: {error}") from None
    if lines and not any(map(chosen.fits, lines)):
        raise CannotImport(f"--format: none of the first {len(lines)} lines of {file.name} has it")
    moments = tuple(moment for line in lines if (moment := chosen.moment(line)) is not None)
    return Source(file, chosen, fingerprint.of_log(lines[0] if lines else b""), moments)


def choose_span(sources: Sequence[Source], target: shift.Target | None, warnings: list[str]) -> int:
    """By how many ms all times move; what a person should know of it is added to `warnings`.

    Raises Unreadable.
    """
    known = [shift.recorded(source.fingerprint) for source in sources]
    span = _wanted_span(sources, target, known, warnings)
    for source, before in zip(sources, known, strict=True):
        if before is not None and before != span:
            warnings.append(
                f"{source.file.name}: imported before, with its times shifted by {before // 1000} s; now,"
                f" shifted by {span // 1000} s, its lines have other ids and are counted a second time"
            )
    return span


def remember_span(sources: Sequence[Source], span: int) -> None:
    """Keeps it for the next import of these files. Raises OSError."""
    for source in sources:
        if source.moments:
            shift.record(source.fingerprint, span)


def refuse_old(sources: Sequence[Source], span: int) -> None:
    """Raises CannotImport if a file begins with nothing but times that can't be counted."""
    for source in sources:
        if source.moments and max(source.moments) + span < FIRST_TIMESTAMP:
            raise CannotImport(
                f"{source.file.name}: its times are {TOO_OLD} ({day_of(source.moments[0])});"
                " --shift-to DATE or --shift-to now moves them"
            )


def _wanted_span(
    sources: Sequence[Source], target: shift.Target | None, known: Sequence[int | None], warnings: list[str]
) -> int:
    firsts = [source.moments[0] for source in sources if source.moments]
    if target is None or not firsts:
        return 0
    if target.day is not None:
        return shift.to_day(firsts[0], target.day)
    before = next((span for span in known if span), None)
    if before is None:
        return shift.to_now(max(map(_latest_moment, sources)), datetime.now(UTC))
    warnings.append(
        f"--shift-to now: imported before, so all times are shifted by the same {before // 1000} s again,"
        " and nothing is counted twice"
    )
    return before


def _latest_moment(source: Source) -> int:
    """The latest time in the whole file (logs are not quite in order), ms since the epoch; 0 if none."""
    with opened(source.file) as log:
        found = (source.format.moment(line) for _, line in log.lines())
        return max((moment for moment in found if moment is not None), default=0)
