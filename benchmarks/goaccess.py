"""GoAccess and Tallygate count the same access log: `script/bench goaccess FILE`.

Starts the whole system in a fresh folder, imports the log, waits until all of it is counted, has GoAccess
read the same file, and compares hits per path, per status and per hour, and distinct clients. Each
difference is explained by a rule that says beforehand what it does, or it is left over and the exit code
is 1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import goaccess_report
from benchmarks.goaccess_report import Figures
from tests.integration.stack import Server, served

QUERIES = {
    "path": "SELECT path, count(*) FROM stats_event GROUP BY 1",
    "status": "SELECT status::text, count(*) FROM stats_event GROUP BY 1",
    # From the statistics, not from the events: that is what readers are shown.
    "hour": "SELECT extract(epoch FROM hour)::bigint, sum(requests)::bigint"
    " FROM stats_pathstatshourly GROUP BY 1",
}
CLIENTS = "SELECT count(DISTINCT client_ip_hash) FROM stats_event"


@dataclass
class Comparison:
    """One kind of figure: how many keys both have, and what is left over after the explained ones."""

    kind: str
    goaccess: int  # keys
    tallygate: int
    equal: int
    explained: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)


def compare(
    kind: str, theirs: Mapping[Any, int], ours: Mapping[Any, int], ignored: Mapping[Any, int]
) -> Comparison:
    """`ignored` holds the hits of lines that GoAccess counts and we call malformed."""
    result = Comparison(kind, len(theirs), len(ours), 0)
    for key in sorted({*theirs, *ours}, key=str):
        their, our, left_out = theirs.get(key, 0), ours.get(key, 0), ignored.get(key, 0)
        if their == our:
            result.equal += 1
        elif their == our + left_out:
            result.explained.append(f"{key}: {their} and {our}, {left_out} in malformed lines")
        else:
            result.unexplained.append(f"{key}: {their} and {our}")
    return result


def renamed(paths: Mapping[str, int], rename: Callable[[str], str], names: list[str]) -> Counter[str]:
    """Hits by the paths' new names; each name that changes is noted."""
    hits: Counter[str] = Counter()
    for path, count in paths.items():
        name = rename(path)
        hits[name] += count
        if name != path:
            names.append(f"{path[:80]!a} is {name[:80]!a} ({count})")
    return hits


def tallygate(server: Server, log: Path, shift_to: str | None) -> tuple[dict[str, Any], Figures]:
    """Imports the log and waits until all is counted; the import's own report and what was counted."""
    extra = ["--shift-to", shift_to] if shift_to else []
    done = server.manage("import_access_log", str(log), "--json", *extra)
    if not done.stdout:
        raise SystemExit(f"import failed: {done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout)
    if not server.drained(report["queued"], seconds=120):
        raise SystemExit(f"not all was counted: {server.status()}")
    counted = {kind: Counter(dict(server.rows(sql))) for kind, sql in QUERIES.items()}
    return report, Figures(counted, int(server.rows(CLIENTS)[0][0]))


def measure(log: Path, shift_to: str | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "var") as (server,):
        report, ours = tallygate(server, log, shift_to)
        server.stop()
    lines = log.read_bytes().splitlines()
    malformed = [lines[number - 1] for number in report["files"][0]["malformed"]["lines"]]
    theirs = goaccess_report.read(log, report["shift_seconds"], report["files"][0]["format"])
    left_out = goaccess_report.of_lines(malformed, report["shift_seconds"], report["files"][0]["format"])
    names: list[str] = []
    theirs.hits["path"] = renamed(theirs.hits["path"], goaccess_report.as_we_name_it, names)
    ours.hits["path"] = renamed(ours.hits["path"], goaccess_report.as_goaccess_trims_it, names)
    left_out.hits["path"] = renamed(left_out.hits["path"], goaccess_report.as_we_name_it, [])
    comparisons = [compare(kind, theirs.hits[kind], ours.hits[kind], left_out.hits[kind]) for kind in QUERIES]
    clients = {"goaccess": theirs.clients, "tallygate": ours.clients}
    return {
        "import": {name: value for name, value in report.items() if name != "files"},
        "malformed": report["files"][0]["problems"],
        "hits": {"goaccess": sum(theirs.hits["status"].values()), "tallygate": report["queued"]},
        "clients": clients,
        "renamed": names,
        "comparisons": [asdict(comparison) for comparison in comparisons],
        "agree": ours.clients <= theirs.clients <= ours.clients + left_out.clients
        and not any(found.unexplained for found in comparisons),
    }


def table(result: dict[str, Any]) -> str:
    lines = [f"{'':12}{'GoAccess':>10}{'Tallygate':>10}{'equal':>8}{'explained':>11}{'left over':>11}"]
    lines.extend(
        f"{name:12}{result[name]['goaccess']:>10}{result[name]['tallygate']:>10}"
        for name in ("hits", "clients")
    )
    lines.extend(
        f"{'by ' + found['kind']:12}{found['goaccess']:>10}{found['tallygate']:>10}{found['equal']:>8}"
        f"{len(found['explained']):>11}{len(found['unexplained']):>11}"
        for found in result["comparisons"]
    )
    lines.extend(f"malformed: {problem}" for problem in result["malformed"])
    lines.extend(f"a path's two names: {name}" for name in result["renamed"])
    for found in result["comparisons"]:
        lines.extend(f"{found['kind']} explained: {text}" for text in found["explained"])
        lines.extend(f"{found['kind']} LEFT OVER: {text}" for text in found["unexplained"])
    imported = result["import"]
    lines.append(f"imported {imported['queued']} lines, {imported['lines_per_second']} a second")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="script/bench goaccess", description=__doc__)
    parser.add_argument("log", type=Path, metavar="FILE", help="in common or combined format")
    parser.add_argument("--shift-to", metavar="DATE", help="as of import_access_log")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(arguments)
    if shutil.which("goaccess") is None:
        print("goaccess is not installed (Debian: apt-get install goaccess)", file=sys.stderr)
        return 2
    result = measure(options.log.resolve(), options.shift_to)
    print(json.dumps(result) if options.json else table(result))
    return 0 if result["agree"] else 1
