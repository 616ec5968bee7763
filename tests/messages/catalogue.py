"""The catalogue of one language: a `.po` that people write, and the `.mo` that Django reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from tests.messages.marked import ROOT

# One for all apps: they share most of their words, and no app is without the gateway.
PO = ROOT / "gateway/locale/zh_Hans/LC_MESSAGES/django.po"
MO = PO.with_suffix(".mo")
WIDTH = 100
# What a translation has to hold just as its text does: placeholders, elements, what is typed.
KEPT = re.compile(r"<code>[^<]*</code>|</?\w+>|%\(\w+\)[sd]|%%|\{\w+\}")


def read(file: Path = PO) -> Catalog:
    with file.open("rb") as opened:
        return read_po(opened, locale="zh_Hans")


def updated(kept: Catalog, found: Catalog) -> Catalog:
    """With what is marked now, and without what is no longer; nothing is guessed from a similar text."""
    kept.update(found, no_fuzzy_matching=True, update_creation_date=False)
    kept.obsolete.clear()
    return kept


def written(catalogue: Catalog) -> bytes:
    """Without line numbers: every change of a file would be one of the catalogue."""
    text = BytesIO()
    write_po(text, catalogue, width=WIDTH, sort_by_file=True, ignore_obsolete=True, include_lineno=False)
    return text.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    binary = BytesIO()
    write_mo(binary, catalogue)
    return binary.getvalue()


def messages(catalogue: Catalog) -> Iterator[Message]:
    """All but its head."""
    return (message for message in catalogue if message.id)


def key(message: Message) -> tuple[object, ...]:
    return message.context, message.id


def texts(of: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """An id's or a translation's, one for each of its forms."""
    return (of,) if isinstance(of, str) else tuple(of)


def is_translated(message: Message) -> bool:
    return not message.fuzzy and bool(message.string) and all(texts(message.string))


def kept(text: str) -> list[str]:
    return sorted(KEPT.findall(text))
