"""Every page and every action of the project's URLs, found by walking them: what is added is found, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver, reverse

# What a page needs in its address to show something.
QUERIES = {
    "stats_route": "?route=/api/users&start=2025-11-23T00:00&end=2025-11-24T00:00",
    "index": "?start=2025-11-23T00:00&end=2025-11-24T00:00",
}
# Answers of the admin that are no pages.
NO_PAGES = {
    "jsi18n": "a script",
    "autocomplete": "JSON of a list of choices, and none here has one",
    "search": "a part of the sidebar's search",
    "logout": "POST only",
    "view_on_site": "shadowed by a 404 in gateway.urls",
    "app_list": "an index of an app, which unfold leads nobody to",
    "login": "for who is logged in a redirect",
    "password_change_done": "shown after a change",
}
# Names of arguments under which a pattern takes a row's key.
KEYS = ("object_id", "id", "pk")


@dataclass(frozen=True)
class Place:
    """A URL pattern with a name, and the model's admin it belongs to, if it is one's."""

    name: str
    arguments: tuple[str, ...]
    pattern: URLPattern
    namespace: str = ""
    model: type[Model] | None = None

    def url(self, row: Model | None = None) -> str:
        """Its address, with a row's key where it takes one. Fails for a pattern that nobody knows to fill."""
        unknown = set(self.arguments) - set(KEYS)
        assert not unknown, f"{self.name}: tests/integration/admin_urls.py does not know what {unknown} is"
        key = dict.fromkeys(self.arguments, row.pk if row else 1)
        name = f"{self.namespace}:{self.name}" if self.namespace else self.name
        return reverse(name, kwargs=key) + QUERIES.get(self.name, "")


def places() -> list[Place]:
    """Those of the admin."""
    return [place for place in _walk(get_resolver().url_patterns) if place.namespace == "admin"]


def pages() -> list[Place]:
    """Those of the admin that a person looks at by GET, whatever rows there are."""
    return [
        place
        for place in places()
        if place.name not in NO_PAGES
        and not set(place.arguments) - set(KEYS)
        and not is_nobodys(place)
        and not _is_empty_history(place)
    ]


def patterns() -> Iterator[tuple[str, URLPattern]]:
    """Every pattern of the project, as it is written from the root on."""

    def walk(found: list[Any], prefix: str) -> Iterator[tuple[str, URLPattern]]:
        for one in found:
            written = f"{prefix}{one.pattern}"
            if isinstance(one, URLResolver):
                yield from walk(one.url_patterns, written)
            else:
                yield written, one

    return walk(get_resolver().url_patterns, "")


def addresses(place: Place) -> list[str]:
    """Its page, or that of the newest row of its model; none where that has no rows."""
    if not place.arguments:
        return [place.url()]
    assert place.model is not None, f"{place.name} takes a key, of no model"
    newest = place.model._default_manager.order_by("-pk").first()
    return [place.url(newest)] if newest is not None else []


def _walk(found: list[Any], namespace: str = "") -> Iterator[Place]:
    for one in found:
        if isinstance(one, URLResolver):
            yield from _walk(one.url_patterns, one.namespace or namespace)
        elif one.name:
            arguments = tuple(one.pattern.converters or one.pattern.regex.groupindex)
            yield Place(one.name, arguments, one, namespace, _model(one.name))


def _model(name: str) -> type[Model] | None:
    """The one that the pattern's name begins with: `stats_event_change`; the longest where two fit."""
    fitting = [
        model
        for model in admin.site._registry
        if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_")
    ]
    return max(fitting, key=lambda model: len(model._meta.model_name or ""), default=None)


def _is_empty_history(place: Place) -> bool:
    """Of rows with which nobody can do anything: no page leads there."""
    owner = admin.site._registry.get(place.model) if place.model else None
    return place.name.endswith("_history") and not getattr(owner, "keeps_history", True)


def is_nobodys(place: Place) -> bool:
    """Whether nobody at all may add, change or delete there, so that there is no such page."""
    if place.model is None:
        return False
    owner = admin.site._registry[place.model]
    return any(
        place.name.endswith(f"_{verb}") and _refuses_everybody(owner, verb) for verb in ("add", "delete")
    )


def _refuses_everybody(owner: Any, verb: str) -> bool:
    from django.contrib.auth.models import User
    from django.test import RequestFactory

    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True, is_staff=True)
    return not getattr(owner, f"has_{verb}_permission")(request)
