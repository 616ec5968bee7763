"""What GoAccess counts in a log, in the terms of the comparison (`benchmarks.goaccess`)."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.utils.encoding import repercent_broken_unicode

from gateway.accesslog.parse import unescape

FORMATS = {"common": "COMMON", "combined": "COMBINED"}
_OFFSET = re.compile(rb"\[[^\]]* ([+-])(\d\d)(\d\d)\]")
# A request stands in exactly one of these panels.
_PATH_PANELS = ("requests", "static_requests", "not_found")


@dataclass
class Figures:
    """Hits by kind (`path`, `status`, `hour` in seconds since the epoch) and key, and distinct clients."""

    hits: dict[str, Counter[Any]]
    clients: int


def read(log: Path, shift_seconds: int, format_name: str) -> Figures:
    """GoAccess's figures of a log whose times all have one offset, moved by so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run(  # noqa: S603
            [
                *("goaccess", "--no-global-config", "--no-progress", "--no-ip-validation"),
                *("--http-method=no", "--http-protocol=no", "--no-query-string"),
                *("--date-spec=hr", "--max-items=10000000"),
                *(f"--log-format={FORMATS[format_name]}", "-f", str(log), "-o", str(report)),
            ],
            check=True,
            capture_output=True,
        )
        # It writes what it was given: also bytes that are no UTF-8, and control characters.
        text = report.read_bytes().decode("utf-8", "surrogateescape")
    panels = json.loads(text, strict=False)
    return Figures(
        {
            "path": _paths(panels),
            "status": _statuses(panels),
            "hour": _hours(panels, _offset(log) + timedelta(seconds=shift_seconds)),
        },
        len(panels["hosts"]["data"]) if "hosts" in panels else 0,
    )


def of_lines(lines: Sequence[bytes], shift_seconds: int, format_name: str) -> Figures:
    """GoAccess's figures of some lines alone."""
    if not lines:
        return Figures({"path": Counter(), "status": Counter(), "hour": Counter()}, 0)
    with tempfile.NamedTemporaryFile(suffix=".log") as file:
        file.write(b"\n".join(lines) + b"\n")
        file.flush()
        return read(Path(file.name), shift_seconds, format_name)


def as_we_name_it(path: str) -> str:
    """GoAccess shows a path as the log has it; ours are unescaped, begin with a slash and are UTF-8."""
    raw = unescape(path.encode("utf-8", "surrogateescape"))
    name = repercent_broken_unicode(raw).decode()
    return name if name.startswith("/") else "/" + name


def as_goaccess_trims_it(path: str) -> str:
    """GoAccess takes blanks, also encoded ones, from the ends of a path."""
    return path.strip(" ")


def _paths(panels: dict[str, Any]) -> Counter[str]:
    hits: Counter[str] = Counter()
    for panel in _PATH_PANELS:
        for item in panels.get(panel, {}).get("data", ()):
            hits[item["data"]] += item["hits"]["count"]
    return hits


def _statuses(panels: dict[str, Any]) -> Counter[str]:
    items = [item for group in panels["status_codes"]["data"] for item in group["items"]]
    return Counter({item["data"].split()[0]: item["hits"]["count"] for item in items})


def _hours(panels: dict[str, Any], moved: timedelta) -> Counter[int]:
    hits: Counter[int] = Counter()
    for item in panels["visitors"]["data"]:
        local = datetime.strptime(item["data"], "%Y%m%d%H").replace(tzinfo=UTC)
        hits[int((local + moved).timestamp())] += item["hits"]["count"]
    return hits


def _offset(log: Path) -> timedelta:
    """From the log's times to UTC: GoAccess takes them as they are written."""
    offsets = set(_OFFSET.findall(log.read_bytes()))
    if len(offsets) != 1:
        raise SystemExit(f"{log}: times of {len(offsets)} time zones, of which GoAccess makes one")
    sign, hours, minutes = offsets.pop()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return offset if sign == b"-" else -offset
