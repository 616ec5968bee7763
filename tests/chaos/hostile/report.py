"""What a run did to the system: every answer that counts is stored once, and nothing else is in the way."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.hostile.client import Outcome
from tests.chaos.hostile.wire import MARK
from tests.integration.processes import wait_for
from tests.integration.stack import Server

EXAMPLES = 20  # of each kind of fault, in the report


@dataclass
class Report:
    """Figures of one run. The stores' are None where only an address was given."""

    seed: int
    sent: int = 0
    answered: dict[str, int] = field(default_factory=dict)  # by status class
    refused_by_web_server: int = 0
    dropped: int = 0  # connections that the server closed without an answer
    silent: int = 0  # no answer in time
    reset_by_client: int = 0
    our_5xx: list[str] = field(default_factory=list)
    harmless_failed: list[str] = field(default_factory=list)  # neighbours that did not get their 200
    must_count: int | None = None
    events: int | None = None
    lost: list[str] | None = None
    doubled: list[str] | None = None
    wrong_status: list[str] | None = None
    unmarked: int | None = None  # events that no attack of this run made
    dead_letters: int | None = None
    queue_left: int | None = None
    tracebacks: int | None = None
    rss_kb_before: dict[str, int] | None = None  # by role
    rss_kb_after: dict[str, int] | None = None

    @property
    def is_clean(self) -> bool:
        faults = (self.our_5xx, self.harmless_failed, self.lost, self.doubled, self.wrong_status, self.silent)
        return not any(faults) and not (
            self.unmarked or self.dead_letters or self.queue_left or self.tracebacks
        )

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "clean": self.is_clean}


def of_answers(seed: int, outcomes: Sequence[Outcome]) -> Report:
    """The part that a client can see."""
    ends = Counter(outcome.end for outcome in outcomes)
    answers = [outcome for outcome in outcomes if outcome.status is not None]
    classes = Counter(f"{outcome.status // 100}xx" for outcome in answers if outcome.status)
    return Report(
        seed=seed,
        sent=len(outcomes),
        answered=dict(sorted(classes.items())),
        refused_by_web_server=sum(not outcome.by_django for outcome in answers),
        dropped=ends["dropped"],
        silent=ends["silent"],
        reset_by_client=ends["reset"],
        our_5xx=_named([outcome for outcome in outcomes if outcome.is_our_fault]),
        harmless_failed=_named(
            [outcome for outcome in outcomes if outcome.attack.kind == "harmless" and outcome.status != 200]
        ),
    )


def add_stores(report: Report, server: Server, outcomes: Sequence[Outcome], seconds: float = 60.0) -> None:
    """The part that only the databases and the log can tell; waits for the queue to drain."""
    counting = [outcome for outcome in outcomes if outcome.counts]
    wait_for(lambda: _has_all(server, counting), seconds)
    stored = _stored(server)
    report.must_count = len(counting)
    report.events = sum(map(len, stored.values()))
    report.unmarked = len(stored.pop("", []))
    report.lost = _named([outcome for outcome in counting if outcome.attack.mark not in stored])
    report.doubled = [mark for mark, found in stored.items() if len(found) > 1 and mark[0] == "m"]
    report.wrong_status = _named(
        [
            outcome
            for outcome in counting
            if outcome.status not in stored.get(outcome.attack.mark, [outcome.status])
        ]
    )
    report.dead_letters = server.rows("SELECT count(*) FROM stats_deadletter")[0][0]
    report.queue_left = server.rows("SELECT count(*) FROM gateway_queuedbatch")[0][0]
    report.tracebacks = len(re.findall(r"^Traceback ", server.output(), re.MULTILINE))


def _has_all(server: Server, counting: Sequence[Outcome]) -> bool:
    stored = _stored(server)
    waiting = server.rows("SELECT count(*) FROM gateway_queuedbatch")[0][0]
    return not waiting and all(outcome.attack.mark in stored for outcome in counting)


def _stored(server: Server) -> dict[str, list[int]]:
    """The statuses stored for each mark; those without one under an empty mark."""
    stored: dict[str, list[int]] = defaultdict(list)
    for request_id, path, status in server.rows("SELECT request_id, path, status FROM stats_event"):
        found = MARK.search(request_id) or MARK.search(path)
        stored[found[0] if found else ""].append(status)
    return stored


def _named(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        f"{outcome.attack.kind} {outcome.attack.mark} {outcome.status}: {_start(outcome)!r}"
        for outcome in outcomes[:EXAMPLES]
    ]


def _start(outcome: Outcome) -> bytes:
    return b"".join(outcome.attack.parts)[:300]
