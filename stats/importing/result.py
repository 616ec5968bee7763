"""What became of a log's lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.accesslog.replay import EXAMPLES, Tally


@dataclass
class FileResult:
    """One file. Lines that are neither malformed nor refused nor skipped were queued."""

    name: str
    format: str
    lines: int = 0
    queued: int = 0
    malformed: Tally = field(default_factory=Tally)
    refused: Tally = field(default_factory=Tally)  # well-formed, but their time can't be counted
    skipped_sealed: int = 0
    problems: list[str] = field(default_factory=list)  # the first malformed and refused lines, and why
    error: str = ""  # why it could not be read to its end

    def malformed_line(self, number: int, reason: str) -> None:
        self.malformed.add(number)
        self._note(self.malformed, number, reason)

    def refused_line(self, number: int, reason: str) -> None:
        self.refused.add(number)
        self._note(self.refused, number, reason)

    def _note(self, tally: Tally, number: int, reason: str) -> None:
        if tally.count <= EXAMPLES:
            self.problems.append(f"line {number}: {reason}")


@dataclass
class Result:
    """The whole run."""

    files: list[FileResult] = field(default_factory=list)
    shift_seconds: int = 0
    seconds: float = 0.0
    waited_seconds: float = 0.0  # for the queue to empty
    sealed_days: list[str] = field(default_factory=list)  # whose lines were skipped
    error: str = ""  # why it ended early

    def total(self, name: str) -> int:
        values = (getattr(file, name) for file in self.files)
        return sum(value.count if isinstance(value, Tally) else value for value in values)

    @property
    def lines_per_second(self) -> float:
        return self.total("lines") / self.seconds if self.seconds else 0.0

    @property
    def holds(self) -> bool:
        """Whether every well-formed line is in the queue, but for those of sealed days."""
        failed = self.error or any(file.error for file in self.files)
        return not failed and self.total("refused") == 0

    def as_dict(self) -> dict[str, Any]:
        sums = {
            name: self.total(name) for name in ("lines", "queued", "malformed", "refused", "skipped_sealed")
        }
        return {
            **sums,
            "seconds": round(self.seconds, 3),
            "waited_seconds": round(self.waited_seconds, 3),
            "lines_per_second": round(self.lines_per_second),
            "shift_seconds": self.shift_seconds,
            "sealed_days": self.sealed_days,
            "error": self.error,
            "files": [
                {**vars(file), "malformed": vars(file.malformed), "refused": vars(file.refused)}
                for file in self.files
            ],
        }
