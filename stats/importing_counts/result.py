"""What became of the counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from stats.importing_counts.writing import Written

EXAMPLES = 20  # refused rows that are named


@dataclass
class Result:
    """One run. In a dry run what it would have done."""

    dry_run: bool = False
    read: int = 0  # rows of the sources
    refused: int = 0
    outside: int = 0  # of --since and --until
    folded: int = 0  # routes that became part of `(other)`
    imported_rows: int = 0  # new, or changed
    imported_hours: int = 0
    unchanged_rows: int = 0
    skipped_rows: int = 0  # of hours that the queue path has
    skipped_hours: int = 0
    problems: list[str] = field(default_factory=list)  # the first refused rows, and why
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether no row was refused."""
        return not self.refused

    def refuse(self, problem: str) -> None:
        self.refused += 1
        if len(self.problems) < EXAMPLES:
            self.problems.append(problem)

    def add(self, written: Written) -> None:
        for name, value in written._asdict().items():
            setattr(self, name, getattr(self, name) + value)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
