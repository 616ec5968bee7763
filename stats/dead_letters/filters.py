"""Which letters are meant: the condition itself, not the ids that it found when somebody looked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from django.db.models import QuerySet

from stats.models import DeadLetter


class Filter(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a list was narrowed to. As parameters of a repair it is JSON."""

    reason: str = ""
    route: str | None = None  # empty: of those whose route can't be read
    number: int | None = None
    ids: tuple[str, str] | None = None  # event ids from the first on, the second excluded
    id_prefix: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Filter:
        """What `as_parameters` made. Raises ValueError."""
        return msgspec.convert(parameters, cls)

    def as_parameters(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    def apply(self, letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        """Each condition has an index, beside the one on state."""
        if self.reason:
            letters = letters.filter(reason=self.reason)
        if self.route is not None:
            letters = letters.filter(route=self.route)
        if self.number is not None:
            letters = letters.filter(pk=self.number)
        if self.ids is not None:
            letters = letters.filter(event_id__gte=self.ids[0], event_id__lt=self.ids[1])
        if self.id_prefix:
            letters = letters.filter(event_id__startswith=self.id_prefix)
        return letters
