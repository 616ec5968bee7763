"""Tables of a Markdown text whose cells hold what others wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.logs import printable


def table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Its lines."""
    yield f"| {' | '.join(titles)} |"
    yield "|" + "---|" * len(titles)
    for row in rows:
        yield f"| {' | '.join(cell(text) for text in row)} |"


def cell(text: str) -> str:
    """One line that can't end its cell, nor be taken for markup."""
    return printable(text).replace("|", "\\|").replace("<", "&lt;")
