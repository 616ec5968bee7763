"""Access logs for the end-to-end tests, and what they say, counted by other means than the project's."""

from __future__ import annotations

import random
import re
import urllib.parse
from collections import Counter
from pathlib import Path

from tests.integration.processes import ROOT

PREFIX = "/api/test"
REAL_LOG = ROOT.parent / "shared" / "data" / "apache_combined_2015.log"
_REQUEST = re.compile(rb'^(\S+) .*?\] "(\S+) (\S+) HTTP/[0-9.]+" ([0-9]{3}) (\S+) "[^"]*" "(?:[^"\\]|\\.)*"$')

PATHS = (
    "/",
    "/index.html",
    "/api/users/{n}",
    "/v1/docs:batchGet",
    "/images/jordan-{n}.png",
    "/search?q=a+b&page={n}",
    "/%E5%95%86%E5%93%81/%E5%88%97%E8%A1%A8",
    "/blog/2015-05-{d:02}/entry",
    "/files/a%20file.txt",
    "/presentations/logstash/images/kibana{d}.png?x=1",
)
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", r"odd \"quoted\" agent", "-")


def generate(path: Path, lines: int, seed: int = 7) -> None:
    """A log in combined format that is the same for the same seed."""
    chance = random.Random(seed)
    with path.open("w") as log:
        for number in range(lines):
            target = chance.choice(PATHS).format(n=chance.randrange(50), d=chance.randrange(1, 29))
            address = f"198.51.100.{chance.randrange(1, 60)}"
            status = chance.choices((200, 304, 301, 404, 500), (80, 8, 5, 5, 2))[0]
            size = "-" if status == 304 else chance.randrange(20_000)
            method = chance.choices(("GET", "POST", "HEAD"), (90, 7, 3))[0]
            stamp = f"20/May/2015:{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02} +0000"
            agent = chance.choice(AGENTS)
            log.write(f'{address} - - [{stamp}] "{method} {target} HTTP/1.1" {status} {size} "-" "{agent}"\n')


def requests_by_path_and_status(path: Path) -> Counter[tuple[str, int]]:
    """What the log itself says, read with one regular expression."""
    found: Counter[tuple[str, int]] = Counter()
    for line in path.read_bytes().splitlines():
        match = _REQUEST.match(line)
        if match:
            target = match[3].split(b"?")[0].decode("ascii")
            found[PREFIX + urllib.parse.unquote(target), int(match[4])] += 1
    return found


def clients(path: Path) -> int:
    """Distinct addresses in the log."""
    matches = (_REQUEST.match(line) for line in path.read_bytes().splitlines())
    return len({match[1] for match in matches if match})
