"""The texts that are marked for translation in Python and in templates."""

from __future__ import annotations

import gettext
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
OURS = ("gateway", "stats", "legacy_collector")
# Parts of other packages that our pages show; what their own catalogues lack is in ours.
TEMPLATES = ("admin", "auth", "registration", "unfold")
THEIRS = {
    "unfold": ("*.py", "mixins", "templatetags", *(f"templates/{name}" for name in TEMPLATES)),
    "django_q": ("admin.py", "models.py"),
}
THEIR_CATALOGUES = (
    *("django/conf", "django_q"),
    *(f"django/contrib/{app}" for app in ("admin", "auth", "contenttypes", "messages", "sessions")),
)
KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
    "Phrase": None,
}


class Marked(NamedTuple):
    """One text, where it stands, and what its author tells translators."""

    id: str | tuple[str, ...]  # singular and plural
    context: str | None
    place: str
    comments: tuple[str, ...]


def marked() -> Catalog:
    """All of them, without translations."""
    found = Catalog(project="Tallygate", charset="utf-8")
    for one in (*_in(ROOT, _ours()), *(one for one in _theirs() if not _is_translated(one))):
        found.add(one.id, context=one.context, locations=[(one.place, 1)], auto_comments=one.comments)
    return found


def _ours() -> Iterator[Path]:
    for app in OURS:
        yield from sorted((ROOT / app).rglob("*.py"))
        yield from sorted((ROOT / app).rglob("*.html"))


def _theirs() -> Iterator[Marked]:
    for package, parts in THEIRS.items():
        folder = _folder(package)
        files = (file for part in parts for path in folder.glob(part) for file in (path, *path.rglob("*")))
        wanted = sorted({file for file in files if file.suffix in (".py", ".html") and file.is_file()})
        yield from (one._replace(comments=()) for one in _in(folder.parent, wanted))


def _in(root: Path, files: Iterable[Path]) -> Iterator[Marked]:
    for file in files:
        source = file.read_bytes()
        if file.suffix == ".html":
            # As Python sees it; a template's indentation is none that Python would take.
            lines = templatize(source.decode()).splitlines()
            source = "\n".join(line.lstrip() for line in lines).encode()
        place = file.relative_to(root).as_posix()
        for _, message, comments, context in extract("python", BytesIO(source), KEYWORDS, ["Translators:"]):
            yield Marked(message, context, place, tuple(comments))


def _is_translated(one: Marked) -> bool:
    """By its own package, or by Django."""
    singular = one.id if isinstance(one.id, str) else one.id[0]
    key = f"{one.context}\x04{singular}" if one.context else singular
    return key in _their_translations()


@cache
def _their_translations() -> frozenset[str]:
    known: set[str] = set()
    for name in THEIR_CATALOGUES:
        file = _folder(name.partition("/")[0]).parent / name / "locale/zh_Hans/LC_MESSAGES/django.mo"
        if file.exists():
            with file.open("rb") as opened:
                keys = gettext.GNUTranslations(opened)._catalog  # type: ignore[attr-defined]
            known.update(key if isinstance(key, str) else key[0] for key in keys)
    return frozenset(known)


def _folder(package: str) -> Path:
    """Where it is installed; nothing of it is loaded."""
    found = find_spec(package)
    assert found is not None, package
    assert found.origin is not None, package
    return Path(found.origin).parent
